"""When a challenger that has passed its steps may become the champion: holds, windows, people who promote by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.snapshots import NOW, ago_time, commands, record, slot, snapshot, spec
from tests.unit.rollout.cases import (
    BLUE,
    BOTH_STEPS,
    FIRST_STEP,
    GREEN,
    KNOWN,
    V1,
    V2,
    Case,
    check,
    met,
    move_of,
    table,
    trial_world,
)
from viridian.api import reasons
from viridian.api.samples import Idle
from viridian.core.times import parse_time
from viridian.rollout.decide import decide
from viridian.rollout.decision import WaitKind
from viridian.rollout.input import RolloutInput
from viridian.rollout.slots import desired_slots
from viridian.rollout.state import read
from viridian.rollout.traffic.record import Trial

PASSED = Trial(V2, BOTH_STEPS, weight=50, entered=ago_time(5), exposure=met(11))
HELD = {"reason": "audit ML-42", "by": "ada", "until": "2026-01-06T00:00:00Z"}
# Now is Monday, 12:00 UTC.
OPEN = {"cron": "0 9 * * 1-5", "duration": "6h"}
CLOSED = {"cron": "0 9 * * 1-5", "duration": "2h"}
PROMOTES: dict[str, Any] = {"champion": V2, "events": ("Promoted",), "close": ((BLUE,), Idle.KEEP)}
STAYS: dict[str, Any] = {"candidate": V2, "champion": V1, "trial": (2, 50)}


def passed(*, annotations: dict[str, str] | None = None, trial: Trial = PASSED, **parts: Any) -> RolloutInput:
    """Version 2 has passed both steps, and all pods that a promotion needs are there."""
    return trial_world(trial, blue=2, green=2, whole=spec(**parts), annotations=annotations)


def with_window(window: dict[str, str], **rollout: Any) -> dict[str, Any]:
    return {"rollout": {"window": window, **rollout}}


@table(
    Case(
        "a hold lets nobody be promoted",
        passed(hold=HELD),
        reasons.PROMOTION_HELD,
        "the hold on promotions to end, at 2026-01-06T00:00:00Z (audit ML-42, by ada)",
        **STAYS,
    ),
    Case(
        "a hold without an end says how to end it",
        passed(hold={"reason": "audit"}),
        reasons.PROMOTION_HELD,
        "(audit; remove spec.hold to end it)",
        **STAYS,
    ),
    Case(
        "a hold ends by itself",
        passed(hold={**HELD, "until": "2026-01-05T12:00:00Z"}),
        reasons.SERVING,
        **PROMOTES,
    ),
    Case(
        "an end that is no time ends nothing",
        passed(hold={**HELD, "until": "9999-01-01T00:00:00Z"}),
        reasons.PROMOTION_HELD,
        **STAYS,
    ),
    Case(
        "a breach takes the traffic back during a hold",
        trial_world(PASSED, blue=2, green=2, whole=spec(hold=HELD), errors=150),
        reasons.METRIC_BREACH,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case("in its window it is promoted", passed(**with_window(OPEN)), reasons.SERVING, **PROMOTES),
    Case(
        "outside of its window it stays promotable",
        passed(**with_window(CLOSED)),
        reasons.AWAITING_WINDOW,
        "the promotion window to open, at 2026-01-06T09:00:00Z",
        **STAYS,
    ),
    Case(
        "a window is on the clock of its time zone",
        passed(**with_window({**CLOSED, "timeZone": "Europe/Paris", "cron": "0 12 * * *"})),
        reasons.SERVING,
        **PROMOTES,
    ),
    Case(
        "a window that names no times never opens, and says so",
        passed(**with_window({**CLOSED, "timeZone": "Europe/Atlantis"})),
        reasons.AWAITING_WINDOW,
        'spec.rollout.window: "Europe/Atlantis" is not a time zone',
        stalled=reasons.INVALID_SPEC,
        **STAYS,
    ),
    Case(
        "a person who promotes by name waits for no window",
        passed(**with_window(CLOSED), annotations=commands(promote=f"{V2}#ada")),
        reasons.SERVING,
        **PROMOTES,
    ),
    Case(
        "but for the end of a hold",
        passed(hold=HELD, annotations=commands(promote=f"{V2}#ada")),
        reasons.PROMOTION_HELD,
        **STAYS,
    ),
    Case(
        "a step of all the traffic is a promotion to users: it waits as well",
        trial_world(
            Trial(V2, ("50%",), weight=50, entered=ago_time(5), exposure=met(11)),
            blue=2,
            green=2,
            whole=spec(hold=HELD, rollout={"steps": [{"weight": 50}, {"weight": 100, "duration": "1h"}]}),
        ),
        reasons.PROMOTION_HELD,
        candidate=V2,
        champion=V1,
        trial=(1, 50),
    ),
    Case(
        "other steps go on during a hold",
        trial_world(replace(FIRST_STEP, since=ago_time(60), entered=ago_time(61)), whole=spec(hold=HELD)),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(1, 25),
        events=("StepAdvanced",),
    ),
    Case(
        "during a hold not even a first version gets users",
        snapshot(of=spec(hold=HELD), slots=(slot(BLUE, "1"),), known=[record("1")]),
        reasons.PROMOTION_HELD,
        candidate=V1,
    ),
    Case(
        "a window is no matter of the first version: nobody is served yet",
        snapshot(of=spec(**with_window(CLOSED)), slots=(slot(BLUE, "1"),), known=[record("1")]),
        reasons.SERVING,
        champion=V1,
        events=("Promoted",),
    ),
)
def test_when_it_is_promoted(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    ("parts", "until"), [({"hold": HELD}, "2026-01-06T00:00:00Z"), (with_window(CLOSED), "2026-01-06T09:00:00Z")]
)
def test_while_it_waits_it_keeps_the_pods_of_its_weight_and_is_looked_at_again_in_time(
    parts: dict[str, Any], until: str
) -> None:
    quiet: dict[str, Any] = {"analysis": {"metrics": []}}
    parts = {**parts, "rollout": {**parts.get("rollout", {}), **quiet}}
    shown = trial_world(PASSED, blue=2, green=2, whole=spec(**parts), readings={})
    assert shown.spec is not None
    slots = desired_slots(read(shown, shown.spec, NOW), move_of(shown))
    assert {at: kept.replicas for at, kept in slots.items() if kept is not None} == {BLUE: 2, GREEN: 2}
    assert decide(shown, NOW).wake == parse_time(until)


def test_the_deadline_of_its_pods_begins_once_the_window_opens() -> None:
    """A challenger that has waited for days is not late when its last pods are asked for."""
    closed = spec(**with_window(CLOSED))
    stopped = move_of(trial_world(PASSED, blue=2, green=1, whole=closed)).traffic
    assert stopped is not None
    assert stopped.trial is not None
    assert stopped.trial.entered is None
    opened = move_of(trial_world(stopped.trial, blue=2, green=1, whole=spec(**with_window(OPEN))))
    assert opened.traffic is not None
    assert opened.traffic.trial is not None
    assert (opened.traffic.trial.entered, opened.traffic.reverted) == (NOW, None)


def test_one_that_has_passed_is_shown_as_promotable() -> None:
    plan = decide(passed(**with_window(CLOSED)), NOW)
    assert plan.status is not None
    challenger, conditions = plan.status["challenger"], {c["type"]: c for c in plan.status["conditions"]}
    assert (challenger["promotable"], challenger["waitingReason"]) == (True, str(WaitKind.PROMOTION_WINDOW))
    assert conditions["Ready"]["reason"] == reasons.AWAITING_WINDOW
    assert [event.reason for event in plan.news] == [reasons.EVENT_PROMOTABLE]
    earlier = decide(trial_world(FIRST_STEP, whole=spec(**with_window(CLOSED))), NOW).status
    assert earlier is not None
    assert "promotable" not in earlier["challenger"]


BLIND: dict[str, Any] = {"readings": {}}
AT_FIRST = replace(FIRST_STEP, since=ago_time(2))


@table(
    Case(
        "a step is skipped by its name, whatever it waits for",
        trial_world(AT_FIRST, annotations=commands(skip=f"{V2}/25%#ada"), **BLIND),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(1, 25),
        events=("StepAdvanced",),
    ),
    Case(
        "a step that is still to come is not skipped yet",
        trial_world(AT_FIRST, annotations=commands(skip=f"{V2}/50%#ada")),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "nor one of another revision",
        trial_world(AT_FIRST, annotations=commands(skip=f"{V1}/25%#ada")),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "a skip counts once",
        trial_world(
            replace(AT_FIRST, approved=f"viridian.dev/skip={V2}/25%#ada", approved_at=ago_time(3)),
            annotations=commands(skip=f"{V2}/25%#ada"),
        ),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "promoted by name it passes all steps",
        trial_world(AT_FIRST, annotations=commands(promote=f"{V2}#ada"), **BLIND),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(2, 25),
        events=("StepAdvanced",),
    ),
    Case(
        "and then the judge's blindness holds it up no more",
        trial_world(
            replace(PASSED, approved=f"viridian.dev/promote={V2}#ada", approved_at=ago_time(3)),
            blue=2,
            green=2,
            **BLIND,
        ),
        reasons.SERVING,
        **PROMOTES,
    ),
    Case(
        "a breach is a way back all the same",
        trial_world(AT_FIRST, annotations=commands(promote=f"{V2}#ada"), errors=150),
        reasons.METRIC_BREACH,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "where a breach only holds, a person may let it go on",
        trial_world(
            AT_FIRST,
            whole=spec(rollout={"analysis": {"onBreach": "Hold"}}),
            annotations=commands(promote=f"{V2}#ada"),
            errors=150,
        ),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(2, 25),
        events=("StepAdvanced",),
    ),
    Case(
        "a pause is a person's word, too",
        trial_world(AT_FIRST, whole=spec(rollout={"paused": True}), annotations=commands(promote=f"{V2}#ada")),
        reasons.PAUSED,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
)
def test_steps_that_people_pass(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(("command", "value"), [("skip", f"{V2}/25%#ada"), ("promote", f"{V2}#ada")])
def test_who_passed_a_step_is_kept(command: str, value: str) -> None:
    moved = move_of(trial_world(AT_FIRST, annotations=commands(**{command: value}))).traffic
    assert moved is not None
    assert moved.trial is not None
    assert (moved.trial.approved, moved.trial.approved_at) == (f"viridian.dev/{command}={value}", NOW)
    plan = decide(replace(trial_world(moved.trial), annotations=commands(**{command: value})), NOW)
    assert plan.status is not None
    newest = plan.status["history"][0]
    assert (newest["outcome"], newest["by"]) == ("Skipped", f"viridian.dev/{command}={value}")


def test_steps_that_are_edited_after_a_promotion_by_name_are_passed_as_well() -> None:
    order = f"viridian.dev/promote={V2}#ada"
    edited = spec(rollout={"steps": [{"weight": 25}, {"name": "late", "approval": {}}]})
    trial = replace(PASSED, approved=order, approved_at=ago_time(3))
    back = move_of(trial_world(trial, whole=edited, known=(KNOWN[0], record("2")))).traffic
    assert back is not None
    assert back.trial is not None
    assert back.trial.step == 1
    again = move_of(trial_world(back.trial, whole=edited)).traffic
    assert again is not None
    assert again.trial is not None
    assert (again.trial.step, again.trial.approved_at) == (2, ago_time(3))
