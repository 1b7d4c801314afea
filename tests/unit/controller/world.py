"""Small pieces that the tests of the loop share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.support.memory_cluster import MemoryCluster
from tests.support.memory_registry import MemoryRegistry
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT
from viridian.api.samples import Idle, PodSample, PodTarget, ScrapeFailure
from viridian.api.shadow import ShadowOrder
from viridian.controller.act import Actor
from viridian.controller.keys import Key
from viridian.controller.reconcilable import Observed
from viridian.controller.reconcile import PassResult, Reconciler
from viridian.controller.registries import ByNamespace
from viridian.controller.status import StatusWriter
from viridian.controller.status_parts import ROLLOUT
from viridian.core.obstacles import Obstacles, from_registry
from viridian.core.plan import Plan
from viridian.ports.cluster import ClusterReader, Object

KEY = Key(MODEL_DEPLOYMENT, "default", "churn")
PART = replace(ROLLOUT, fields=ROLLOUT.fields | {"refused", "said"})
"""What the scripted plans write."""
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def model_deployment(name: str = "churn") -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"model": {"uri": "https://models.example/churn.tar.gz", "digest": f"sha256:{'a' * 64}"}},
    }


def config_map(name: str = "child", **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data or {"a": "b"},
    }


@dataclass
class ToldPods:
    """Pods that only remember who was told to close connections."""

    closed: list[tuple[PodTarget, float, Idle]] = field(default_factory=list)
    forwarding: list[PodTarget] = field(default_factory=list)

    async def scrape(self, targets: Any) -> Mapping[str, PodSample | ScrapeFailure]:
        raise AssertionError("nobody asked for metrics")

    async def close_connections(self, targets: Any, *, seconds: float, idle: Idle, forward: bool = False) -> None:
        self.closed += [(target, seconds, idle) for target in targets]
        self.forwarding += targets if forward else ()

    async def copy_requests(self, targets: Any, order: ShadowOrder | None) -> frozenset[str]:
        raise AssertionError("nobody asked for copies")

    async def input_schemas(self, targets: Any) -> Mapping[str, Any]:
        raise AssertionError("nobody asked for schemas")

    async def served_features(self, targets: Any) -> Mapping[str, str]:
        raise AssertionError("nobody asked for features")


@dataclass
class Scripted:
    """A kind whose plan the test writes."""

    plan: Callable[[Object], Plan]
    hindered: Callable[[Plan, Obstacles], Plan] = lambda plan, _: plan
    after_silence: Callable[[Plan, str], Plan] = lambda plan, _: plan
    observe_error: BaseException | None = None
    closed: Plan | None = None
    forgotten: list[Key] = field(default_factory=list)

    async def observe(self, key: Key, manifest: Object) -> Observed[Object]:
        if self.observe_error is not None:
            raise self.observe_error
        return Observed(manifest, NOW)

    def decide(self, observed: Observed[Object], obstacles: Obstacles) -> Plan:
        plan, silence = self.plan(observed.input), from_registry(obstacles)
        if silence is not None:
            return self.after_silence(plan, silence.message)
        return self.hindered(plan, obstacles) if obstacles else plan

    async def fail_closed(self, key: Key, manifest: Object, why: str) -> Plan | None:
        return self.closed

    def by_lists(self, lists: ClusterReader) -> Scripted:
        return self

    async def forget(self, key: Key) -> None:
        self.forgotten.append(key)


@dataclass
class Telling:
    """An observer that remembers."""

    outcomes: list[PassResult] = field(default_factory=list)
    statuses: list[Mapping[str, Any]] = field(default_factory=list)
    forgotten: list[Key] = field(default_factory=list)

    def reconciled(self, key: Key, outcome: PassResult, seconds: float) -> None:
        self.outcomes.append(outcome)

    def seen(self, key: Key, status: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
        self.statuses.append(status)

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)


class Bench:
    """A reconciler for one scripted kind, on a cluster in memory that holds the ModelDeployment `churn`."""

    def __init__(self, kind: Scripted) -> None:
        self.kind = kind
        self.cluster = MemoryCluster()
        self.registry = MemoryRegistry()
        self.pods = ToldPods()
        self.observer = Telling()
        self.forgotten: list[Key] = []
        self.written: list[frozenset[str]] = []
        self.cluster.create(model_deployment())
        self.reconcile = Reconciler(
            cluster=self.cluster,
            subject=kind,
            actor=Actor(self.cluster, ByNamespace(self.registry), self.pods),
            statuses=StatusWriter(self.cluster, PART),
            observer=self.observer,
            registry_written=self.written.append,
            forget=self.forgotten.append,
        )

    @property
    def status(self) -> Mapping[str, Any]:
        found = self.cluster.find(MODEL_DEPLOYMENT, "churn")
        return (found or {}).get("status") or {}

    def told(self) -> list[str]:
        """The writes so far, in words."""
        return [str(call) for call in self.cluster.writes]
