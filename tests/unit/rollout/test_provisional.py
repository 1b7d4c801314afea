"""A champion that was promoted before the outcomes of its answers were known: the condition says so until they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.snapshots import NOW, snapshot, spec
from tests.unit.rollout.cases import GREEN, TWO_KNOWN, V1, V2, move_of
from tests.unit.rollout.test_monitored import WARM, judged, watched
from viridian.api import reasons
from viridian.core.times import format_time
from viridian.rollout.input import RolloutInput
from viridian.rollout.state import read
from viridian.rollout.status import status
from viridian.rollout.traffic.record import ChampionCause, Traffic

SINCE = NOW - timedelta(hours=1)
QUIET: dict[str, Any] = {"verdict": "Quiet"}
AWAITED = ("True", reasons.LABELS_AWAITED)
CONFIRMED = ("False", reasons.OUTCOMES_CONFIRM)
CONTRADICTED = ("False", reasons.OUTCOMES_CONTRADICT)


def shown(action: str = "Review", found: dict[str, Any] | None = None, **more: Any) -> RolloutInput:
    """Version 2 serves since an hour ago; what the monitor found is on its record."""
    known = TWO_KNOWN if found is None else (TWO_KNOWN[0], judged(TWO_KNOWN[1], **found))
    return snapshot(of=more.pop("of", watched(action)), **{**WARM, "known": known, **more})


def condition(world: RolloutInput) -> dict[str, Any] | None:
    assert world.spec is not None
    found = status(read(world, world.spec, NOW), move_of(world), {})["conditions"]
    return next((one for one in found if one["type"] == reasons.PROVISIONAL), None)


def verdict(world: RolloutInput) -> tuple[str, str] | None:
    found = condition(world)
    return (found["status"], found["reason"]) if found is not None else None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(None, AWAITED, id="no window was judged"),
        pytest.param({"verdict": "InsufficientData"}, AWAITED, id="too few labels"),
        pytest.param({**QUIET, "name": "other"}, AWAITED, id="another monitor has judged"),
        pytest.param({**QUIET, "of": V1}, AWAITED, id="another revision was judged"),
        pytest.param({**QUIET, "seconds_ago": 3601}, AWAITED, id="a window that ended before the promotion"),
        pytest.param(QUIET, CONFIRMED, id="the labels are in"),
        pytest.param({"verdict": "Fired"}, CONTRADICTED, id="they contradict it"),
    ],
)
def test_it_is_on_trust_until_a_monitor_has_judged_it_on_outcomes(
    found: dict[str, Any] | None, expected: tuple[str, str]
) -> None:
    assert verdict(shown(found=found)) == expected


def test_the_message_names_the_monitor_and_the_earliest_time() -> None:
    monitor = {"name": "auc", "performance": {"metric": "auc", "min": 0.8}, "action": "Rollback"}
    whole = spec(monitoring={"monitors": [monitor]}, feedback={"labelMaturity": "14d"})
    found = condition(shown(of=whole))
    assert found is not None
    assert found["message"] == (
        f"version 2 ({V2}) was promoted before the outcomes of its answers were known; auc has yet to judge them, from "
        f"{format_time(SINCE + timedelta(days=14))} on"
    )


@pytest.mark.parametrize("action", ["Alert", "PauseAutomation"])
def test_monitors_that_neither_roll_back_nor_ask_for_a_review_judge_nobody(action: str) -> None:
    assert verdict(shown(action)) is None


def test_nor_do_those_of_inputs() -> None:
    monitor = {"name": "age", "drift": {"features": ["age"]}, "action": "Review"}
    assert verdict(shown(of=spec(monitoring={"monitors": [monitor]}, feedback={}))) is None


@pytest.mark.parametrize(
    "traffic",
    [
        Traffic(GREEN, V2, SINCE),
        Traffic(GREEN, V2, SINCE, former=V1, cause=ChampionCause.ROLLED_BACK),
    ],
    ids=["the first one", "by a rollback"],
)
def test_a_champion_that_took_nobodys_place_by_a_trial_is_not_on_trust(traffic: Traffic) -> None:
    assert verdict(shown(traffic=traffic)) is None


def test_what_was_confirmed_stays_so_when_labels_become_few() -> None:
    before = condition(shown(found=QUIET))
    assert before is not None
    later = shown(found={"verdict": "InsufficientData"}, status={"conditions": [before]})
    assert verdict(later) == CONFIRMED


def test_the_next_champion_is_on_trust_again() -> None:
    before = condition(shown(found=QUIET))
    assert before is not None
    known = {**before, "lastTransitionTime": format_time(SINCE - timedelta(days=1))}
    assert verdict(shown(status={"conditions": [known]})) == AWAITED
