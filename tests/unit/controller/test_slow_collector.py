"""A collector that answers slowly or never: only monitoring waits for it, and only so many evaluations at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.churn import NAME, manifest
from tests.support.cluster.clock import ManualClock
from tests.support.memory_cluster import MemoryCluster
from tests.support.memory_collector import MemoryBundles, MemoryCollector
from tests.support.memory_pods import BROKEN, MemoryPods
from tests.support.memory_registry import MemoryRegistry
from tests.support.operator_world import SETTINGS, definitions
from tests.support.virtual_time import run_virtually
from viridian.api.feedback import RetentionRules, Window
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.controller.environment import Environment
from viridian.controller.loop import assemble
from viridian.controller.telemetry import Telemetry
from viridian.ports.cluster import Object

WORKERS = 4
MONITORED: dict[str, Any] = {"feedback": {}, "monitoring": {"window": "10m", "season": "10m"}}


class SlowCollector(MemoryCollector):
    """Answers when it is told to; counts the questions that wait for it."""

    def __init__(self, *, hangs: str) -> None:
        super().__init__()
        self.answering = asyncio.Event()
        self.waiting = self.most_waiting = 0
        self._hangs = hangs

    async def windows(self, *place: str, **span: Any) -> list[Window]:
        await self._wait("windows")
        return await super().windows(*place, **span)

    async def keep(self, namespace: str, deployment: str, keeping: RetentionRules) -> None:
        await self._wait("keep")
        await super().keep(namespace, deployment, keeping)

    async def _wait(self, call: str) -> None:
        if call != self._hangs:
            return
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            await self.answering.wait()
        finally:
            self.waiting -= 1


class Stage:
    """The assembled loop in a cluster whose changes reach it, and users who send requests as time passes."""

    def __init__(self, *, hangs: str) -> None:
        self.clock = ManualClock()
        self.cluster = MemoryCluster(self.clock, definitions=definitions())
        self.registry, self.pods = MemoryRegistry(), MemoryPods(self.cluster)
        self.collector = SlowCollector(hangs=hangs)
        self.environment = Environment(
            cluster=self.cluster,
            registry=self.registry,
            pods=self.pods,
            bundles=MemoryBundles(),
            feedback=self.collector,
            clock=self.clock,
            random=lambda: 0.5,
        )
        self.start()

    def start(self) -> None:
        """A new process of the operator."""
        self.loop = assemble(self.environment, SETTINGS, Telemetry())
        self.cluster.on_change[:] = [self._hear]
        self.loop.start(WORKERS)

    async def until(self, condition: Callable[[], bool], seconds: int = 600) -> None:
        for _ in range(seconds):
            if condition():
                return
            await asyncio.sleep(1)
            self.clock.advance(1)
            self.pods.pass_time(1)
            self.cluster.run_controllers()
        raise AssertionError("it never happened")

    async def publish(self) -> str:
        version = self.registry.add_version(NAME)
        await self.registry.set_alias(NAME, "candidate", version)
        return version

    def status(self, name: str = NAME) -> Object:
        found = self.cluster.find(MODEL_DEPLOYMENT, name)
        assert found is not None
        return dict(found.get("status") or {})

    def serves(self, version: str, name: str = NAME) -> bool:
        status = self.status(name)
        champion, challenger = status.get("champion"), status.get("challenger")
        return challenger is None and champion is not None and bool(champion["version"] == version)

    def condition(self, kind: str) -> Object:
        return next((c for c in self.status().get("conditions", []) if c["type"] == kind), {})

    def _hear(self, type_: str, object_: Object) -> None:
        deleted = type_ == "DELETED"
        if object_["kind"] == MODEL_DEPLOYMENT:
            self.loop.wakes.own(MODEL_DEPLOYMENT, object_, deleted=deleted)
        else:
            self.loop.wakes.child(object_["kind"], object_, deleted=deleted)


@pytest.mark.parametrize("hangs", ["windows", "keep"])
def test_a_rollback_is_decided_while_every_monitoring_pass_hangs(hangs: str) -> None:
    async def main() -> None:
        stage = Stage(hangs=hangs)
        first = await stage.publish()
        stage.cluster.create(manifest(**MONITORED))
        await stage.until(lambda: stage.serves(first) and stage.collector.waiting > 0)
        second = stage.registry.add_version(NAME)
        stage.pods.behaviours[second] = BROKEN
        await stage.registry.set_alias(NAME, "candidate", second)
        await stage.until(lambda: stage.collector.waiting > 0 and bool(stage.status().get("rejected")))
        assert [entry["version"] for entry in stage.status()["rejected"]] == [second]
        assert stage.collector.asked == [], "nothing was answered meanwhile"
        await stage.loop.stop()

    run_virtually(main())


def test_a_collector_that_never_answers_is_said() -> None:
    async def main() -> None:
        stage = Stage(hangs="windows")
        await stage.publish()
        stage.cluster.create(manifest(**MONITORED))
        await stage.until(lambda: stage.condition("Monitored").get("reason") == "CollectorUnavailable")
        assert stage.condition("DataDrift")["reason"] == "NotJudged"
        await stage.loop.stop()

    run_virtually(main())


def test_while_the_first_answer_is_awaited_everything_stays_as_it_was() -> None:
    async def main() -> None:
        stage = Stage(hangs="windows")
        stage.collector.answering.set()
        version = await stage.publish()
        stage.cluster.create(manifest(**MONITORED))
        await stage.until(lambda: stage.serves(version) and stage.condition("Monitored").get("status") == "True")
        before = stage.status()
        await stage.loop.stop()
        stage.collector.answering.clear()
        stage.start()
        stage.loop.wakes.own(MODEL_DEPLOYMENT, stage.cluster.all(MODEL_DEPLOYMENT)[0], deleted=False)
        await stage.until(lambda: stage.collector.waiting > 0)
        assert stage.status() == before
        await stage.loop.stop()

    run_virtually(main())


def test_of_many_objects_as_many_are_evaluated_at_a_time_as_there_are_workers_and_all_in_the_end() -> None:
    async def main() -> None:
        stage = Stage(hangs="windows")
        version = await stage.publish()
        names = [f"{NAME}-{number}" for number in range(12)]
        for name in names:
            model = manifest(**MONITORED)
            stage.cluster.create({**model, "metadata": {**model["metadata"], "name": name}})
        await stage.until(lambda: all(stage.serves(version, name) for name in names), seconds=60)
        assert stage.collector.waiting == WORKERS
        stage.collector.answering.set()
        await stage.until(lambda: all("monitoring" in stage.status(name) for name in names))
        assert stage.collector.most_waiting == WORKERS
        await stage.loop.stop()

    run_virtually(main())
