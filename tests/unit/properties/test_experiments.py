"""Experiments, told whole: each verdict does what is declared, whatever is killed and whoever is down meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.churn import Churn
from tests.support.memory_cluster import Fault
from tests.support.memory_collector import MemoryCollector
from tests.support.memory_gateway import TRAFFIC, RoutedWorld
from tests.support.operator_world import OperatorWorld
from tests.support.safety import violations
from tests.support.watched import outcomes
from tests.unit.conftest import KILLS
from tests.unit.properties.kills import Scenario, at_write, undisturbed
from viridian.api.feedback import Window
from viridian.ports.collector import FeedbackUnavailable

AB: dict[str, Any] = {
    "weight": 50,
    "performance": "accuracy",
    "smallestEffect": 0.05,
    "minSamples": 500,
    "maxDuration": "2m",
}
ROWS = 5000
CHAMPION = 0.8


class LabelledRows(MemoryCollector):
    """So many rows of each revision, in whatever span of time; `right` says how many of them the challenger gets."""

    right: float = CHAMPION
    first: str = ""

    async def windows(self, namespace: str, deployment: str, **asked: Any) -> list[Window]:
        await super().windows(namespace, deployment, **asked)
        revision, start, end, seconds = (asked[name] for name in ("revision", "start", "end", "seconds"))
        spans = max(1, round((end - start) / seconds))
        known = outcomes(ROWS // spans, CHAMPION if revision == self.first else self.right)
        return [
            Window(
                revision=revision,
                version="1",
                start=start + number * seconds,
                end=min(end, start + (number + 1) * seconds),
                profile=None,
                performance=known,
            )
            for number in range(spans)
        ]


def _with_outcomes(world: OperatorWorld) -> None:
    world.collector = LabelledRows()
    world.restart()
    world.restarts = 0


class ExperimentWorld(OperatorWorld):
    """A world whose collector knows outcomes."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        _with_outcomes(self)


class RoutedExperimentWorld(RoutedWorld):
    """The same with a gateway."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        _with_outcomes(self)


def rows_of(churn: Churn) -> LabelledRows:
    assert isinstance(churn.world.collector, LabelledRows)
    return churn.world.collector


def champion_serves(churn: Churn, experiment: dict[str, Any] = AB, **parts: Any) -> None:
    churn.publish()
    steps = [{"name": "ab", "experiment": experiment}]
    rollout = {"steps": steps, "probation": "3s", "analysis": {"metrics": []}}
    churn.apply(rollout=rollout, feedback={}, **parts)
    assert churn.world.run(30, until=lambda: churn.serves("1"))
    rows_of(churn).first = churn.revision("1")


def verdict(churn: Churn) -> str:
    return str(churn.status.get("experiment", {}).get("verdict"))


def weight(churn: Churn) -> int:
    return int(churn.status.get("challenger", {}).get("weight", 0))


def better(churn: Churn) -> None:
    rows_of(churn).right = 0.9
    churn.publish()
    assert churn.world.run(120, until=lambda: churn.serves("2")), churn.status
    assert verdict(churn) == "Better"


def worse(churn: Churn) -> None:
    rows_of(churn).right = 0.7
    churn.publish()
    assert churn.world.run(120, until=lambda: churn.rejected == ["2"]), churn.status
    assert verdict(churn) == "Worse"


BETTER = Scenario("experiment", champion_serves, better, settle=10, make=ExperimentWorld)
WORSE = replace(BETTER, name="lost experiment", then=worse)
ROUTED = replace(
    BETTER,
    name="experiment through a gateway",
    before=partial(champion_serves, traffic=TRAFFIC),
    make=RoutedExperimentWorld,
)


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(ExperimentWorld()) as world:
        yield Churn(world)


@pytest.mark.parametrize(
    ("scenario", "fault", "every"),
    [
        (BETTER, Fault.KILL_AFTER, 1),
        (BETTER, Fault.KILL_BEFORE, 1),
        (WORSE, Fault.KILL_BEFORE, 1),
        (ROUTED, Fault.KILL_AFTER, 4),
    ],
    ids=lambda one: getattr(one, "name", str(one)).lower(),
)
def test_killed_at_every_write(
    scenario: Scenario, fault: Fault, every: int, record_property: Callable[[str, object], None]
) -> None:
    expected, writes = undisturbed(scenario)
    assert writes.cluster > 5

    def killed(churn: Churn, k: int) -> None:
        at_write(churn, k, fault)
        assert scenario.tell(churn) == expected, f"killed at write {k}"
        assert churn.world.restarts == 1

    ks = writes.deaths(fault)[::every]
    scenario.for_each(ks, killed)
    record_property(KILLS, f"{scenario.name}: {len(ks)} of {writes.cluster} ks ({fault.value})")


def test_the_verdict_stands_in_the_history(churn: Churn) -> None:
    champion_serves(churn)
    worse(churn)
    assert {entry["outcome"] for entry in churn.status["history"][:2]} == {"Rejected", "ExperimentEnded"}
    assert violations(churn.world.cluster.worlds) == []


def test_one_that_shows_no_difference_waits_for_a_person(churn: Churn) -> None:
    champion_serves(churn)
    churn.publish()
    assert churn.world.run(60, until=lambda: verdict(churn) == "NoDifference")
    churn.world.run(300)
    assert (churn.champion, churn.status["challenger"]["waitingReason"]) == ("1", "Approval")
    churn.annotate("approve", f"{churn.revision('2')}#ada")
    assert churn.world.run(60, until=lambda: churn.serves("2"))


def test_a_collector_that_is_down_holds_the_share_and_ends_nothing_early(churn: Churn) -> None:
    champion_serves(churn)
    rows_of(churn).failure = FeedbackUnavailable("the collector cannot be reached")
    rows_of(churn).right = 0.9
    churn.publish()
    churn.world.run(300)
    assert (verdict(churn), weight(churn)) == ("None", 50)
    assert "the collector cannot be reached" in churn.status["challenger"]["waitingFor"]
    rows_of(churn).failure = None
    assert churn.world.run(60, until=lambda: churn.serves("2"))
    assert verdict(churn) == "Better"


def test_without_outcomes_it_ends_undecided_and_promotes_nobody(churn: Churn) -> None:
    champion_serves(churn, {**AB, "minSamples": 2 * ROWS})
    rows_of(churn).right = 0.9
    churn.publish()
    assert churn.world.run(240, until=lambda: verdict(churn) == "Inconclusive")
    churn.world.run(300)
    assert churn.champion == "1"


def test_the_share_moves_to_the_better_one_within_its_floor() -> None:
    thompson = {**AB, "allocation": "Thompson", "interval": "20s", "floor": 20, "minSamples": 2 * ROWS}
    with closing(RoutedExperimentWorld()) as world:
        churn = Churn(world)
        champion_serves(churn, thompson, traffic=TRAFFIC)
        rows_of(churn).right = 0.9
        churn.publish()
        assert world.run(60, until=lambda: weight(churn) == 50)
        assert world.run(60, until=lambda: weight(churn) == 80)
        rows_of(churn).right = 0.7
        assert world.run(60, until=lambda: weight(churn) == 20)
        assert churn.status["experiment"]["weight"] == 20
        assert world.run(120, until=lambda: verdict(churn) == "Inconclusive")
        assert violations(world.cluster.worlds) == []


def test_the_collector_knows_each_share_and_since_when() -> None:
    """Also those of the time in which it was down."""
    thompson = {**AB, "allocation": "Thompson", "interval": "20s", "floor": 20, "minSamples": 2 * ROWS}
    with closing(RoutedExperimentWorld()) as world:
        churn = Churn(world)
        champion_serves(churn, thompson, traffic=TRAFFIC)
        rows_of(churn).right = 0.9
        churn.publish()
        assert world.run(60, until=lambda: weight(churn) == 50)
        began = world.clock().timestamp()
        assert world.run(60, until=lambda: weight(churn) == 80)
        moved = world.clock().timestamp()
        rows_of(churn).failure = FeedbackUnavailable("the collector cannot be reached")
        world.run(5)
        churn.annotate("reject", churn.revision("2"))
        assert world.run(10, until=lambda: churn.rejected == ["2"])
        ended = world.clock().timestamp()
        world.restart()
        world.run(120)
        rows_of(churn).failure = None
        world.run(120)
        logged = rows_of(churn).splits["default", "churn"].values()
        first, second = churn.revision("1"), churn.revision("2")
        assert [(split.champion, split.challenger, split.share) for split in logged] == [
            (first, second, 0.5),
            (first, second, 0.8),
            (first, "", 0.0),
        ]
        assert [split.time for split in logged] == pytest.approx([began, moved, ended], abs=2)
