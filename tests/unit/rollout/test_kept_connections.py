"""When pods ask clients that keep their connections to connect anew during a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.snapshots import NOW, ago_time, answers, sample, slot, spec
from tests.unit.rollout.cases import BLUE, FIRST_STEP, GREEN, met, move_of, trial_world
from viridian.api.samples import Idle, PodSample
from viridian.core.plan import CloseConnections
from viridian.rollout.decide import decide

CHAMPION, CHALLENGER = slot(BLUE, "1", 3), slot(GREEN, "2", 1)
LONG_STEP = spec(rollout={"steps": [{"weight": 25, "duration": "10m"}]})
AGAIN = (BLUE, GREEN), Idle.KEEP


def closed(seconds: float, readings: dict[str, Sequence[PodSample]]) -> tuple[tuple[object, ...], Idle] | None:
    """Whose connections are closed by a look so long after the weight was reached, and how."""
    held = replace(FIRST_STEP, since=ago_time(seconds), exposure=met(seconds))
    close = move_of(trial_world(held, whole=LONG_STEP, readings=readings)).close
    return (close.slots, close.idle) if close is not None else None


@pytest.mark.parametrize(("seconds", "again"), [(9.5, False), (10.5, True), (11.5, False), (20.5, True)])
def test_it_is_looked_at_every_ten_seconds_whether_clients_meet_the_challenger(seconds: float, again: bool) -> None:
    """Some proxies hear of the new split later than connections are closed for it."""
    assert closed(seconds, {**answers(CHALLENGER, 0)}) == (AGAIN if again else None)


@pytest.mark.parametrize(
    ("champion", "challenger", "again"),
    [
        (750, 250, False),
        (1000, 0, True),
        (990, 10, False),  # a slow one answers few, and would get more clients each time
        (500, 500, False),
        (450, 550, True),  # the order came later to the champion's pods, which lost their clients
        (0, 800, True),
        (0, 0, False),  # nobody asks
        (None, 0, True),  # a champion that shows no counters
        (None, 800, False),
    ],
)
def test_clients_connect_anew_where_they_are_not_spread(champion: float | None, challenger: float, again: bool) -> None:
    readings = {**answers(CHALLENGER, challenger), **(answers(CHAMPION, champion) if champion is not None else {})}
    assert closed(10.5, readings) == (AGAIN if again else None)


def test_what_a_challenger_answered_before_the_clients_left_it_does_not_count() -> None:
    """Pods close connections for a moment at the beginning of a step; who came in that moment may be gone again."""
    few_at_first = tuple(sample("green-0", ago, 4) for ago in range(19, -1, -1))
    assert closed(20.5, {"green-0": few_at_first, **answers(CHAMPION, 1600, since=20)}) == AGAIN


def test_a_challenger_that_cannot_be_read_is_left_to_its_clients() -> None:
    assert closed(10.5, {}) is None


def test_who_connects_anew_for_a_weight_gets_the_answers_of_both() -> None:
    held = replace(FIRST_STEP, since=ago_time(10.5), exposure=met(10.5))
    plan = decide(trial_world(held, whole=LONG_STEP, readings={**answers(CHALLENGER, 0)}), NOW)
    assert [one.forward for one in plan.actions if isinstance(one, CloseConnections)] == [False]
