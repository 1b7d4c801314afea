"""What the benchmark asks of a tool that rolls the application out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from benchmarks.rollback.application import Model
from benchmarks.rollback.traffic import Target
from demo import stage
from demo.kubectl import Kubectl, wait_for
from localcluster import binaries, clusters, images
from localcluster.clusters import Cluster
from localcluster.processes import Process, spawn, stop
from tests.support.kube import Kube, Object, client

NAMESPACE = "viridian-rollback"
NAME = "application"
IMAGES = ("operator", "server", "collector")
"""Of ours that the node needs."""
REPLICAS = 4
"""Pods, when no version is on trial."""
WEIGHT = 25
"""The share of a version on trial, in percent: one pod of four where pods make the weight."""
TRIAL_SECONDS = 30


class Decision(StrEnum):
    """What has become of the version that was shipped last."""

    NONE = "None"
    REJECTED = "Rejected"
    PROMOTED = "Promoted"


@dataclass(frozen=True)
class World:
    """What all tools share."""

    cluster: Cluster
    kubectl: Kubectl
    kube: Kube
    folder: Path
    """For configurations and logs."""

    @property
    def namespace(self) -> str:
        return self.kubectl.namespace

    def object(self, api_version: str, kind: str, spec: Object, name: str = NAME) -> Object:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}

    def apply(self, manifest: Object) -> Object:
        return self.kube.apply(manifest, manager="benchmark", force=True)

    def read(self, api_version: str, kind: str, name: str = NAME) -> Object:
        return self.kube.get(api_version, kind, name, self.namespace) or {}


def prepared() -> Cluster:
    """The cluster with our images."""
    cluster = clusters.choose()
    cluster.up()
    cluster.load(images.build(IMAGES))
    return cluster


@contextmanager
def world(cluster: Cluster, namespace: str = NAMESPACE) -> Iterator[World]:
    """With a namespace of its own that is gone afterwards."""
    kubectl = Kubectl(str(binaries.program("kubectl")), cluster.kubeconfig, namespace)
    stage.create_namespace(kubectl)
    with tempfile.TemporaryDirectory(prefix="viridian-rollback-") as folder, client(cluster.kubeconfig) as kube:
        try:
            yield World(cluster, kubectl, kube, Path(folder))
        finally:
            kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=true")


class Tool(Protocol):
    """One tool with one way of splitting traffic."""

    @property
    def name(self) -> str: ...

    def serving(self, world: World, first: Model) -> AbstractContextManager[Serving]:
        """The tool at work with a first version that serves; afterwards its objects are gone."""


class Serving(Protocol):
    """The application in the hands of a tool."""

    def target(self) -> Target:
        """Whom users ask."""

    def ship(self, model: Model, revision: str) -> None:
        """A new version; the name of its revision is used where the tool names none itself."""

    def decision(self) -> Decision:
        """About the version that was shipped last."""

    def give_up(self) -> None:
        """The desired state names the version again that serves."""

    def at_rest(self) -> bool:
        """Whether one version serves with all of its pods and nothing is under way."""

    def processes(self) -> Mapping[str, list[int]]:
        """The tool's own programs on this computer, by what they are."""


def service_address(world: World, name: str = NAME) -> str:
    """The address inside the cluster; this computer is the node, so it reaches it as well."""
    return str(world.read("v1", "Service", name)["spec"]["clusterIP"])


def await_kind(world: World, crd: str) -> None:
    """Until the API server serves a kind. `kubectl wait` fails while the list of conditions is still null."""

    def established() -> bool:
        found = world.kubectl.get("crd", crd) or {}
        conditions = (found.get("status") or {}).get("conditions") or []
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    wait_for(established, f"the kind {crd}", timeout=60)


@contextmanager
def running(name: str, command: list[str], log: Path) -> Iterator[Process]:
    """A program of a tool; it ends with the block."""
    process = spawn(name, command, log)
    try:
        yield process
    finally:
        stop(process)
