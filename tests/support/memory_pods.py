"""Model servers in memory: the port `Pods`, whose counters follow a script for each version of the model.

Requests arrive at a steady rate and are shared by the ready pods that the live Service selects, as on a real cluster.
A pod that is told to close its connections is remembered in `closed`. One that is ordered to copy requests sends copies
to the pods that the preview Service selects, until the order ends, and compares the answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.support.memory_cluster import MemoryCluster
from viridian.api.input_schema import InputSchema
from viridian.api.samples import (
    LATENCY_BOUNDS,
    Bucket,
    CodeClass,
    Idle,
    PodSample,
    PodTarget,
    ScrapeFailure,
    ScrapeProblem,
    ShadowSample,
)
from viridian.api.shadow import ShadowOrder

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
    differs: float = 0.0
    """Share of answers that differ from the champion's."""
    shifted: float = 0.0
    """Share of predictions that are `yes`; of all others `no`."""
    schema: InputSchema | None = None
    """What it shows of its inputs."""
    features: str = ""
    """Digest of the feature definition that it shows."""
    takes_orders: bool = True
    """Whether it copies requests when it is ordered to."""


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


@dataclass
class _Shadow:
    """What a pod was ordered to copy, until when, and what came of it."""

    order: ShadowOrder
    until: datetime
    answers: float = 0.0
    disagreement: float = 0.0
    yes: dict[str, float] = field(default_factory=lambda: {"champion": 0.0, "challenger": 0.0})


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
        self.copied = 0.0
        """Copies that pods have answered."""
        self.orders: list[tuple[str, ShadowOrder | None]] = []
        """Uids of pods and what they were ordered to copy, in order."""
        self._cluster = cluster
        self._service = service
        self._counters: dict[str, _Counters] = {}
        self._shadows: dict[str, _Shadow] = {}

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
        self._shadows.pop(uid, None)

    @property
    def copying(self) -> frozenset[str]:
        """Uids of the pods that copy requests now."""
        now = self._cluster.clock()
        return frozenset(uid for uid, shadow in self._shadows.items() if shadow.until > now)

    # ---- the port

    async def scrape(self, targets: Sequence[PodTarget]) -> Mapping[str, PodSample | ScrapeFailure]:
        return {target.uid: self._scrape(target) for target in targets}

    async def close_connections(
        self, targets: Sequence[PodTarget], *, seconds: float, idle: Idle, forward: bool = False
    ) -> None:
        self.closed.append((frozenset(target.uid for target in targets), idle))

    async def copy_requests(self, targets: Sequence[PodTarget], order: ShadowOrder | None) -> frozenset[str]:
        taken = frozenset(target.uid for target in targets if self._takes_orders(target.uid))
        self.orders += [(uid, order) for uid in sorted(taken)]
        for uid in taken:
            self._follow(uid, order)
        return taken

    async def input_schemas(self, targets: Sequence[PodTarget]) -> Mapping[str, InputSchema]:
        pods = {target.uid: self._pod(target.uid) for target in targets}
        shown = {uid: self._behaviour(pod).schema for uid, pod in pods.items() if pod is not None}
        return {uid: schema for uid, schema in shown.items() if schema is not None}

    async def served_features(self, targets: Sequence[PodTarget]) -> Mapping[str, str]:
        pods = {target.uid: self._pod(target.uid) for target in targets}
        shown = {uid: self._behaviour(pod).features for uid, pod in pods.items() if pod is not None}
        return {uid: digest for uid, digest in shown.items() if digest}

    # ---- inside

    def _takes_orders(self, uid: str) -> bool:
        pod = self._pod(uid)
        return pod is not None and self._behaviour(pod).reachable and self._behaviour(pod).takes_orders

    def _follow(self, uid: str, order: ShadowOrder | None) -> None:
        now, known = self._cluster.clock(), self._shadows.get(uid)
        if order is None:
            if known is not None:
                known.until = now
        elif known is not None and known.order.comparison == order.comparison:
            known.order, known.until = order, now + timedelta(seconds=order.seconds)
        else:
            self._shadows[uid] = _Shadow(order, now + timedelta(seconds=order.seconds))

    def _answer(self, pod: Object, requests: float) -> None:
        """Users get so many answers of a pod, and what it was ordered to copy goes to the preview Service."""
        self._count(pod, requests)
        shadow = self._shadows.get(pod["metadata"]["uid"])
        preview = self._cluster.find("Service", f"{self._service}-preview")
        if shadow is None or shadow.until <= self._cluster.clock() or preview is None:
            return
        others = self._cluster.ready_pods(preview["spec"]["selector"])
        for other in others:
            copies, behaviour = requests * shadow.order.share / 100 / len(others), self._behaviour(other)
            self.copied += copies
            self._count(other, copies)
            shadow.answers += copies
            shadow.disagreement += copies * behaviour.differs
            shadow.yes["champion"] += copies * self._behaviour(pod).shifted
            shadow.yes["challenger"] += copies * behaviour.shifted

    def _count(self, pod: Object, requests: float) -> None:
        behaviour = self._behaviour(pod)
        if not behaviour.counting:
            return
        counters = self._counters.setdefault(pod["metadata"]["uid"], _Counters())
        counters.requests += requests
        counters.last = self._cluster.clock()
        counters.errors += requests * behaviour.errors
        counters.slow[behaviour.seconds] = counters.slow.get(behaviour.seconds, 0.0) + requests

    def _scrape(self, target: PodTarget) -> PodSample | ScrapeFailure:
        pod = self._pod(target.uid)
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
            shadow=self._shadow_sample(target.uid),
        )

    def _shadow_sample(self, uid: str) -> ShadowSample | None:
        shadow = self._shadows.get(uid)
        if shadow is None:
            return None
        return ShadowSample(
            comparison=shadow.order.comparison,
            share=shadow.order.share if uid in self.copying else 0.0,
            answers=float(int(shadow.answers)),
            disagreement=min(float(int(shadow.answers)), shadow.disagreement),
            predictions={
                by: {"yes": float(int(yes)), "no": float(int(shadow.answers) - int(yes)), "other": 0.0}
                for by, yes in shadow.yes.items()
            },
        )

    def _pod(self, uid: str) -> Object | None:
        return next((pod for pod in self._cluster.all("Pod") if pod["metadata"]["uid"] == uid), None)

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
