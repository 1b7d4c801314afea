"""The first day: everything is applied at once, in any order, and what is not there yet is waited for.

The assembled loop on the cluster in memory, in virtual time. Nothing that is seen on the way is a failure.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.loop_at_work import LoopAtWork, at_work
from tests.support.virtual_time import run_virtually
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.ports.collector import FeedbackUnavailable

KINDS = (MODEL_DEPLOYMENT, RETRAIN_POLICY)


class FirstDay:
    """A world in which nothing was ever served, trained or received; remembers every failure that was told."""

    def __init__(self, world: LoopAtWork) -> None:
        self.world = world
        self.failures: list[object] = []
        world.collector.received = False
        world.cluster.on_change.append(self._look)

    def model(self) -> None:
        self.world.deploy(feedback={"sampling": 100}, monitoring={"window": "1h"})

    def policy(self) -> None:
        self.world.policy()
        self.world.ask("the-first")

    async def until_served(self) -> None:
        await self.world.until(lambda: bool(self.world.status(MODEL_DEPLOYMENT).get("champion")), most=240)
        assert self.failures == []
        assert [event for event in self.world.cluster.events() if event[0] == "Warning"] == []

    def condition(self, kind: str, type_: str) -> tuple[str, str]:
        found = self.world.condition(kind, type_)
        return str(found.get("status")), str(found.get("reason"))

    def _look(self, type_: str, object_: object) -> None:
        for kind in KINDS:
            stalled = self.world.condition(kind, "Stalled")
            if stalled.get("status") == "True":
                self.failures.append((kind, stalled))


def rows_of(world: LoopAtWork) -> list[str]:
    """What each Job was told of its rows."""
    jobs = world.cluster.all("Job")
    told = [
        {v["name"]: v.get("value", "") for v in j["spec"]["template"]["spec"]["containers"][0]["env"]} for j in jobs
    ]
    return [str(variables["VIRIDIAN_FEEDBACK_URI"]) for variables in told]


ORDERS: dict[str, tuple[Callable[[FirstDay], None], ...]] = {
    "the model first": (FirstDay.model, FirstDay.policy),
    "the policy first": (FirstDay.policy, FirstDay.model),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_a_policy_trains_the_very_first_version_of_a_model_with_feedback_and_monitoring(
    order: tuple[Callable[[FirstDay], None], ...],
) -> None:
    async def main() -> None:
        async with at_work() as world:
            day = FirstDay(world)
            for apply in order:
                apply(day)
            await day.until_served()
            assert rows_of(world) == [""]

            world.collector.received = True
            world.ask("the-second")
            await world.until(lambda: len(world.status(RETRAIN_POLICY).get("runs", ())) == 2, most=240)
            assert any(rows.startswith("http://collector:8090/") for rows in rows_of(world))

    run_virtually(main())


def test_a_policy_waits_for_the_deployment_that_it_names() -> None:
    async def main() -> None:
        async with at_work() as world:
            day = FirstDay(world)
            day.policy()
            await world.until(lambda: bool(world.status(RETRAIN_POLICY)), most=10)
            assert day.condition(RETRAIN_POLICY, "Ready") == ("False", "ModelDeploymentNotFound")
            assert day.condition(RETRAIN_POLICY, "Reconciling") == ("True", "ModelDeploymentNotFound")
            day.model()
            await day.until_served()

    run_virtually(main())


def test_a_model_that_nobody_has_made_yet_is_waited_for() -> None:
    async def main() -> None:
        async with at_work() as world:
            day = FirstDay(world)
            day.model()
            await world.until(lambda: bool(world.status(MODEL_DEPLOYMENT)), most=10)
            assert day.condition(MODEL_DEPLOYMENT, "Ready") == ("False", "FirstDeployment")
            assert day.condition(MODEL_DEPLOYMENT, "Reconciling") == ("True", "ModelNotFound")
            assert "RetrainPolicy" in world.condition(MODEL_DEPLOYMENT, "Ready")["message"]
            world.registry.add_version("churn")
            await world.until(lambda: day.condition(MODEL_DEPLOYMENT, "Reconciling")[1] == "AliasNotFound", most=60)
            world.registry.move_alias("churn", "candidate", "1")
            await day.until_served()

    run_virtually(main())


def test_a_registry_and_a_collector_that_are_not_up_yet_are_waited_for() -> None:
    async def main() -> None:
        async with at_work() as world:
            day = FirstDay(world)
            world.registry.unavailable = True
            world.collector.failure = FeedbackUnavailable("the collector cannot be reached")
            day.model()
            day.policy()
            await world.until(
                lambda: day.condition(RETRAIN_POLICY, "Reconciling") == ("True", "RegistryUnavailable"), most=60
            )
            assert day.condition(MODEL_DEPLOYMENT, "Reconciling") == ("True", "RegistryUnavailable")
            world.registry.unavailable = False
            await world.until(
                lambda: day.condition(RETRAIN_POLICY, "Reconciling") == ("True", "CollectorUnavailable"), most=120
            )
            world.collector.failure = None
            await day.until_served()
            assert len(world.registry.runs()) == 1

    run_virtually(main())
