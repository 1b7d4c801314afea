"""Liveness fails for what a restart cures, and for nothing else; each check alone turns the probe red (trap G)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.virtual_time import run_virtually
from tests.unit.controller.world import KEY
from viridian.controller.backoff import Backoff
from viridian.controller.health import LONGEST_STANDSTILL, MOST_LAG, Health, Heartbeat, Unhealthy
from viridian.controller.keys import Key
from viridian.controller.queue import Ending, Settled, WorkQueue
from viridian.controller.telemetry import Telemetry
from viridian.controller.watched import expected_streams


async def _settled(key: Key) -> Ending:
    return Settled()


def health(handle: Callable[[Key], Awaitable[Ending]] = _settled, tasks: tuple[asyncio.Task[None], ...] = ()) -> Health:
    queue = WorkQueue(handle, backoff=Backoff(lambda: 0.5), observer=Telemetry().of("rollout", KEY.kind))
    return Health(Heartbeat(), (queue,), lambda: tasks, lambda: True, frozenset({"services", "ml/pods"}))


def test_a_loop_that_comes_round_is_well() -> None:
    async def main() -> None:
        checked = health()
        beating = asyncio.create_task(checked.heartbeat.beat())
        for _ in range(50):
            await asyncio.sleep(7.3)
            assert checked.check_loop() == "0.000s late"
        beating.cancel()
        await asyncio.wait([beating])

    run_virtually(main())


def test_a_heart_that_has_stopped_is_noticed() -> None:
    async def main() -> None:
        checked = health()
        await asyncio.sleep(MOST_LAG + 0.5)
        assert checked.check_loop()
        await asyncio.sleep(1)
        with pytest.raises(Unhealthy, match="the event loop is"):
            checked.check_loop()

    run_virtually(main())


def test_one_late_beat_is_told_and_then_over() -> None:
    """A pause of the whole process cures itself; restarting would only lose time."""

    async def main() -> None:
        checked = health()
        beating = asyncio.create_task(checked.heartbeat.beat())
        await asyncio.sleep(0.5)
        loop = asyncio.get_running_loop()
        loop._jumping.now += 20.0  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        with pytest.raises(Unhealthy):
            checked.check_loop()
        await asyncio.sleep(1.5)
        assert checked.check_loop()
        beating.cancel()
        await asyncio.wait([beating])

    run_virtually(main())


def test_a_pass_that_does_not_end_is_noticed_alone_and_with_keys_that_wait() -> None:
    async def main() -> None:
        async def hang(key: Key) -> Ending:
            await asyncio.Event().wait()
            return Settled()

        checked = health(hang)
        working = asyncio.create_task(checked.queues[0].work(1))
        checked.queues[0].add(KEY)
        await asyncio.sleep(LONGEST_STANDSTILL + 1)
        with pytest.raises(Unhealthy, match="a pass has been under way for 601 s"):
            checked.check_progress()
        checked.queues[0].add(Key("ModelDeployment", "default", "other"))
        await asyncio.sleep(LONGEST_STANDSTILL + 1)
        with pytest.raises(Unhealthy, match="1 keys have been waiting"):
            checked.check_progress()
        working.cancel()
        await asyncio.wait([working])

    run_virtually(main())


def test_a_task_that_ended_is_noticed() -> None:
    async def main() -> None:
        async def ends() -> None:
            return None

        task = asyncio.create_task(ends(), name="workers")
        checked = health(tasks=(task,))
        assert checked.check_tasks() == "1 running"
        await task
        with pytest.raises(Unhealthy, match="workers"):
            checked.check_tasks()
        checked.watches |= {"services", "ml/pods"}
        assert checked.unready() == "the workers are not running"

    run_virtually(main())


def test_ready_once_every_watch_stands_and_the_workers_run() -> None:
    async def main() -> None:
        async def runs() -> None:
            await asyncio.Event().wait()

        task = asyncio.create_task(runs())
        checked = health(tasks=(task,))
        assert checked.unready() == "not watching yet: ml/pods, services"
        checked.watches.add("services")
        assert checked.unready() == "not watching yet: ml/pods"
        checked.watches.add("ml/pods")
        assert checked.unready() == ""
        task.cancel()
        await asyncio.wait([task])

    run_virtually(main())


def test_what_must_be_watched() -> None:
    assert {"modeldeployments", "retrainpolicies", "pods", "jobs"} < expected_streams(())
    assert len(expected_streams(("ml", "ads"))) == 2 * len(expected_streams(()))
    assert "ml/services" in expected_streams(("ml", "ads"))
