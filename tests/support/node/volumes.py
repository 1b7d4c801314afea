"""Storage of a node that has no storage class: a volume that an administrator has prepared."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.kube import Kube, Object, eventually

FOLDER = "/var/tmp"
IMAGE = "viridian/trainer:dev"
PATIENCE = 240.0


@contextmanager
def local_volume(kube: Kube) -> Iterator[str]:
    """The name of a storage class to which one PersistentVolume belongs: a folder of the node, gone at the end."""
    with local_volumes(kube, 1) as name:
        yield name


@contextmanager
def local_volumes(kube: Kube, number: int, *, default: bool = False) -> Iterator[str]:
    """The name of a storage class with so many PersistentVolumes; claims that name no class get the `default` one."""
    name = f"volume-{uuid.uuid4().hex[:8]}"
    node = str(kube.list("v1", "Node")[0]["metadata"]["name"])
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    folders = [f"{name}/{one}" for one in range(number)]
    made = [_volume(name, folder, node) for folder in folders]
    classes = [_default_class(name)] if default else []
    kube.create(namespace)
    try:
        _on_the_node(kube, name, node, f"mkdir -p {' '.join(f'/node/{folder}' for folder in folders)}")
        for part in (*classes, *made):
            kube.create(part)
        yield name
    finally:
        for part in (*classes, *made):
            kube.delete(part)
        _on_the_node(kube, name, node, f"rm -rf /node/{name}")
        kube.delete(namespace)


def _default_class(name: str) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volume(name: str, folder: str, node: str) -> Object:
    here = [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": folder.replace("/", "-")},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": name,
            "local": {"path": f"{FOLDER}/{folder}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": here}]}},
        },
    }


def _on_the_node(kube: Kube, namespace: str, node: str, command: str) -> None:
    """A shell command as root of the node, in whose namespace pods may have that right; returns when it has ended."""
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"node-{uuid.uuid4().hex[:8]}", "namespace": namespace},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "shell",
                    "image": IMAGE,
                    "command": ["sh", "-c", command],
                    "securityContext": {"runAsUser": 0},
                    "volumeMounts": [{"name": "node", "mountPath": "/node"}],
                }
            ],
            "volumes": [{"name": "node", "hostPath": {"path": FOLDER, "type": "Directory"}}],
        },
    }
    kube.create(pod)

    def phase() -> str:
        return str(kube.read(pod).get("status", {}).get("phase"))

    eventually(lambda: phase() in ("Succeeded", "Failed"), what=f"the end of `{command}` on the node", timeout=PATIENCE)
    assert phase() == "Succeeded", kube.read(pod)["status"]
