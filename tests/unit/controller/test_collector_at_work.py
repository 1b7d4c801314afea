"""A collector that hangs or takes long to freeze the rows of a run, and the real queue."""

from __future__ import annotations

import asyncio

from tests.support.loop_at_work import LoopAtWork, at_work
from tests.support.virtual_time import run_virtually
from viridian.api.feedback import FrozenRows
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.ports.collector import TIMEOUT_SECONDS, FeedbackUnavailable


def slow_to_freeze(world: LoopAtWork, seconds: float) -> None:
    """Whoever asks is told nothing within the timeout; the collector goes on, and whoever asks again waits for that."""
    freeze = world.collector.freeze
    begun: dict[str, asyncio.Task[None]] = {}

    async def slowly(namespace: str, deployment: str, run_id: str) -> FrozenRows | None:
        work = begun.setdefault(run_id, asyncio.create_task(asyncio.sleep(seconds)))
        await asyncio.wait([work], timeout=TIMEOUT_SECONDS)
        if not work.done():
            raise FeedbackUnavailable("the collector did not answer within 10 s")
        return await freeze(namespace, deployment, run_id)

    world.collector.freeze = slowly  # type: ignore[method-assign]


def test_a_model_is_served_at_once_while_many_policies_wait_for_a_collector_that_hangs() -> None:
    async def main() -> None:
        async with at_work(workers=4) as world:
            slow_to_freeze(world, 1e9)
            for number in range(8):
                world.deploy(f"other{number}", feedback={"sampling": 100})
                world.policy(f"other{number}")
                world.ask("one", f"other{number}")
            await asyncio.sleep(32)
            waiting = [one.queue for one in world.loop.controllers if one.kind == RETRAIN_POLICY]
            assert waiting[0].longest_running_seconds > 0, "policies are waiting"
            world.registry.add_version("churn")
            world.registry.move_alias("churn", "candidate", "1")
            world.deploy()
            await world.until(lambda: bool(world.status(MODEL_DEPLOYMENT).get("champion")), most=5)

    run_virtually(main())


def test_rows_that_take_longer_to_freeze_than_anyone_waits_are_frozen_in_the_end() -> None:
    async def main() -> None:
        async with at_work() as world:
            slow_to_freeze(world, 45)
            world.deploy(feedback={"sampling": 100})
            world.policy()
            world.ask("one")
            await asyncio.sleep(20)
            assert world.condition(RETRAIN_POLICY, "Ready")["reason"] == "CollectorUnavailable"
            await world.until(lambda: bool(world.status(MODEL_DEPLOYMENT).get("champion")), most=120)
            assert len(world.registry.runs()) == 1

    run_virtually(main())
