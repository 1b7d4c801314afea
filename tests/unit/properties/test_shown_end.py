"""Who waits for a rollout is told of no end that is none: once the status shows one, it goes on to show it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from tests.support.churn import Churn, pinned
from tests.support.memory_pods import Behaviour
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.people.model_summary import summary
from viridian.people.rollout_end import rollout_end

OVER = 180.0
"""Seconds after which each of these rollouts is over, its probation included."""


def pin(churn: Churn, version: str) -> None:
    """A person's edit of the spec."""
    churn.cluster.edit(MODEL_DEPLOYMENT, "churn", lambda found: found["spec"].update(model=pinned(version)))


def good(churn: Churn) -> None:
    pin(churn, churn.publish())


def bad(churn: Churn) -> None:
    pin(churn, churn.publish(errors=0.3))


def bad_in_its_probation(churn: Churn) -> None:
    good(churn)
    assert churn.world.run(OVER, until=lambda: churn.champion == "2")
    churn.world.pods.behaviours["2"] = Behaviour(errors=0.3)


def superseded(churn: Churn) -> None:
    good(churn)
    assert churn.world.run(OVER, until=lambda: churn.challenger == "2")
    good(churn)


def back_to_the_first(churn: Churn) -> None:
    good(churn)
    assert churn.world.run(OVER, until=lambda: churn.champion == "2")
    pin(churn, "1")


TWO: dict[str, Any] = {}
ONE = {"server": {"replicas": 1}, "rollout": {"steps": [{"weight": 50, "duration": "10s"}]}}
"""With one pod of each version, no other one of the champion comes or goes when the traffic is back."""


@pytest.mark.parametrize(
    ("edit", "parts", "serves"),
    [
        (good, TWO, True),
        (good, ONE, True),
        (bad, TWO, False),
        (bad, ONE, False),
        (bad_in_its_probation, ONE, False),
        (superseded, TWO, True),
        (back_to_the_first, ONE, True),
    ],
)
def test_the_first_end_after_an_edit_is_the_end(
    churn: Churn, edit: Callable[[Churn], None], parts: dict[str, Any], serves: bool
) -> None:
    churn.publish()
    churn.apply(model=pinned("1"), **parts)
    assert churn.world.run(OVER, until=lambda: churn.serves("1"))
    churn.world.run(60)
    before = len(churn.cluster.worlds)
    edit(churn)
    churn.world.run(OVER)
    assert shown(churn, before) == [None, serves]


def test_a_first_version_is_at_its_end_when_it_serves(churn: Churn) -> None:
    churn.publish()
    churn.apply(model=pinned("1"))
    churn.world.run(OVER)
    assert shown(churn, 0) == [None, True]


def shown(churn: Churn, before: int) -> list[bool | None]:
    """What one status after the other has said since then: it serves, it does not, or (None) it has not ended."""
    found = [world.find(MODEL_DEPLOYMENT, "churn") for world in churn.cluster.worlds[before:]]
    ends = [rollout_end(summary(one), one["metadata"]["generation"]) for one in found if one is not None]
    return [serves for serves, _ in groupby(end.serves if end is not None else None for end in ends)]
