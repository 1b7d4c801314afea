"""A registry that is slow or refuses, and the real queue: nothing is doubled, nothing arrives in the wrong order."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.support.loop_at_work import LoopAtWork, at_work
from tests.support.memory_pods import Behaviour
from tests.support.memory_registry import MemoryRegistry
from tests.support.virtual_time import run_virtually
from viridian.api import reasons
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.api.registry import TAG_OUTCOME
from viridian.controller.registry_poller import EVERY

OF_THE_TRAIL = ("find_run", "create_run", "tag_run")
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


@pytest.mark.parametrize("own", [False, True], ids=["shared identity", "own identity"])
def test_a_revert_takes_as_long_with_a_registry_that_hangs_as_with_one_that_answers(own: bool) -> None:
    """It accepts every call in the middle of the trial, and answers none."""
    assert time_to_revert(own=own, hangs=True) == time_to_revert(own=own, hangs=False)


LISTS_PODS = ("list", "Pod")
"""What a pass of the rollout alone does, and does once."""


def time_to_revert(*, own: bool, hangs: bool) -> tuple[float, int]:
    """Seconds from the breach until users are taken back, and the passes of the rollout that were made meanwhile."""

    async def main() -> tuple[float, int]:
        registry, loop = MemoryRegistry(), asyncio.get_running_loop()
        async with at_work(own_registries={"default": registry} if own else None) as world:
            if own:
                world.registry = registry
            world.registry.add_version("churn")
            world.registry.move_alias("churn", "candidate", "1")
            world.deploy(rollout={**SHORT, "steps": [{"weight": 50, "duration": "1h"}]})
            await world.until(lambda: champion(world) == "1", most=120)
            world.registry.add_version("churn")
            world.registry.move_alias("churn", "candidate", "2")
            await world.until(lambda: weight(world) == 50, most=60)
            await asyncio.sleep(30)
            if hangs:
                world.registry.latency = lambda: 1e9
            await asyncio.sleep(1)
            world.pods.behaviours["2"] = Behaviour(errors=0.5)
            world.cluster.forget_calls()
            began = loop.time()
            await world.until(lambda: weight(world) is None, most=60)
            return loop.time() - began, sum(1 for call in world.cluster.calls if (call.verb, call.kind) == LISTS_PODS)

    return run_virtually(main())


def test_a_new_model_is_deployed_as_soon_as_the_registry_has_answered() -> None:
    async def main() -> None:
        async with at_work() as world:
            world.registry.add_version("churn")
            world.registry.move_alias("churn", "candidate", "1")
            await asyncio.sleep(61)
            world.registry.latency = lambda: 0.1
            world.deploy()
            await asyncio.sleep(0.35)
            assert world.cluster.find("Deployment", "churn-blue") is not None
            calls = {name: number for name, number in world.registry.calls.items() if name not in OF_THE_TRAIL}
            assert calls == {"model": 1, "version": 1}

    run_virtually(main())


def test_after_a_restart_a_policy_that_waits_for_its_schedule_asks_the_registry_nothing() -> None:
    async def main() -> None:
        async with at_work() as world:
            world.deploy()
            world.policy(triggers=[{"name": "yearly", "schedule": {"cron": "0 3 1 7 *"}}])
            world.ask("one")
            await world.until(lambda: champion(world) == "1" and is_ready(world), most=300)
            await asyncio.sleep(1200)
            await world.restart()
            world.registry.calls.clear()
            await asyncio.sleep(120)
            assert passes_over(world, RETRAIN_POLICY) > 0
            assert set(world.registry.calls) == {"models"}, "the poller's"

    run_virtually(main())


def test_after_a_restart_models_at_rest_are_read_with_one_sweep_and_nothing_is_published() -> None:
    async def main() -> None:
        async with at_work() as world:
            for number in range(20):
                world.registry.add_version(f"m{number}")
                world.registry.move_alias(f"m{number}", "candidate", "1")
                world.deploy(f"m{number}")
            await asyncio.sleep(400)
            await world.restart()
            world.registry.calls.clear()
            world.cluster.forget_calls()
            await asyncio.sleep(EVERY - 1)
            assert world.cluster.writes == []
            assert dict(world.registry.calls) == {"models": 1}

    run_virtually(main())


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("pinned", [False, True])
def test_a_registry_that_begins_anew_is_never_mixed_up_with_the_former_one(restarted: bool, pinned: bool) -> None:
    """Version 1 serves. The registered model is lost and made again, and its version 1 is another model."""

    async def main() -> None:
        async with at_work() as world:
            world.registry.add_version("churn")
            world.registry.move_alias("churn", "candidate", "1")
            registry = {"name": "churn", **({"version": "1"} if pinned else {"alias": "candidate"})}
            world.deploy(model={"registry": registry}, rollout=SHORT)
            await world.until(lambda: champion(world) == "1", most=120)
            await asyncio.sleep(120)
            before = world.status(MODEL_DEPLOYMENT)["champion"]
            assert world.registry.versions("churn")["1"].tags[TAG_OUTCOME] == "Promoted"
            world.registry.delete_model("churn")
            world.registry.milliseconds = int(world.cluster.clock().timestamp() * 1000)
            world.registry.add_version("churn")
            world.registry.move_alias("churn", "candidate", "1")
            if restarted:
                await world.restart()
            await asyncio.sleep(120)
            status = world.status(MODEL_DEPLOYMENT)
            told = world.condition(MODEL_DEPLOYMENT, "ModelResolved")
            if pinned:
                assert status["champion"] == before
                assert (told["status"], told["reason"]) == ("False", reasons.VERSION_REPLACED)
                assert dict(world.registry.versions("churn")["1"].tags) == {}
                assert world.registry.aliases("churn") == {"candidate": "1"}
            else:
                assert status["champion"]["revision"] != before["revision"], "by a rollout like any other"
                assert status["champion"]["uri"] == world.registry.versions("churn")["1"].uri
                assert world.registry.aliases("churn") == {"candidate": "1", "champion": "1"}

    run_virtually(main())


SHORT = {
    "steps": [{"weight": 50, "duration": "3s"}],
    "probation": "60s",
    "analysis": {"window": "10s", "metrics": [{"name": "error-rate", "max": 0.01}]},
}


def is_ready(world: LoopAtWork) -> bool:
    return bool(world.condition(RETRAIN_POLICY, "Ready")["status"] == "True")


def weight(world: LoopAtWork) -> int | None:
    """The share of the challenger; None where there is none."""
    found: int | None = (world.status(MODEL_DEPLOYMENT).get("challenger") or {}).get("weight")
    return found


def champion(world: LoopAtWork) -> str:
    return str((world.status(MODEL_DEPLOYMENT).get("champion") or {}).get("version", ""))
