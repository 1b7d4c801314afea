"""Drills of the rollback: when one begins, when it counts as overdue, and what the record holds of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.snapshots import NOW, ago_time, answers, commands, slot, snapshot, spec
from tests.unit.rollout.cases import BLUE, GREEN, TWO_STEADY, TWO_WARM, V1, V2, Case, check, move_of, table
from tests.unit.rollout.plans import condition
from tests.unit.rollout.test_gateway import TRAFFIC, routed
from viridian.api import reasons
from viridian.api.names import Slot
from viridian.api.samples import Idle
from viridian.rollout.decide import decide
from viridian.rollout.drill_schedule import is_due, next_look, overdue_since
from viridian.rollout.fail_closed import give_back
from viridian.rollout.input import RolloutInput
from viridian.rollout.state import read
from viridian.rollout.traffic.drill_record import Drill, DrillResult
from viridian.rollout.traffic.exposure import CounterBaseline, Exposure
from viridian.rollout.traffic.record import Traffic, dump, parse
from viridian.rollout.urgency import urgency_in

# Now is Monday, 12:00 UTC.
JUST_NOW = {"cron": "50 11 * * *", "mode": "Live", "duration": "2m"}
TOO_LATE = {**JUST_NOW, "cron": "30 10 * * *"}
PASSED = DrillResult(V1, "Passed", ago_time(7000), ago_time(6900), seconds=0.4, requests=100, passed_at=ago_time(6900))
PREPARED = Drill(V1, entered=ago_time(5))
SERVES = Drill(V1, ago_time(20), ago_time(10), Exposure(ago_time(10), {f"blue-{n}": CounterBaseline() for n in (0, 1)}))
FULL = slot(BLUE, "1", 2)


def warm(drill: dict[str, str] | None = None, traffic: Traffic = TWO_STEADY, **parts: Any) -> RolloutInput:
    rollout = parts.pop("rollout", {})
    whole = spec(rollout=rollout, **({"drill": drill} if drill is not None else {}))
    return snapshot(of=whole, **{**TWO_WARM, "traffic": traffic, **parts})


def drilling(drill: Drill = SERVES, *, errors: float = 0.0, **parts: Any) -> RolloutInput:
    back = parts.pop("back", FULL)
    readings = answers(back, 500, errors, since=9)
    slots = (back, parts.pop("front", slot(GREEN, "2")))
    return warm(JUST_NOW, replace(TWO_STEADY, drill=drill), **{"readings": readings, "slots": slots, **parts})


RESTS: dict[str, Any] = {"champion": V2}


@table(
    Case(
        "a drill that is due begins with the pods of the fallback", warm(JUST_NOW), reasons.SERVING, "a drill", **RESTS
    ),
    Case("one whose time is long over is left out", warm(TOO_LATE), reasons.SERVING, **RESTS),
    Case(
        "one that has begun since is not begun again",
        warm(JUST_NOW, replace(TWO_STEADY, drilled=replace(PASSED, entered=ago_time(300)))),
        reasons.SERVING,
        **RESTS,
    ),
    Case(
        "a person asks for one without any schedule",
        warm(annotations=commands(drill=V2)),
        reasons.SERVING,
        "a drill",
        **RESTS,
    ),
    Case(
        "the same order counts once",
        warm(
            annotations=commands(drill=V2),
            traffic=replace(TWO_STEADY, drilled=replace(PASSED, order=f"viridian.dev/drill={V2}")),
        ),
        reasons.SERVING,
        **RESTS,
    ),
    Case(
        "an order about another champion touches nobody", warm(annotations=commands(drill=V1)), reasons.SERVING, **RESTS
    ),
    Case("a pause begins none", warm(JUST_NOW, rollout={"paused": True}), reasons.SERVING, **RESTS),
    Case(
        "without a fallback an order says what is missing",
        snapshot(traffic=Traffic(BLUE, V1, ago_time(3600)), slots=(slot(BLUE, "1"),), annotations=commands(drill=V1)),
        reasons.NO_FALLBACK,
        "a former champion",
        champion=V1,
    ),
    Case(
        "a champion that lacks pods is left in peace",
        warm(JUST_NOW, slots=(slot(BLUE, "1", 1), slot(GREEN, "2", ready=1))),
        reasons.SERVING,
        **RESTS,
    ),
)
def test_when_a_drill_begins(case: Case) -> None:
    check(case)
    begun = move_of(case.shown).traffic
    assert begun is not None
    assert (begun.drill is not None) == ("a drill" in case.waiting)


BACK: dict[str, Any] = {"champion": V2, "close": ((BLUE,), Idle.KEEP)}


@table(
    Case(
        "the switch waits for the full number of pods",
        drilling(PREPARED, back=slot(BLUE, "1", 1)),
        reasons.SERVING,
        f"all pods of version 1 ({V1}) to be ready",
        **RESTS,
    ),
    Case(
        "and for their counters",
        drilling(PREPARED, readings={}),
        reasons.SERVING,
        f"all pods of version 1 ({V1})",
        **RESTS,
    ),
    Case(
        "then the fallback serves",
        drilling(PREPARED),
        reasons.DRILL_RUNNING,
        champion=V2,
        events=("DrillStarted",),
        close=((GREEN,), Idle.KEEP),
    ),
    Case(
        "for its time", drilling(), reasons.DRILL_RUNNING, "the end of the drill, at 2026-01-05T12:01:50Z", champion=V2
    ),
    Case(
        "then the champion has the users back",
        drilling(replace(SERVES, since=ago_time(120), answered_at=ago_time(119))),
        reasons.SERVING,
        events=("DrillPassed",),
        **BACK,
    ),
    Case(
        "a bound that is broken ends it at once",
        drilling(errors=250),
        reasons.SERVING,
        champion=V2,
        events=("DrillFailed",),
        close=((BLUE,), Idle.CLOSE),
    ),
    Case(
        "so does a fallback without a ready pod",
        drilling(back=slot(BLUE, "1", 2, ready=0)),
        reasons.SERVING,
        champion=V2,
        events=("DrillFailed",),
        close=((BLUE,), Idle.CLOSE),
    ),
    Case("another version ends it", drilling(wanted="3"), reasons.SERVING, events=("DrillEnded",), **BACK),
    Case("a pause ends it", drilling(rollout={"paused": True}), reasons.SERVING, events=("DrillEnded",), **BACK),
    Case(
        "the traffic goes back to a champion that serves, and to no other",
        drilling(wanted="3", front=slot(GREEN, "2", ready=0)),
        reasons.FALLBACK_UNAVAILABLE,
        f"version 2 ({V2}) to be ready to take over; then the drill of the rollback to version 1 ({V1})",
        champion=V2,
    ),
    Case(
        "a rollback keeps the users where they are",
        drilling(annotations=commands(rollback=V2)),
        reasons.ROLLED_BACK_BY_PERSON,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "a fallback that does not get ready fails it without a user having met it",
        drilling(replace(PREPARED, entered=ago_time(3600)), back=slot(BLUE, "1", 2, ready=0)),
        reasons.SERVING,
        champion=V2,
        events=("DrillFailed",),
    ),
)
def test_a_drill(case: Case) -> None:
    check(case)


COPYING = replace(SERVES, copies=100)


def copying(drill: Drill = COPYING, *, errors: float = 0.0, wanted: str = "2", **slots: Any) -> RolloutInput:
    """A drill with copies through a gateway that has taken over what is written."""
    back, front = slots.get("back", FULL), slots.get("front", slot(GREEN, "2"))
    whole = spec(drill={**JUST_NOW, "mode": "Mirrored"}, traffic=TRAFFIC)
    readings = answers(back, 500, errors, since=9)
    traffic = replace(TWO_STEADY, drill=drill)
    return routed(traffic, of=whole, slots=(back, front), readings=readings, wanted=wanted)


@table(
    Case(
        "copies begin once the fallback is at full size",
        copying(replace(PREPARED, copies=100)),
        reasons.DRILL_RUNNING,
        champion=V2,
        events=("DrillStarted",),
    ),
    Case("and go on for its time", copying(), reasons.DRILL_RUNNING, "the end of the drill", champion=V2),
    Case(
        "then they end, and nobody has to connect anew",
        copying(replace(COPYING, since=ago_time(120), answered_at=ago_time(119))),
        reasons.SERVING,
        champion=V2,
        events=("DrillPassed",),
    ),
    Case(
        "a bound that is broken ends them at once",
        copying(errors=250),
        reasons.SERVING,
        champion=V2,
        events=("DrillFailed",),
    ),
    Case(
        "so does a fallback without a ready pod, while the champion lacks its own",
        copying(back=slot(BLUE, "1", 2, ready=0), front=slot(GREEN, "2", ready=0)),
        reasons.SERVING,
        champion=V2,
        events=("DrillFailed",),
    ),
    Case("another version ends them", copying(wanted="3"), reasons.SERVING, champion=V2, events=("DrillEnded",)),
    Case(
        "a route that is there no more ends them",
        drilling(COPYING),
        reasons.SERVING,
        champion=V2,
        events=("DrillEnded",),
    ),
)
def test_a_drill_with_copies(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(("copies", "receiving"), [(0, {BLUE}), (100, {GREEN})])
def test_who_has_the_users_in_a_drill(copies: int, receiving: set[Slot]) -> None:
    traffic = replace(TWO_STEADY, drill=replace(SERVES, copies=copies))
    assert (set(traffic.receiving), traffic.copies) == (receiving, copies)
    before = replace(TWO_STEADY, drill=replace(PREPARED, copies=copies))
    assert (set(before.receiving), before.copies) == ({GREEN}, 0)


def test_what_is_kept_of_a_drill() -> None:
    lasted = replace(SERVES, entered=ago_time(130), since=ago_time(120), answered_at=ago_time(119), order="x")
    shown = drilling(lasted, errors=1)
    ended = move_of(shown).traffic
    assert ended is not None
    assert ended.drill is None
    expected = DrillResult(
        *(V1, "Passed", ago_time(130), NOW),
        ready_seconds=10.0,
        seconds=1.0,
        requests=500,
        errors=1,
        passed_at=NOW,
        order="x",
    )
    assert ended.drilled == expected
    assert parse(dump(ended)) == ended
    status = decide(replace(shown, live=snapshot(traffic=ended).live), NOW + timedelta(seconds=1)).status
    assert status is not None
    assert (status["drill"]["outcome"], status["drill"]["seconds"], status["drill"]["errors"]) == ("Passed", 1.0, 1)


@pytest.mark.parametrize("drill", [SERVES, replace(SERVES, copies=100), PREPARED])
@pytest.mark.parametrize("drilled", [None, PASSED, replace(PASSED, seconds=0.0, ready_seconds=0.0, copies=100)])
def test_the_record_of_drills_survives_its_text(drill: Drill, drilled: DrillResult | None) -> None:
    """An answer within the same instant is another thing than none."""
    traffic = replace(TWO_STEADY, drill=drill, drilled=drilled)
    assert parse(dump(traffic)) == traffic


@pytest.mark.parametrize(
    ("cron", "passed_ago", "due", "overdue", "look"),
    [
        ("50 11 * * *", None, True, -86400 - 600, 60 * 52),
        ("50 11 * * *", 3600, True, None, 60 * 52),
        ("50 11 * * *", 300, False, None, 60 * 52),
        ("30 10 * * *", None, False, -5400, 22.5 * 3600),
        ("30 10 * * *", 5000, False, None, 22.5 * 3600),
        ("0 4 * * 3", None, False, -5 * 86400 - 8 * 3600, 40 * 3600),
    ],
)
def test_when_it_is_due_and_overdue(
    cron: str, passed_ago: float | None, due: bool, overdue: float | None, look: float
) -> None:
    """A drill must have passed an hour and its length after its time."""
    at = ago_time(passed_ago) if passed_ago is not None else None
    drilled = replace(PASSED, entered=at, passed_at=at) if at is not None else None
    shown = warm({**JUST_NOW, "cron": cron}, replace(TWO_STEADY, drilled=drilled))
    assert shown.spec is not None
    state = read(shown, shown.spec, NOW)
    assert is_due(state, state.serving) is due
    assert overdue_since(state, state.serving) == (NOW + timedelta(seconds=overdue) if overdue is not None else None)
    assert next_look(state) == NOW + timedelta(seconds=look)


@pytest.mark.parametrize(
    ("drilled", "expected"),
    [
        (None, ("True", "DrillOverdue")),
        (PASSED, ("False", "DrillPassed")),
        (replace(PASSED, outcome="Failed", message="too many errors"), ("True", "DrillFailed")),
        (replace(PASSED, outcome="NoTraffic", passed_at=None), ("True", "DrillOverdue")),
        (replace(PASSED, outcome="Interrupted"), ("False", "DrillPassed")),
    ],
)
def test_whether_a_rollback_is_untested(drilled: DrillResult | None, expected: tuple[str, str]) -> None:
    shown = warm({**JUST_NOW, "cron": "0 10 * * *"}, replace(TWO_STEADY, drilled=drilled))
    plan = decide(shown, NOW)
    assert condition(plan, "RollbackUntested") == expected
    assert plan.wake is not None
    without = decide(warm(traffic=replace(TWO_STEADY, drilled=drilled)), NOW)
    assert without.status is not None
    assert "RollbackUntested" not in {one["type"] for one in without.status["conditions"]}


def test_where_no_decision_can_be_made_the_champion_gets_the_traffic_back() -> None:
    plan = give_back(drilling(), NOW, "a mistake")
    assert plan is not None
    after = parse(plan.actions[0].manifest["metadata"]["annotations"]["viridian.dev/traffic"])  # type: ignore[union-attr]
    assert after is not None
    assert (after.revision, after.drill, after.rejected) == (V2, None, ())
    assert after.drilled is not None
    assert after.drilled.outcome == "Failed"


def test_an_operator_that_starts_looks_at_drills_first() -> None:
    assert urgency_in({"drill": {"outcome": "Running"}}).name == "AT_STAKE"
    assert urgency_in({"drill": {"outcome": "Passed"}}).name != "AT_STAKE"
