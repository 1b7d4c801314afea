"""P1, P2 and P3: the world follows the wish and stays; what was wished before leaves no trace in what users meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest

from tests.support.churn import UNTIL_PROMOTED, Churn, pinned
from tests.support.memory_pods import BROKEN
from tests.support.operator_world import OperatorWorld
from tests.support.roles import by_role, champion_part
from tests.support.safety import violations
from viridian.ports.cluster import Object

Wish = tuple[str, Object]
"""A version, and what else is in the spec."""


def promoted(churn: Churn, version: str) -> None:
    """The version becomes the champion, and its probation passes."""
    assert churn.world.run(UNTIL_PROMOTED, until=lambda: churn.serves(version)), churn.world.story()
    churn.world.run(60)


def settled(churn: Churn, version: str) -> None:
    """The same, and then the world is at rest (P1, P2)."""
    promoted(churn, version)
    assert churn.serves(version)
    churn.world.rest()


class TestSettled:
    def test_a_first_deployment_settles_and_is_left_alone(self, churn: Churn) -> None:
        version = churn.publish()
        churn.apply()
        settled(churn, version)
        assert churn.condition("Ready")["status"] == "True"

    def test_a_promotion_settles_with_a_warm_fallback(self, world: OperatorWorld, churn: Churn) -> None:
        first = churn.publish()
        churn.apply()
        settled(churn, first)
        second = churn.publish()
        settled(churn, second)
        assert churn.status["fallback"]["version"] == first
        assert churn.condition("RollbackReady")["status"] == "True"
        assert world.pods.lost == 0

    @pytest.mark.parametrize("bad", [{"errors": 0.3}, {"seconds": 0.8}], ids=["30 % errors", "slow"])
    def test_a_rejection_settles_on_champion_and_fallback(
        self, world: OperatorWorld, churn: Churn, bad: dict[str, float]
    ) -> None:
        first, second = churn.publish(), ""
        churn.apply()
        settled(churn, first)
        second = churn.publish()
        settled(churn, second)
        third = churn.publish(**bad)
        assert world.run(60, until=lambda: churn.rejected == [third])
        world.run(60)
        assert churn.champion == second
        assert (churn.status["fallback"]["version"], churn.status["fallback"]["ready"]) == (first, True)
        world.rest()
        world.restart()
        world.rest()
        assert churn.rejected == [third]

    def test_a_breach_in_probation_goes_back_to_the_warm_fallback(self, world: OperatorWorld, churn: Churn) -> None:
        first = churn.publish()
        churn.apply()
        settled(churn, first)
        second = churn.publish()
        assert world.run(UNTIL_PROMOTED, until=lambda: churn.champion == second)
        world.pods.behaviours[second] = BROKEN
        assert world.run(30, until=lambda: churn.champion == first)
        world.run(60)
        assert churn.rejected == [second]
        assert churn.status["lastRollback"]["reason"] == "MetricBreach"
        world.rest()

    def test_a_newer_version_takes_no_fallback_away_in_probation(self, world: OperatorWorld, churn: Churn) -> None:
        first = churn.publish()
        churn.apply()
        settled(churn, first)
        second = churn.publish()
        assert world.run(UNTIL_PROMOTED, until=lambda: churn.champion == second)
        third = churn.publish()
        world.run(16)
        assert "before version 3" in churn.condition("Reconciling")["message"]
        assert churn.status["fallback"]["ready"]
        world.pods.behaviours[second] = BROKEN
        assert world.run(10, until=lambda: churn.champion == first)
        settled(churn, third)

    @pytest.mark.parametrize("wait", ["paused", "approval", "no data", "no pods"])
    def test_waiting_is_rest_too(self, world: OperatorWorld, churn: Churn, wait: str) -> None:
        first = churn.publish()
        churn.apply()
        settled(churn, first)
        parts: dict[str, Object] = {
            "paused": {"rollout": {"paused": True}},
            "approval": {"rollout": {"steps": [{"name": "sign-off", "approval": {}}]}},
            "no data": {},
            "no pods": {"server": {"replicas": 0}},
        }
        churn.apply(**parts[wait])
        if wait == "no data":
            world.pods.rate = 0
        churn.publish()
        world.run(120)
        assert churn.champion == first
        world.rest()


# ---- P3 ----

PARTS: dict[str, Object] = {
    "the same": {},
    "more pods": {"server": {"replicas": 4}},
    "one pod": {"server": {"replicas": 1}},
    "another image": {
        "server": {"replicas": 2, "template": {"spec": {"containers": [{"name": "server", "image": "mine:2"}]}}}
    },
    "another port": {"server": {"replicas": 2, "port": 9000}},
    "no steps": {"rollout": {"steps": []}},
    "no metrics": {"rollout": {"analysis": {"metrics": []}}},
    "all at once": {"rollout": {"steps": [{"weight": 100, "duration": "5s"}]}},
    "no fallback": {"fallback": {"replicas": 0}},
}
A: Wish = ("1", {})


def after(wishes: Sequence[Wish], *, cut: Callable[[Churn], bool] | None = None) -> dict[str, Any]:
    """What users meet after these wishes, each settled; with `cut` those between the first and last are left there."""
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        for _ in range(3):
            churn.publish()
        for number, (version, parts) in enumerate(wishes):
            churn.apply(model=pinned(version), **parts)
            if cut is not None and 0 < number < len(wishes) - 1:
                assert world.run(UNTIL_PROMOTED, until=lambda: cut(churn)), "it came to where it is cut"
            else:
                promoted(churn, version)
        world.rest(resyncs=1)
        assert violations(world.cluster.worlds) == []
        return champion_part(by_role(world.cluster.present()))


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_a_then_b_equals_a_fresh_b(parts: Object) -> None:
    assert after([A, ("2", parts)]) == after([("2", parts)])


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_a_b_a_equals_a_fresh_a(parts: Object) -> None:
    assert after([A, ("2", parts), A]) == after([A])


def test_a_b_a_c_equals_a_fresh_c() -> None:
    assert after([A, ("2", {}), A, ("3", {})]) == after([("3", {})])


def at_step(index: int) -> Callable[[Churn], bool]:
    return lambda churn: churn.status.get("challenger", {}).get("step", {}).get("index") == index


CUTS: dict[str, Callable[[Churn], bool]] = {
    "resolved": lambda churn: churn.challenger == "2",
    "first step": at_step(0),
    "second step": at_step(1),
    "probation": lambda churn: churn.champion == "2",
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("last", ["1", "3"])
def test_a_rollout_that_is_cut_short_leaves_no_trace(cut: Callable[[Churn], bool], last: str) -> None:
    assert after([A, ("2", {}), (last, {})], cut=cut) == after([(last, {})])


@pytest.mark.parametrize("parts", [p for name, p in PARTS.items() if name != "the same"], ids=list(PARTS)[1:])
def test_the_same_version_with_another_spec_equals_a_fresh_one(parts: Object) -> None:
    assert after([A, ("1", parts)]) == after([("1", parts)])
