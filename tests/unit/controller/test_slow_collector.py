"""A collector that answers monitoring slowly or never: nothing else waits for it. With the real queues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.support.churn import rollout
from tests.support.loop_at_work import LoopAtWork, at_work
from tests.support.memory_pods import BROKEN
from tests.support.virtual_time import run_virtually
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.controller.lanes import lanes_of_workers

WORKERS = 4
AT_MOST = len(list(lanes_of_workers(WORKERS)))
"""With the workers that are reserved for new models."""
MONITORED: Mapping[str, Any] = {"feedback": {}, "monitoring": {"window": "10m", "season": "10m"}}


class Waiting:
    """Calls of one method of the collector, which are answered once `answering` is set."""

    def __init__(self, world: LoopAtWork, method: str) -> None:
        self.answering = asyncio.Event()
        self.now = self.most = 0
        self._answer: Callable[..., Any] = getattr(world.collector, method)
        setattr(world.collector, method, self._call)

    async def _call(self, *place: Any, **parts: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.answering.wait()
            return await self._answer(*place, **parts)
        finally:
            self.now -= 1


def publish(world: LoopAtWork, name: str = "churn") -> str:
    version = world.registry.add_version(name)
    world.registry.move_alias(name, "candidate", version)
    return version


def reason(world: LoopAtWork, condition: str) -> str:
    return str(world.condition(MODEL_DEPLOYMENT, condition).get("reason", ""))


@pytest.mark.parametrize("method", ["windows", "keep"])
def test_a_rollback_is_decided_while_every_monitoring_pass_hangs(method: str) -> None:
    async def main() -> None:
        async with at_work(workers=WORKERS) as world:
            waiting = Waiting(world, method)
            for number in range(WORKERS + 1):
                publish(world, f"other{number}")
                world.deploy(f"other{number}", **MONITORED)
            publish(world)
            world.deploy(rollout=rollout(), **MONITORED)
            await world.until(lambda: bool(world.status(MODEL_DEPLOYMENT).get("champion")), most=60)
            second = publish(world)
            world.pods.behaviours[second] = BROKEN
            await world.until(lambda: bool(world.status(MODEL_DEPLOYMENT).get("rejected")), most=60)
            assert [entry["version"] for entry in world.status(MODEL_DEPLOYMENT)["rejected"]] == [second]
            assert waiting.now >= WORKERS, "every worker of monitoring that serves such keys still waits"

    run_virtually(main())


def test_a_collector_that_never_answers_is_said_and_the_verdicts_are_not_made_up() -> None:
    async def main() -> None:
        async with at_work() as world:
            Waiting(world, "windows")
            publish(world)
            world.deploy(**MONITORED)
            await world.until(lambda: reason(world, "Monitored") == "CollectorUnavailable", most=300)
            assert reason(world, "DataDrift") == "NotJudged"

    run_virtually(main())


def test_while_an_answer_is_awaited_everything_stays_as_it_was() -> None:
    async def main() -> None:
        async with at_work() as world:
            publish(world)
            world.deploy(**MONITORED)
            await world.until(lambda: reason(world, "Monitored") == "WindowsJudged", most=300)
            before, waiting = world.status(MODEL_DEPLOYMENT), Waiting(world, "windows")
            await world.until(lambda: waiting.now > 0, most=1300)
            assert world.status(MODEL_DEPLOYMENT) == before

    run_virtually(main())


def test_of_many_objects_as_many_are_evaluated_at_a_time_as_there_are_workers_and_all_in_the_end() -> None:
    async def main() -> None:
        async with at_work(workers=WORKERS) as world:
            waiting, names = Waiting(world, "windows"), [f"churn{number}" for number in range(12)]
            for name in names:
                publish(world, name)
                world.deploy(name, **MONITORED)
            await world.until(
                lambda: all(world.status(MODEL_DEPLOYMENT, name).get("champion") for name in names), most=60
            )
            assert WORKERS <= waiting.now <= AT_MOST
            waiting.answering.set()
            await world.until(
                lambda: all("monitoring" in world.status(MODEL_DEPLOYMENT, name) for name in names), most=300
            )
            assert waiting.most <= AT_MOST

    run_virtually(main())
