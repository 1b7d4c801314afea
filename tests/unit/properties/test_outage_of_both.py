"""An incident of the world in mid-trial: champion and challenger fail alike, and nobody is thrown away."""

from __future__ import annotations

import pytest

from tests.support.churn import UNTIL_PROMOTED, Churn
from tests.support.memory_pods import BROKEN, HEALTHY, SLOW, Behaviour
from tests.support.operator_world import OperatorWorld


def is_met(churn: Churn) -> bool:
    return bool((churn.status.get("challenger") or {}).get("weight"))


def on_trial_beside(churn: Churn, first: str) -> str:
    """A second version that users meet beside the first."""
    assert churn.world.run(UNTIL_PROMOTED, until=lambda: churn.serves(first))
    churn.world.run(60)
    second = churn.publish()
    assert churn.world.run(60, until=lambda: is_met(churn))
    churn.world.run(3)
    return second


@pytest.mark.parametrize("trouble", [BROKEN, SLOW], ids=["errors", "slow answers"])
@pytest.mark.parametrize("killed", [False, True], ids=["", "the operator restarts"])
def test_a_challenger_is_held_until_both_are_well_and_then_promoted(
    world: OperatorWorld, churn: Churn, trouble: Behaviour, killed: bool
) -> None:
    first = churn.publish()
    churn.apply()
    second = on_trial_beside(churn, first)
    world.pods.behaviours.update({first: trouble, second: trouble})
    world.run(20)
    assert churn.condition("Ready")["reason"] == "ChampionBreachesToo"
    assert is_met(churn)
    if killed:
        world.restart()
    world.run(20)
    world.pods.behaviours.update({first: HEALTHY, second: HEALTHY})
    assert world.run(UNTIL_PROMOTED, until=lambda: churn.champion == second), world.story()
    assert churn.rejected == []
    world.run(60)
    world.rest()


def test_one_that_stays_broken_when_the_champion_is_well_again_goes(world: OperatorWorld, churn: Churn) -> None:
    first = churn.publish()
    churn.apply()
    second = on_trial_beside(churn, first)
    world.pods.behaviours.update({first: BROKEN, second: BROKEN})
    world.run(20)
    world.pods.behaviours[first] = HEALTHY
    assert world.run(40, until=lambda: churn.rejected == [second]), world.story()
    assert churn.champion == first
