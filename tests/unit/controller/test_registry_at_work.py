"""A registry that is slow or refuses, and the real queue: nothing is doubled, nothing arrives in the wrong order."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.support.loop_at_work import LoopAtWork, at_work
from tests.support.memory_pods import Behaviour
from tests.support.virtual_time import run_virtually
from viridian.api import reasons
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.api.registry import TAG_OUTCOME

SAID = "MLflow at http://mlflow:5000 answered 400: no"


def passes_over(world: LoopAtWork, kind: str) -> int:
    return sum(1 for call in world.cluster.calls if (call.verb, call.kind) == ("get", kind))


@pytest.mark.parametrize("method", ["create_run", "register", "set_alias", "finish_run", "tag_version"])
@pytest.mark.parametrize("latency", [0.0, 1.4], ids=["quick", "slow"])
def test_a_refused_write_is_told_and_tried_again_once_a_minute(method: str, latency: float) -> None:
    async def main() -> None:
        async with at_work() as world:
            world.registry.refusals[method] = SAID
            world.registry.latency = lambda: latency
            world.deploy()
            world.policy()
            world.ask("one")
            await asyncio.sleep(300)
            told = world.condition(RETRAIN_POLICY, "Ready")
            assert (told["status"], told["reason"]) == ("False", reasons.REGISTRY_REFUSED)
            assert SAID in told["message"]
            world.cluster.forget_calls()
            world.registry.calls.clear()
            await asyncio.sleep(600)
            assert 5 <= passes_over(world, RETRAIN_POLICY) <= 30
            assert 5 <= world.registry.calls[method] <= 90
            assert [str(call) for call in world.cluster.writes] == []
            world.registry.refusals.clear()
            await world.until(lambda: champion(world) == "1" and is_ready(world), most=180)
            assert len(world.registry.runs()) == len(world.registry.versions("churn")) == 1

    run_virtually(main())


@pytest.mark.parametrize("seed", range(5))
def test_a_registry_that_takes_its_time_gets_every_write_once(seed: int) -> None:
    async def main() -> None:
        random = Random(seed)
        async with at_work() as world:
            world.registry.latency = lambda: random.uniform(1.0, 5.0)
            world.deploy()
            world.policy()
            for number, value in enumerate(("one", "two"), start=1):
                world.ask(value)
                await world.until(lambda: champion(world) == str(number), most=1200)  # noqa: B023
            await asyncio.sleep(120)
            assert list(world.registry.versions("churn")) == ["1", "2"]
            assert len(world.registry.runs()) == 2
            model = await world.registry.model("churn")
            assert model is not None
            assert model.aliases == {"candidate": "2", "champion": "2", "previous": "1"}

    run_virtually(main())


@pytest.mark.parametrize("seed", range(5))
def test_a_version_that_fails_after_its_promotion_is_reverted_in_time_and_its_alias_comes_back(seed: int) -> None:
    """The alias of the promotion is still on its way when the way back is decided."""

    async def main() -> None:
        random = Random(seed)
        async with at_work() as world:
            world.registry.latency = lambda: random.uniform(1.0, 5.0)
            for version in ("1", "2"):
                world.registry.add_version("churn")
                world.registry.move_alias("churn", "candidate", version)
                if version == "1":
                    world.deploy(rollout=SHORT)
                await world.until(lambda: champion(world) == version, most=120)  # noqa: B023
            world.pods.behaviours["2"] = Behaviour(errors=0.5)
            await world.until(lambda: champion(world) == "1", most=15)
            await asyncio.sleep(120)
            assert world.registry.aliases("churn")["champion"] == "1"
            assert world.registry.versions("churn")["2"].tags[TAG_OUTCOME] == "RolledBack"

    run_virtually(main())


SHORT = {
    "steps": [{"weight": 50, "duration": "3s"}],
    "probation": "60s",
    "analysis": {"window": "10s", "metrics": [{"name": "error-rate", "max": 0.01}]},
}


def is_ready(world: LoopAtWork) -> bool:
    return bool(world.condition(RETRAIN_POLICY, "Ready")["status"] == "True")


def champion(world: LoopAtWork) -> str:
    return str((world.status(MODEL_DEPLOYMENT).get("champion") or {}).get("version", ""))
