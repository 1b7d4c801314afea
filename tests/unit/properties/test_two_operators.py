"""P1 to P7 with two operators: a leader that stood still between any two of its writes undoes nothing when it wakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.support.churn import Churn
from tests.support.two_operators import TwoOperators
from tests.unit.properties.kills import Scenario, undisturbed
from tests.unit.properties.test_any_story import Story, TrialStory
from tests.unit.properties.test_killed_at_every_write import SCENARIOS
from tests.unit.properties.test_training_killed import TRAINING

STOPS = "Two operators: the leader stood still at each of its writes"
LATE = 1e6
"""Seconds: it wakes once the story is told."""


def two_in(churn: Churn) -> TwoOperators:
    assert isinstance(churn.world, TwoOperators)
    return churn.world


def told_by_two(scenario: Scenario, churn: Churn) -> object:
    """The story, and then whoever still stands still wakes."""
    world = two_in(churn)

    def then(churn: Churn) -> None:
        scenario.then(churn)
        world.wake()

    return replace(scenario, then=then).tell(churn)


@pytest.mark.parametrize("scenario", [*SCENARIOS, TRAINING], ids=lambda scenario: scenario.name)
def test_a_leader_that_stood_still_undoes_nothing(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    """At each of its writes; every other time it wakes soon, and else once everything is over."""
    expected, writes = undisturbed(scenario)
    both = replace(scenario, make=TwoOperators)
    ks = writes_of_the_leader(both)
    assert ks > writes.cluster / 2

    def stood_still(churn: Churn, k: int) -> None:
        world = two_in(churn)
        world.stop_at_write(k, wakes_after=2.0 if k % 2 else LATE)
        assert told_by_two(both, churn) == expected, f"stood still at write {k}"
        assert world.stops == 1

    both.for_each(range(1, ks + 1), stood_still)
    record_property(STOPS, f"{scenario.name}: {ks} writes")


def writes_of_the_leader(scenario: Scenario) -> int:
    """How many writes of any port it makes where nobody stands still."""
    with scenario.begun() as churn:
        world = two_in(churn)
        before = world.written
        told_by_two(scenario, churn)
        return world.written - before


class TwoOperatorStory(Story):
    """Any story, in which the leader stands still now and then and wakes at any time."""

    World = TwoOperators
    world: TwoOperators

    @rule(number=st.integers(1, 8), seconds=st.sampled_from([0.0, 1.0, 5.0, 30.0]))
    def the_leader_stands_still(self, number: int, seconds: float) -> None:
        self.world.stop_at_write(number, wakes_after=seconds)

    @rule()
    def it_wakes(self) -> None:
        self.world.wake()


class TwoOperatorTrialStory(TwoOperatorStory, TrialStory):
    """The same, once users have met a challenger."""


TwoOperatorStory.TestCase.settings = settings(max_examples=10, stateful_step_count=14)
TwoOperatorTrialStory.TestCase.settings = settings(max_examples=10, stateful_step_count=8)
TestTwoOperatorStory = TwoOperatorStory.TestCase
TestTwoOperatorTrialStory = TwoOperatorTrialStory.TestCase
