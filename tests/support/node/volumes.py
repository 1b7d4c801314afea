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
    name = f"volume-{uuid.uuid4().hex[:8]}"
    node = str(kube.list("v1", "Node")[0]["metadata"]["name"])
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    volume = _volume(name, node)
    kube.create(namespace)
    try:
        _on_the_node(kube, name, node, f"mkdir /node/{name}")
        kube.create(volume)
        yield name
    finally:
        kube.delete(volume)
        _on_the_node(kube, name, node, f"rm -rf /node/{name}")
        kube.delete(namespace)


def _volume(name: str, node: str) -> Object:
    here = [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": name,
            "local": {"path": f"{FOLDER}/{name}"},
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
