"""Between two passes: bad answers arrive by themselves, are judged at once, and lead to a pass that decides."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.loop_at_work import LoopAtWork, at_work
from tests.support.memory_pods import BROKEN, HEALTHY
from tests.support.virtual_time import run_virtually
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY

SELDOM: dict[str, Any] = {"interval": "5m", "window": "30m", "metrics": [{"name": "error-rate", "max": 0.01}]}
"""A rollout that is looked at every five minutes."""


def _ship(world: LoopAtWork) -> None:
    world.registry.move_alias("churn", "candidate", world.registry.add_version("churn"))


async def _on_trial(world: LoopAtWork, **analysis: Any) -> None:
    """Version 2 is on trial with half of the traffic."""
    _ship(world)
    world.deploy(rollout={"steps": [{"weight": 50, "duration": "30m"}], "analysis": {**SELDOM, **analysis}})
    await world.until(lambda: "champion" in world.status(MODEL_DEPLOYMENT), most=60)
    _ship(world)
    await world.until(lambda: _challenger(world).get("weight", 0) > 0, most=60)


def _challenger(world: LoopAtWork) -> dict[str, Any]:
    return dict(world.status(MODEL_DEPLOYMENT).get("challenger") or {})


def _passes(world: LoopAtWork) -> int:
    return sum((call.verb, call.kind) == ("get", MODEL_DEPLOYMENT) for call in world.cluster.calls)


def test_a_version_that_goes_bad_between_two_looks_is_rejected_with_the_answers_that_show_it() -> None:
    async def main() -> None:
        async with at_work() as world:
            await _on_trial(world)
            await asyncio.sleep(20)
            world.pods.behaviours["2"] = BROKEN
            await world.until(lambda: bool(world.status(MODEL_DEPLOYMENT).get("rejected")), most=10)
            assert world.status(MODEL_DEPLOYMENT)["lastRollback"]["seconds"] < 5

    run_virtually(main())


def test_bad_answers_that_prove_nothing_lead_to_no_pass() -> None:
    async def main() -> None:
        async with at_work() as world:
            await _on_trial(world, metrics=[{"name": "error-rate", "max": 0.5}])
            world.pods.behaviours["2"] = BROKEN
            await asyncio.sleep(20)
            world.cluster.forget_calls()
            await asyncio.sleep(60)
            assert _passes(world) == 0
            assert _challenger(world)

    run_virtually(main())


def test_where_a_breach_only_holds_the_trial_answers_lead_to_no_pass_either() -> None:
    async def main() -> None:
        async with at_work() as world:
            await _on_trial(world, onBreach="Hold")
            world.pods.behaviours["2"] = BROKEN
            await asyncio.sleep(20)
            world.cluster.forget_calls()
            await asyncio.sleep(60)
            assert _passes(world) == 0

    run_virtually(main())


def test_an_incident_of_both_versions_rejects_nobody_and_costs_few_passes() -> None:
    """The champion is read anew before anything is decided."""

    async def main() -> None:
        async with at_work() as world:
            await _on_trial(world)
            await asyncio.sleep(20)
            world.pods.behaviours.update({"1": BROKEN, "2": BROKEN})
            world.cluster.forget_calls()
            await asyncio.sleep(30)
            assert _challenger(world), "it is still on trial"
            assert "rejected" not in world.status(MODEL_DEPLOYMENT)
            assert _passes(world) <= 3 * 30

    run_virtually(main())


def test_pods_are_followed_while_they_are_judged_and_no_longer() -> None:
    async def main() -> None:
        async with at_work() as world:
            await _on_trial(world)
            await asyncio.sleep(1)
            assert {target.identity.slot for target in world.streams.open} == {"green"}
            world.pods.behaviours["2"] = BROKEN
            await world.until(lambda: bool(world.status(MODEL_DEPLOYMENT).get("rejected")), most=3)
            await asyncio.sleep(1)
            assert not world.streams.open
            world.pods.behaviours["2"] = HEALTHY

    run_virtually(main())


def test_an_operator_that_does_not_lead_any_more_follows_nobody() -> None:
    async def main() -> None:
        async with at_work() as world:
            await _on_trial(world)
            await asyncio.sleep(1)
            assert world.streams.open
            await world.loop.stop()
            await asyncio.sleep(0)
            assert not world.streams.open

    run_virtually(main())


def test_a_model_that_is_deleted_is_followed_no_more() -> None:
    async def main() -> None:
        async with at_work() as world:
            await _on_trial(world)
            world.policy()
            world.cluster.remove(MODEL_DEPLOYMENT, "churn")
            await asyncio.sleep(2)
            assert not world.streams.open
            assert world.cluster.find(RETRAIN_POLICY, "churn") is not None

    run_virtually(main())
