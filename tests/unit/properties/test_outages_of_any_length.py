"""What a rollout rests on goes away for a while, at each of its steps: it holds, and goes on by itself to the same end.

Metrics that cannot be read, a gateway that takes nothing over, a clock that jumps, an alias that moves twice at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any, Final

import pytest

from tests.support.churn import Churn
from tests.support.memory_gateway import TRAFFIC, RoutedWorld
from tests.support.memory_pods import BROKEN, HEALTHY, UNREACHABLE
from tests.support.operator_world import OperatorWorld
from tests.support.safety import violations
from tests.unit.properties.kills import Scenario

STEPS: Final = ({"weight": 25, "duration": "25s"}, {"weight": 50, "duration": "25s"})
ROLLOUT: Final = {"steps": list(STEPS), "probation": "20s", "maxSurge": 2}
LENGTHS: Final = (1, 10, 120)
"""Seconds: a look, less than the window, and more than a window and several steps."""
HOUR: Final = 3600.0


def begun(churn: Churn, **parts: Any) -> None:
    churn.publish()
    churn.apply(rollout=ROLLOUT, **parts)
    assert churn.world.run(30, until=lambda: churn.serves("1"))


def is_met_by(weight: int, churn: Churn) -> bool:
    challenger: Any = churn.status.get("challenger") or {}
    return bool(challenger.get("weight") == weight)


def is_promoted(churn: Churn) -> bool:
    return churn.champion == "2"


Moment = Callable[[Churn], bool]
FIRST: Final[Moment] = partial(is_met_by, 25)
SECOND: Final[Moment] = partial(is_met_by, 50)
MOMENTS: Final[tuple[Moment, ...]] = (FIRST, SECOND, is_promoted)
WAYS: Final = [(moment, length) for moment in MOMENTS for length in LENGTHS]


def ends_well(churn: Churn, within: float = 120) -> None:
    """Version 2 is promoted, nothing was rejected, users were safe, and nothing moves any more."""
    assert churn.world.run(within, until=lambda: churn.serves("2"))
    churn.world.run(60)
    assert churn.rejected == []
    assert violations(churn.cluster.worlds) == []
    churn.world.rest(resyncs=1)


def test_metrics_that_cannot_be_read_for_a_while() -> None:
    def out(churn: Churn, way: tuple[Moment, int]) -> None:
        moment, length = way
        churn.publish()
        assert churn.world.run(90, until=partial(moment, churn))
        before = churn.status.get("challenger", {}).get("weight")
        churn.world.pods.behaviours.update({"1": UNREACHABLE, "2": UNREACHABLE})
        churn.world.run(length)
        if length == LENGTHS[-1] and moment in (FIRST, SECOND):
            assert churn.status["challenger"]["weight"] == before
            assert churn.condition("ChallengerHealthy")["reason"] == "ProviderError"
        churn.world.pods.behaviours.update({"1": HEALTHY, "2": HEALTHY})
        ends_well(churn)

    Scenario("metrics", begun, lambda _: None).for_each(WAYS, out)


def test_a_gateway_that_takes_nothing_over_for_a_while() -> None:
    def out(churn: Churn, way: tuple[Moment, int]) -> None:
        world, (moment, length) = churn.world, way
        assert isinstance(world, RoutedWorld)
        world.pods.lost = 0.0
        churn.publish()
        assert world.run(90, until=partial(moment, churn))
        world.gateway.frozen = True
        world.run(length)
        world.gateway.frozen = False
        ends_well(churn)
        assert world.pods.lost == 0.0

    Scenario("gateway", partial(begun, traffic=TRAFFIC), lambda _: None, make=RoutedWorld).for_each(WAYS, out)


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        begun(churn)
        yield churn


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forth", "back"])
@pytest.mark.parametrize("moment", [FIRST, SECOND], ids=["first step", "second step"])
def test_a_clock_that_jumps_promotes_nobody_unseen_and_rejects_nobody(
    churn: Churn, moment: Moment, jump: float
) -> None:
    churn.publish()
    assert churn.world.run(90, until=partial(moment, churn))
    churn.world.clock.advance(jump)
    churn.world.settle_now()
    assert churn.champion == "1"
    ends_well(churn, within=120 + HOUR)


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forth", "back"])
def test_after_a_jump_of_the_clock_a_breach_is_found_as_soon_as_ever(churn: Churn, jump: float) -> None:
    churn.publish()
    assert churn.world.run(90, until=partial(SECOND, churn))
    churn.world.clock.advance(jump)
    churn.world.pods.behaviours["2"] = BROKEN
    assert churn.world.run(30, until=lambda: churn.rejected == ["2"])


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_an_alias_that_moves_twice_within_a_second(churn: Churn, looks: int) -> None:
    """However many passes come in between, the version in the middle meets nobody for long and leaves no trace."""
    for _ in range(2):
        churn.world.registry.add_version("churn")
    churn.point("2")
    for _ in range(looks):
        churn.world.run(0.3)
    churn.point("3")
    assert churn.world.run(120, until=lambda: churn.serves("3"))
    assert "2" not in [entry["version"] for entry in churn.status["history"]]
    assert violations(churn.cluster.worlds) == []


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_an_alias_that_comes_back_within_a_second_changes_nothing(churn: Churn, looks: int) -> None:
    before = churn.status["champion"]
    churn.world.registry.add_version("churn")
    churn.point("2")
    for _ in range(looks):
        churn.world.run(0.3)
    churn.point("1")
    churn.world.run(60)
    assert churn.status["champion"] == before
    assert churn.challenger is None
    assert (churn.rejected, violations(churn.cluster.worlds)) == ([], [])
    churn.world.rest(resyncs=1)
