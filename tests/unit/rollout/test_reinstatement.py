"""Former champions that get the traffic again: by the spec within the rollback window, or by a rollback to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.snapshots import (
    NOW,
    SILENT,
    ago_time,
    commands,
    promoted,
    record,
    rejected,
    revision,
    slot,
    snapshot,
    spec,
)
from tests.unit.rollout.cases import BLUE, GREEN, V1, V2, V3, Case, check, move_of, paused, table
from tests.unit.rollout.plans import applied, condition, order
from viridian.api import reasons
from viridian.api.promotion import RollbackWindow
from viridian.api.samples import Idle
from viridian.core.times import format_time_micros
from viridian.rollout.championships import past_championships, within
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.records import RevisionOutcome, newest_promoted
from viridian.rollout.restored import restored
from viridian.rollout.slots import DesiredSlot, desired_slots
from viridian.rollout.state import read
from viridian.rollout.traffic.record import ChampionCause, Reverted, Traffic

V4 = revision("4")
HOUR = 3600.0


def became_champion(seconds_ago: float, other: str | None = V1) -> RevisionOutcome:
    return replace(promoted(seconds_ago), other=other)


# Version 4 has been champion for an hour, in green; before it each of the others for an hour.
RECORDS = (
    record("1", became_champion(4 * HOUR, None)),
    record("2", became_champion(3 * HOUR)),
    record("3", became_champion(2 * HOUR, V2)),
    record("4", became_champion(HOUR, V3)),
)
FOUR = Traffic(GREEN, V4, ago_time(HOUR), former=V3)
IN_A_DAY = {"rollbackWindow": {"duration": "1d"}}


def four(wanted: Any = "4", *, of: Any = None, back: Any = None, **more: Any) -> RolloutInput:
    """Version 4 serves in green, and blue holds version 3, warm and at full size unless `back` says otherwise."""
    parts = {"known": RECORDS, "traffic": FOUR, "slots": (back or slot(BLUE, "3"), slot(GREEN, "4")), **more}
    return snapshot(of=of, wanted=wanted, **parts)


def reverting(window: dict[str, Any] | None = None, **more: Any) -> RolloutInput:
    """The same, with the spec naming version 3 again."""
    rollout = {"rollbackWindow": window or {"duration": "1d"}}
    return four(**{"wanted": "3", "of": spec(rollout=rollout), **more})


REINSTATES: dict[str, Any] = {"champion": V3, "events": ("Reinstated",), "close": ((GREEN,), Idle.KEEP)}
TRIES: dict[str, Any] = {"candidate": V3, "champion": V4, "trial": (0, 0), "events": ("StepAdvanced",)}


@table(
    Case("a Git revert to a warm version is one write", reverting(), reasons.SERVING, **REINSTATES),
    Case(
        "so it is in the probation of the champion",
        reverting(traffic=replace(FOUR, since=ago_time(5))),
        reasons.SERVING,
        **REINSTATES,
    ),
    Case("the window may be a number of champions", reverting({"revisions": 1}), reasons.SERVING, **REINSTATES),
    Case("without a window it goes through the steps", four("3"), reasons.ROLLING_OUT, **TRIES),
    Case(
        "so it does where it was champion before the window",
        reverting({"duration": "30m"}),
        reasons.ROLLING_OUT,
        **TRIES,
    ),
    Case(
        "a warm version with fewer pods than users need gets the rest first",
        reverting(back=slot(BLUE, "3", 1)),
        reasons.DEPLOYING,
        candidate=V3,
        champion=V4,
    ),
    Case(
        "so does one of which no pod is ready",
        reverting(back=slot(BLUE, "3", ready=0)),
        reasons.DEPLOYING,
        candidate=V3,
        champion=V4,
    ),
    Case(
        "three back it is deployed first, without traffic",
        reverting(wanted="1"),
        reasons.DEPLOYING,
        candidate=V1,
        champion=V4,
        events=("RolloutStarted",),
    ),
    Case(
        "and then gets all of it in one write",
        reverting(wanted="1", back=slot(BLUE, "1")),
        reasons.SERVING,
        champion=V1,
        events=("Reinstated",),
        close=((GREEN,), Idle.KEEP),
    ),
    Case(
        "in a window of two it is too far back",
        reverting({"revisions": 2}, wanted="1", back=slot(BLUE, "1")),
        reasons.ROLLING_OUT,
        candidate=V1,
        champion=V4,
        trial=(0, 0),
        events=("StepAdvanced",),
    ),
    Case(
        "one that did not pass its probation goes through the steps",
        reverting(known=(*RECORDS[:2], record("3", became_champion(HOUR + 20, V2)), RECORDS[3])),
        reasons.ROLLING_OUT,
        **TRIES,
    ),
    Case(
        "one that was rolled back is rejected, whatever the window",
        reverting(known=(*RECORDS[:2], record("3", became_champion(2 * HOUR), rejected(1.5 * HOUR)), RECORDS[3])),
        reasons.REVISION_REJECTED,
        champion=V4,
    ),
    Case(
        "a candidate that never was champion goes through the steps",
        reverting(wanted="5", back=slot(BLUE, "5"), known=(*RECORDS, record("5"))),
        reasons.ROLLING_OUT,
        candidate=revision("5"),
        champion=V4,
        trial=(0, 0),
        events=("StepAdvanced",),
    ),
    Case(
        "a hold does not stop it: it is a way back",
        reverting(of=spec(rollout=IN_A_DAY, hold={"reason": "audit"})),
        reasons.SERVING,
        **REINSTATES,
    ),
    Case(
        "nor does a promotion window that is closed",
        reverting(of=spec(rollout={**IN_A_DAY, "window": {"cron": "0 9 * * *", "duration": "1h"}})),
        reasons.SERVING,
        **REINSTATES,
    ),
    Case(
        "a pause does",
        reverting(of=paused(**IN_A_DAY)),
        reasons.PAUSED,
        candidate=V3,
        champion=V4,
    ),
)
def test_a_git_revert(case: Case) -> None:
    check(case)


def test_a_version_that_needs_no_steps_is_deployed_at_full_size() -> None:
    shown = reverting(wanted="1", of=spec(server={"replicas": 3}, rollout=IN_A_DAY))
    assert shown.spec is not None
    slots = desired_slots(read(shown, shown.spec, NOW), move_of(shown))
    assert slots[BLUE] == DesiredSlot(V1, 3)


def test_the_switch_comes_before_everything_else() -> None:
    assert order(decide(reverting(), NOW))[0] == "apply Service churn"


def test_after_a_revert_by_the_spec() -> None:
    """It is noted, nobody is judged, the version that was left stays warm, and to go forward again is one write."""
    reinstated = move_of(reverting()).traffic
    assert reinstated == Traffic(BLUE, V3, NOW, former=V4, cause=ChampionCause.REINSTATED)
    plan = decide(reverting(traffic=reinstated), NOW + timedelta(seconds=1))
    assert plan.status is not None
    newest, rollback = plan.status["history"][0], plan.status["lastRollback"]
    assert (newest["outcome"], newest["revision"], newest["by"]) == ("Reinstated", V3, "spec.model")
    assert (rollback["from"], rollback["to"], rollback["reason"]) == (V4, V3, "RevertedBySpec")
    assert "seconds" not in rollback
    assert condition(plan, "RollbackReady") == ("True", "FallbackReady")
    assert plan.wake == NOW + timedelta(seconds=30), "the fallback is reduced after the time of a probation"
    forward = move_of(reverting(traffic=reinstated, wanted="4"))
    assert forward.traffic is not None
    assert (forward.traffic.revision, forward.traffic.former) == (V4, V3)


ONE_NAMED = commands(rollback=f"{V4}/{V1}#ada")


@table(
    Case(
        "a rollback three back deploys that version in the place of the fallback",
        four(annotations=ONE_NAMED),
        reasons.FALLBACK_UNAVAILABLE,
        f"version 1 ({V1}) to be ready for the rollback",
        champion=V4,
    ),
    Case(
        "and then switches",
        four(annotations=ONE_NAMED, back=slot(BLUE, "1")),
        reasons.ROLLED_BACK_BY_PERSON,
        champion=V1,
        reverted=V4,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "without the registry as well",
        four(SILENT, annotations=ONE_NAMED, back=slot(BLUE, "1")),
        reasons.ROLLED_BACK_BY_PERSON,
        champion=V1,
        reverted=V4,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "one that was rolled back before may be named: a person knows why",
        four(
            annotations=ONE_NAMED,
            back=slot(BLUE, "1"),
            known=(record("1", became_champion(4 * HOUR, None), rejected(3 * HOUR)), *RECORDS[1:]),
        ),
        reasons.ROLLED_BACK_BY_PERSON,
        champion=V1,
        reverted=V4,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "a revision that was never champion is no way back, and the message says which are",
        four(annotations=commands(rollback=f"{V4}/5d6e7f80")),
        reasons.NO_FALLBACK,
        f"names 5d6e7f80, which is no former champion; it may name {', '.join(sorted((V1, V2, V3)))}",
        champion=V4,
    ),
    Case(
        "the champion itself is none either",
        four(annotations=commands(rollback=f"{V4}/{V4}")),
        reasons.NO_FALLBACK,
        champion=V4,
    ),
    Case(
        "once it is carried out, the same command touches nobody",
        four(
            annotations=ONE_NAMED,
            traffic=Traffic(BLUE, V1, ago_time(60), cause=ChampionCause.REINSTATED),
            back=slot(BLUE, "1"),
            known=(
                *RECORDS[:3],
                record(
                    "4",
                    became_champion(HOUR),
                    replace(rejected(60, by=f"viridian.dev/rollback={V4}/{V1}#ada"), outcome=reasons.ROLLED_BACK),
                ),
            ),
        ),
        reasons.REVISION_REJECTED,
        champion=V1,
    ),
)
def test_a_rollback_by_name(case: Case) -> None:
    check(case)


def test_a_version_that_is_named_gets_its_pods_and_everyone_can_see_it() -> None:
    plan = decide(four(annotations=ONE_NAMED, of=spec(server={"replicas": 3})), NOW)
    blue = applied(plan, "Deployment", "churn-blue")
    assert (blue["metadata"]["labels"]["viridian.dev/revision"], blue["spec"]["replicas"]) == (V1, 3)
    assert plan.status is not None
    assert plan.status["fallback"]["revision"] == V1


def rolled_back_to_one() -> Traffic:
    lost = Reverted(
        V4,
        reasons.ROLLED_BACK,
        reasons.ROLLED_BACK_BY_PERSON,
        "rolled back by annotation",
        NOW,
        by="viridian.dev/rollback=x",
    )
    return Traffic(BLUE, V1, NOW, cause=ChampionCause.REINSTATED, reverted=lost)


def test_records_alone_know_who_serves_after_a_rollback_three_back() -> None:
    """The newest promotion is another version's: the record of the one that serves again says so."""
    world = four(traffic=rolled_back_to_one(), back=slot(BLUE, "1"))
    plan = decide(world, NOW + timedelta(seconds=1))
    assert plan.status is not None
    assert {(entry["outcome"], entry["version"]) for entry in plan.status["history"][:2]} == {
        ("Reinstated", "1"),
        ("RolledBack", "4"),
    }
    assert plan.status["lastRollback"]["reason"] == reasons.ROLLED_BACK_BY_PERSON
    back = RevisionOutcome(reasons.REINSTATED, format_time_micros(NOW), reasons.ROLLED_BACK_BY_PERSON, other=V4)
    known = {one.revision: one for one in (record("1", became_champion(4 * HOUR, None), back), *RECORDS[1:3])}
    newest = newest_promoted(known.values())
    assert newest is not None
    assert newest.revision == V1
    lost = replace(world, live=None, records=known, slots={BLUE: slot(BLUE, "3"), GREEN: slot(GREEN, "1")})
    assert restored(lost, NOW) == Traffic(GREEN, V1, NOW, former=V3, cause=ChampionCause.REINSTATED)
    assert restored(replace(lost, slots={}), NOW) == Traffic(BLUE, V1, NOW, cause=ChampionCause.REINSTATED)


def test_who_was_champion_when() -> None:
    """Promotions, rollbacks and reinstatements follow each other; what lasts is no past championship."""
    rolled_back = replace(rejected(HOUR), outcome=reasons.ROLLED_BACK, other=V1)
    known = (record("1", became_champion(3 * HOUR, None)), record("2", became_champion(2 * HOUR), rolled_back))
    past = past_championships(known, Traffic(BLUE, V3, NOW))
    assert [(one.revision, hours_ago(one.since), hours_ago(one.until), one.first) for one in past] == [
        (V1, 1, 0, False),
        (V2, 2, 1, False),
        (V1, 3, 2, True),
    ]
    assert past_championships(known, Traffic(BLUE, V1, ago_time(HOUR)))[0].revision == V2


def hours_ago(at: datetime) -> float:
    return (NOW - at).total_seconds() / HOUR


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"revisions": 1}, {V3}),
        ({"revisions": 2}, {V3, V2}),
        ({"revisions": 10}, {V3, V2, V1}),
        ({"duration": "59m"}, set()),
        ({"duration": "60m"}, {V3}),
        ({"duration": "2h"}, {V3, V2}),
    ],
)
def test_who_is_in_the_window(window: dict[str, Any], expected: set[str]) -> None:
    past = past_championships(RECORDS, FOUR)
    found = {
        one
        for one in (V1, V2, V3, V4)
        if within(RollbackWindow(**window), one, past, probation=timedelta(minutes=5), now=NOW)
    }
    assert found == expected


LET_THROUGH = commands(skip=f"{revision('5')}/probation#ada")


@table(
    Case(
        "a newer version is let through before the end of a probation by name",
        four("5", traffic=replace(FOUR, since=ago_time(5)), annotations=LET_THROUGH),
        reasons.DEPLOYING,
        candidate=revision("5"),
        champion=V4,
        events=("RolloutStarted",),
    ),
    Case(
        "another one waits",
        four("6", traffic=replace(FOUR, since=ago_time(5)), annotations=LET_THROUGH),
        reasons.PROBATION,
        champion=V4,
    ),
)
def test_probation(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("version", ["5", "6"])
def test_who_waits_for_the_end_of_a_probation_is_shown(version: str) -> None:
    shown = four(version, traffic=replace(FOUR, since=ago_time(5)), annotations=LET_THROUGH)
    status = decide(shown, NOW).status or {}
    assert (status.get("next", {}).get("revision"), status.get("challenger", {}).get("revision")) == (
        (None, revision("5")) if version == "5" else (revision("6"), None)
    )
    if version == "6":
        assert (status["next"]["version"], status["next"]["waitingReason"]) == ("6", "ProbationEnd")
        assert status["next"]["waitingFor"].startswith("the end of the probation of version 4")


def test_who_let_a_version_through_is_kept() -> None:
    world = four(
        "5",
        traffic=replace(FOUR, since=ago_time(5)),
        annotations=LET_THROUGH,
        back=slot(BLUE, "5", 1),
        known=(*RECORDS, record("5")),
        of=spec(rollout={"steps": [{"name": "probation", "weight": 25, "duration": "1h"}]}),
    )
    begun = move_of(world).traffic
    assert begun is not None
    assert begun.trial is not None
    assert (begun.trial.step, begun.trial.approved_at) == (0, NOW)
    then = move_of(replace(world, live=snapshot(traffic=begun).live))
    assert then.traffic is not None
    assert then.traffic.trial is not None
    assert then.traffic.trial.step == 0
