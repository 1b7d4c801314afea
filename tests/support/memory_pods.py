"""Model servers in memory: the port `Pods`, whose counters follow a script for each version of the model.

Requests arrive at a steady rate and are shared by the ready pods that the live Service selects, as on a real cluster.
A pod that is told to close its connections is remembered in `closed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tests.support.memory_cluster import MemoryCluster
from viridian.api.samples import (
    LATENCY_BOUNDS,
    Bucket,
    CodeClass,
    Idle,
    PodSample,
    PodTarget,
    ScrapeFailure,
    ScrapeProblem,
)

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Behaviour:
    """How the pods of a version answer."""

    errors: float = 0.0
    """Share of answers with 5xx."""
    seconds: float = 0.02
    """How long every answer takes."""
    reachable: bool = True
    """Whether `/metrics` answers."""
    counting: bool = True
    """Whether requests show in the counters."""


HEALTHY = Behaviour()
BROKEN = Behaviour(errors=0.3)
SLOW = Behaviour(seconds=0.8)
SILENT = Behaviour(counting=False)
UNREACHABLE = Behaviour(reachable=False)


@dataclass
class _Counters:
    requests: float = 0.0
    errors: float = 0.0
    slow: dict[float, float] = field(default_factory=dict)
    last: datetime | None = None


class MemoryPods:
    """All pods of a cluster that serve models."""

    def __init__(self, cluster: MemoryCluster, *, service: str = "churn", rate: float = 50.0) -> None:
        self.rate = rate
        """Requests per second that users send to the live Service."""
        self.behaviours: dict[str, Behaviour] = {}
        """By version of the model or by revision; healthy if not said."""
        self.closed: list[tuple[frozenset[str], Idle]] = []
        """Uids of the pods that were told to close connections, and how, in order."""
        self.lost = 0.0
        """Requests that met no ready pod."""
        self._cluster = cluster
        self._service = service
        self._counters: dict[str, _Counters] = {}

    def pass_time(self, seconds: float) -> None:
        """Users go on sending requests for so long."""
        live = self._cluster.find("Service", self._service)
        if live is None:
            return
        pods = self._cluster.ready_pods(live["spec"]["selector"])
        if not pods:
            self.lost += self.rate * seconds
        for pod in pods:
            self._answer(pod, self.rate * seconds / len(pods))

    def served(self, revision: str) -> float:
        """Requests that pods of a revision have answered, dead ones not included."""
        pods = self._cluster.all("Pod", {"viridian.dev/revision": revision})
        return sum(self._counters.get(pod["metadata"]["uid"], _Counters()).requests for pod in pods)

    def restart(self, uid: str) -> None:
        """The process in a pod begins again, and so do its counters."""
        self._counters.pop(uid, None)

    # ---- the port

    async def scrape(self, targets: Sequence[PodTarget]) -> Mapping[str, PodSample | ScrapeFailure]:
        return {target.uid: self._scrape(target) for target in targets}

    async def close_connections(self, targets: Sequence[PodTarget], *, seconds: float, idle: Idle) -> None:
        self.closed.append((frozenset(target.uid for target in targets), idle))

    # ---- inside

    def _answer(self, pod: Object, requests: float) -> None:
        behaviour = self._behaviour(pod)
        if not behaviour.counting:
            return
        counters = self._counters.setdefault(pod["metadata"]["uid"], _Counters())
        counters.requests += requests
        counters.last = self._cluster.clock()
        counters.errors += requests * behaviour.errors
        counters.slow[behaviour.seconds] = counters.slow.get(behaviour.seconds, 0.0) + requests

    def _scrape(self, target: PodTarget) -> PodSample | ScrapeFailure:
        pod = next((p for p in self._cluster.all("Pod") if p["metadata"]["uid"] == target.uid), None)
        now = self._cluster.clock()
        if pod is None or not self._behaviour(pod).reachable:
            return ScrapeFailure(
                uid=target.uid, at=now, problem=ScrapeProblem.UNREACHABLE, message="/metrics cannot be read"
            )
        counters = self._counters.get(target.uid, _Counters())
        return PodSample(
            uid=target.uid,
            at=now,
            requests={
                CodeClass.SUCCESS: float(int(counters.requests) - int(counters.errors)),
                CodeClass.CLIENT_ERROR: 0.0,
                CodeClass.SERVER_ERROR: float(int(counters.errors)),
            },
            latency=tuple(_buckets(counters)),
            duration_sum=sum(seconds * count for seconds, count in counters.slow.items()),
            process=target.process,
            last_answer=counters.last,
        )

    def _behaviour(self, pod: Object) -> Behaviour:
        environment = {
            entry["name"]: entry.get("value", "")
            for container in pod["spec"]["containers"]
            for entry in container.get("env", [])
        }
        names = (pod["metadata"]["labels"].get("viridian.dev/revision"), environment.get("VIRIDIAN_MODEL_VERSION"))
        return next((self.behaviours[name] for name in names if name in self.behaviours), HEALTHY)


def _buckets(counters: _Counters) -> list[Bucket]:
    bounds = (*LATENCY_BOUNDS, float("inf"))
    total = float(int(counters.requests))
    exact = [(bound, sum(n for seconds, n in counters.slow.items() if seconds <= bound)) for bound in bounds]
    buckets = [Bucket(bound=bound, count=float(min(total, int(count)))) for bound, count in exact]
    return [*buckets[:-1], replace(buckets[-1], count=total)]
