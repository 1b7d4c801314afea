"""A Prometheus that is silent, fails or hangs in mid-rollout, with the real queues and in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.loop_at_work import LoopAtWork, at_work
from tests.support.memory_pods import BROKEN
from tests.support.virtual_time import run_virtually
from tests.support.watched import window
from viridian.api import reasons
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.ports.collector import FeedbackUnavailable
from viridian.ports.prometheus import PrometheusUnavailable

CONVERSION = {
    "name": "conversion",
    "query": 'sum(rate(orders{slot="$slot"}[1m]))',
    "min": 0.05,
    "worseThanChampionBy": {"relative": 0.2},
}
ERRORS = {"name": "error-rate", "max": 0.05}
STEPS = [{"weight": 25, "duration": "60s"}]
DOWN = PrometheusUnavailable("Prometheus at http://prometheus:9090 answered 503: overloaded")


def challenger(world: LoopAtWork) -> Any:
    return world.status(MODEL_DEPLOYMENT).get("challenger", {})


def champion(world: LoopAtWork) -> Any:
    return world.status(MODEL_DEPLOYMENT).get("champion", {}).get("version")


def publish(world: LoopAtWork) -> str:
    version = world.registry.add_version("churn")
    world.registry.move_alias("churn", "candidate", version)
    return version


@asynccontextmanager
async def trial(*, healthy: bool = True, **rollout: Any) -> AsyncIterator[LoopAtWork]:
    """Version 2 in its step, with good values of all metrics where it is `healthy`."""
    async with at_work() as world:
        world.prometheus.values = lambda *_: [0.06]
        publish(world)
        analysis = {"metrics": [ERRORS, CONVERSION]}
        world.deploy(rollout={"steps": STEPS, "probation": "30s", "analysis": analysis, **rollout})
        await world.until(lambda: champion(world) == "1", most=60)
        publish(world)
        await world.until(lambda: challenger(world).get("weight", 0) > 0 and is_healthy(world) == healthy, most=120)
        yield world


def told_of(world: LoopAtWork) -> Any:
    return world.condition(MODEL_DEPLOYMENT, "ChallengerHealthy")


def is_healthy(world: LoopAtWork) -> bool:
    return bool(told_of(world).get("status") == "True")


def reverted(world: LoopAtWork) -> bool:
    return any(one["version"] == "2" for one in world.status(MODEL_DEPLOYMENT).get("rejected", ()))


@pytest.mark.parametrize("trouble", ["fails", "hangs", "has no value"])
def test_ten_minutes_of_silence_hold_the_weight_and_the_rollout_goes_on_by_itself(trouble: str) -> None:
    async def main() -> None:
        analysis = {"interval": "10s", "metrics": [ERRORS, CONVERSION]}
        async with trial(analysis=analysis, steps=[{"weight": 25, "duration": "3m"}]) as world:
            world.prometheus.failure = DOWN if trouble == "fails" else None
            world.prometheus.hanging = trouble == "hangs"
            world.prometheus.values = lambda *_: []
            await world.until(lambda: not is_healthy(world), most=60)
            before = challenger(world)["weight"]
            await asyncio.sleep(600)
            assert (champion(world), challenger(world)["version"], challenger(world)["weight"]) == ("1", "2", before)
            told = told_of(world)
            expected = {
                "fails": (reasons.PROVIDER_ERROR, "conversion cannot be read: Prometheus at http://prometheus:9090"),
                "hangs": (reasons.PROVIDER_ERROR, "conversion cannot be read: there was no answer within 15 s"),
                "has no value": (reasons.NO_DATA, "too few samples of conversion: the query has no value now"),
            }[trouble]
            assert (told["status"], told["reason"]) == ("Unknown", expected[0])
            assert told["message"].startswith(expected[1])
            world.prometheus.failure, world.prometheus.hanging = None, False
            world.prometheus.values = lambda *_: [0.06]
            await world.until(lambda: champion(world) == "2", most=180)
            assert not reverted(world)

    run_virtually(main())


def test_a_prometheus_that_is_down_delays_no_revert_by_the_pods() -> None:
    async def main() -> None:
        healthy, failing, hanging = [await _seconds_to_the_revert(trouble) for trouble in ("none", "fails", "hangs")]
        assert healthy == failing == hanging

    run_virtually(main())


async def _seconds_to_the_revert(trouble: str) -> float:
    """From the first bad answer of version 2 to its rejection, with MLflow out of reach besides."""
    loop = asyncio.get_running_loop()
    async with trial() as world:
        world.prometheus.failure = DOWN if trouble == "fails" else None
        world.prometheus.hanging = trouble == "hangs"
        world.registry.latency = lambda: 3600.0
        world.pods.behaviours["2"] = BROKEN
        began = loop.time()
        await world.until(lambda: reverted(world), most=10)
        assert champion(world) == "1"
        return loop.time() - began


def test_a_bad_value_takes_the_traffic_away() -> None:
    async def main() -> None:
        async with trial() as world:
            world.prometheus.values = lambda expression, _: [0.02 if 'slot="green"' in expression else 0.06]
            await world.until(lambda: reverted(world), most=15)
            (lost,) = world.status(MODEL_DEPLOYMENT)["rejected"]
            assert lost["message"] == "conversion 0.02 is below the minimum 0.05"
            assert world.status(MODEL_DEPLOYMENT)["lastRollback"]["seconds"] is not None

    run_virtually(main())


def test_values_that_are_bad_for_both_hold_and_reject_nobody() -> None:
    async def main() -> None:
        async with trial() as world:
            world.prometheus.values = lambda *_: [0.02]
            await world.until(lambda: challenger(world).get("waitingReason") == "ChampionBreachesToo", most=15)
            await asyncio.sleep(120)
            assert not reverted(world)
            world.prometheus.values = lambda *_: [0.06]
            await world.until(lambda: champion(world) == "2", most=180)

    run_virtually(main())


def test_a_collector_that_is_down_holds_the_weight_and_the_rollout_goes_on_by_itself() -> None:
    async def main() -> None:
        metrics = [ERRORS, {"name": "right", "performance": "accuracy", "min": 0.8}]
        async with trial(analysis={"interval": "10s", "metrics": metrics}, healthy=False) as world:
            world.collector.failure = FeedbackUnavailable("the collector cannot be reached")
            await world.until(lambda: told_of(world).get("reason") == reasons.PROVIDER_ERROR, most=60)
            await asyncio.sleep(600)
            told = told_of(world)
            assert told["message"] == "right cannot be read: the collector cannot be reached"
            assert (champion(world), challenger(world)["version"]) == ("1", "2")
            world.collector.failure = None
            revision = challenger(world)["revision"]
            since = world.cluster.clock().timestamp() - 300
            world.collector.windows_known = [window(since, revision=revision, length=60, labels=500)]
            await world.until(lambda: champion(world) == "2", most=180)

    run_virtually(main())


def test_a_restart_in_mid_step_asks_anew_and_forgets_nothing() -> None:
    """Three values in a row make a breach: Prometheus remembers those from before the restart."""

    async def main() -> None:
        metrics = [ERRORS, {**CONVERSION, "consecutive": 3}]
        async with trial(analysis={"metrics": metrics}) as world:
            await asyncio.sleep(30)
            start = world.cluster.clock().timestamp()
            bad = lambda expression, at: [0.02 if 'slot="green"' in expression and at > start else 0.06]  # noqa: E731
            world.prometheus.values = bad
            await asyncio.sleep(12)
            assert not reverted(world)
            await world.restart()
            await world.until(lambda: reverted(world), most=10)

    run_virtually(main())


def test_at_rest_nothing_is_asked_and_nothing_is_written() -> None:
    async def main() -> None:
        async with trial() as world:
            await world.until(lambda: champion(world) == "2", most=180)
            await asyncio.sleep(120)
            world.prometheus.asked.clear()
            world.cluster.forget_calls()
            await asyncio.sleep(600)
            assert world.prometheus.asked == []
            assert [str(call) for call in world.cluster.writes] == []

    run_virtually(main())


def test_a_query_is_asked_once_in_five_seconds_for_each_slot() -> None:
    async def main() -> None:
        async with trial(steps=[{"weight": 25, "duration": "10m"}]) as world:
            world.prometheus.asked.clear()
            await asyncio.sleep(100)
            assert 32 <= len(world.prometheus.asked) <= 42

    run_virtually(main())
