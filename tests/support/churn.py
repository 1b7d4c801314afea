"""The ModelDeployment `churn` of the tests, and its versions in the registry."""

from __future__ import annotations

from typing import Any

from tests.support.memory_pods import Behaviour
from tests.support.operator_world import OperatorWorld
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT
from viridian.ports.cluster import Object

NAME = "churn"
STEPS = ({"weight": 25, "duration": "10s"}, {"weight": 50, "duration": "10s"})
METRICS = ({"name": "error-rate", "max": 0.01}, {"name": "latency-p95", "max": 0.25})
UNTIL_PROMOTED = 120.0
"""Seconds after which every rollout of these tests is over."""


def manifest(*, model: Object | None = None, **parts: Any) -> Object:
    """Follows the alias `candidate`; short steps, window and probation. Keywords replace parts of the spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT,
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {
            "model": model or {"registry": {"name": NAME, "alias": "candidate"}},
            "server": parts.get("server", {"replicas": 2}),
            "rollout": rollout(**parts.get("rollout", {})),
            **{key: value for key, value in parts.items() if key not in ("server", "rollout")},
        },
    }


def rollout(**parts: Any) -> Object:
    """The rollout of these tests with some parts replaced."""
    analysis = {"window": "20s", "metrics": list(METRICS), **parts.pop("analysis", {})}
    return {"steps": list(STEPS), "probation": "30s", "progressDeadline": "60s", "analysis": analysis, **parts}


def pinned(version: str) -> Object:
    return {"registry": {"name": NAME, "version": version}}


class Churn:
    """What people do to `churn`, and what can be seen of it."""

    def __init__(self, world: OperatorWorld) -> None:
        self.world = world
        self.cluster = world.cluster

    # ---- what people do

    def publish(self, **behaviour: Any) -> str:
        """A version is registered and gets the alias `candidate`."""
        version = self.world.registry.add_version(NAME)
        if behaviour:
            self.world.pods.behaviours[version] = Behaviour(**behaviour)
        self.point(version)
        return version

    def point(self, version: str, alias: str = "candidate") -> None:
        self.world.do(self.world.registry.set_alias(NAME, alias, version))

    def apply(self, **parts: Any) -> None:
        self.cluster.create(manifest(**parts))

    def annotate(self, command: str, value: str) -> None:
        self.cluster.annotate(MODEL_DEPLOYMENT, NAME, **{f"viridian.dev/{command}": value})

    def wipe_status(self) -> None:
        """Someone deletes the whole status."""
        self.cluster.edit(MODEL_DEPLOYMENT, NAME, lambda found: found.update(status={}))

    # ---- what can be seen

    @property
    def status(self) -> Object:
        found = self.cluster.find(MODEL_DEPLOYMENT, NAME)
        assert found is not None
        return dict(found.get("status") or {})

    @property
    def champion(self) -> str | None:
        """Version of the champion."""
        return _version(self.status.get("champion"))

    @property
    def challenger(self) -> str | None:
        return _version(self.status.get("challenger"))

    @property
    def rejected(self) -> list[str]:
        return [entry["version"] for entry in self.status.get("rejected", [])]

    def revision(self, version: str) -> str:
        """The newest revision that was made of a version."""
        found = [
            record
            for record in self.cluster.all("ControllerRevision")
            if record["data"].get("model", {}).get("version") == version
        ]
        assert found, f"no revision of version {version}"
        return str(max(found, key=lambda record: record["revision"])["metadata"]["labels"]["viridian.dev/revision"])

    def condition(self, kind: str) -> Object:
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def serves(self, version: str) -> bool:
        """The version is the champion, nothing is on its way, and the fallback has settled."""
        reconciling = self.condition("Reconciling").get("status") == "True"
        return self.champion == version and self.challenger is None and not reconciling


def _version(role: Object | None) -> str | None:
    return str(role["version"]) if role and "version" in role else None
