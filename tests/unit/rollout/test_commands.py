"""What people say by annotations counts once, and for the revision that it names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.snapshots import (
    SILENT,
    ago_time,
    answers,
    commands,
    outcome,
    promoted,
    record,
    rejected,
    slot,
    snapshot,
    spec,
)
from tests.unit.rollout.cases import (
    BLUE,
    FIRST_STEP,
    GREEN,
    HEALTHY_BEFORE,
    KNOWN,
    ONE_STEADY,
    TWO_KNOWN,
    TWO_STEADY,
    TWO_WARM,
    V1,
    V2,
    V3,
    Case,
    check,
    table,
    trial_world,
)
from viridian.api import reasons
from viridian.api.samples import Idle
from viridian.rollout import records
from viridian.rollout.traffic.record import ChampionCause, Reverted, Traffic

TURNED_AWAY: dict[str, Any] = {
    "wanted": "2",
    "known": (record("1", promoted()), record("2", rejected())),
    "traffic": ONE_STEADY,
    "slots": (slot(BLUE, "1"),),
}
COMMANDS = [
    Case(
        "a rejected candidate of an alias is not tried again, and stalls nothing",
        snapshot(**TURNED_AWAY),
        reasons.REVISION_REJECTED,
        "too many errors",
        champion=V1,
    ),
    Case(
        "a rejected version that Git pins stalls",
        snapshot(of=spec(model={"registry": {"name": "churn", "version": "2"}}), **TURNED_AWAY),
        reasons.REVISION_REJECTED,
        champion=V1,
        stalled=reasons.REVISION_REJECTED,
    ),
    Case(
        "a rejection that only the live Service knows counts as well",
        snapshot(
            **{
                **TURNED_AWAY,
                "known": KNOWN,
                "traffic": replace(
                    ONE_STEADY, reverted=Reverted(V2, reasons.REJECTED, reasons.METRIC_BREACH, "bad", ago_time(60))
                ),
            }
        ),
        reasons.REVISION_REJECTED,
        champion=V1,
    ),
    Case(
        "named in a retry, it gets another chance",
        snapshot(**TURNED_AWAY, annotations=commands(retry=V2)),
        reasons.ROLLING_OUT,
        "retry",
        champion=V1,
    ),
    Case(
        "the chance that was given is used up by the next rejection",
        snapshot(
            **{
                **TURNED_AWAY,
                "known": (
                    record("1", promoted()),
                    record(
                        "2", rejected(900), outcome(records.RETRIED, 800, by=f"viridian.dev/retry={V2}"), rejected(600)
                    ),
                ),
            },
            annotations=commands(retry=V2),
        ),
        reasons.REVISION_REJECTED,
        champion=V1,
    ),
    Case(
        "said again it is another chance",
        snapshot(
            **{
                **TURNED_AWAY,
                "known": (
                    record("1", promoted()),
                    record(
                        "2", rejected(900), outcome(records.RETRIED, 800, by=f"viridian.dev/retry={V2}"), rejected(600)
                    ),
                ),
            },
            annotations=commands(retry=f"{V2}#again"),
        ),
        reasons.ROLLING_OUT,
        champion=V1,
    ),
    Case(
        "a person rejects what is on trial",
        trial_world(FIRST_STEP, annotations=commands(reject=V2)),
        reasons.REJECTED_BY_PERSON,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "a person rejects what is only being deployed",
        snapshot(
            **HEALTHY_BEFORE,
            traffic=ONE_STEADY,
            slots=[slot(BLUE, "1"), slot(GREEN, "2", ready=0)],
            annotations=commands(reject=V2),
        ),
        reasons.REJECTED_BY_PERSON,
        champion=V1,
        reverted=V2,
        events=("Rejected",),
    ),
    Case(
        "a rejection counts once: after a retry the old command is history",
        trial_world(
            replace(FIRST_STEP, since=ago_time(4)),
            annotations=commands(reject=V2),
            known=[
                record("1", promoted()),
                record(
                    "2",
                    rejected(900, by=f"viridian.dev/reject={V2}"),
                    outcome(records.RETRIED, 800, by=f"viridian.dev/retry={V2}"),
                ),
            ],
        ),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "a rejection of another revision touches nobody",
        trial_world(replace(FIRST_STEP, since=ago_time(4)), annotations=commands(reject=V3)),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "a person rolls back to the warm fallback",
        snapshot(**TWO_WARM, annotations=commands(rollback=V2)),
        reasons.ROLLED_BACK_BY_PERSON,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "the same command does not roll back the one that serves afterwards",
        snapshot(
            **{
                **TWO_WARM,
                "traffic": Traffic(BLUE, V1, ago_time(60), cause=ChampionCause.ROLLED_BACK),
                "known": (
                    record("1", promoted(7200)),
                    record("2", promoted(), outcome(reasons.ROLLED_BACK, 60, by=f"viridian.dev/rollback={V2}")),
                ),
            },
            annotations=commands(rollback=V2),
        ),
        reasons.REVISION_REJECTED,
        champion=V1,
    ),
    Case(
        "a rollback waits for a fallback that is not ready",
        snapshot(
            **{**TWO_WARM, "slots": (slot(BLUE, "1", 1, ready=0), slot(GREEN, "2"))}, annotations=commands(rollback=V2)
        ),
        reasons.FALLBACK_UNAVAILABLE,
        champion=V2,
    ),
    Case(
        "a rollback needs no registry",
        snapshot(**{**TWO_WARM, "wanted": SILENT}, annotations=commands(rollback=V2)),
        reasons.ROLLED_BACK_BY_PERSON,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "a rollback with a challenger on trial sends that home first",
        snapshot(
            wanted="3",
            traffic=replace(TWO_STEADY, trial=replace(FIRST_STEP, revision=V3)),
            slots=(slot(BLUE, "3", 1), slot(GREEN, "2", 3)),
            known=(*TWO_KNOWN, record("3")),
            readings=answers(slot(BLUE, "3", 1), 500),
            annotations=commands(rollback=V2),
        ),
        reasons.ROLLED_BACK_BY_PERSON,
        "is removed",
        champion=V2,
        reverted=V3,
        events=("RolledBack",),
        close=((BLUE,), Idle.CLOSE),
    ),
    Case(
        "with nothing to go back to, the command is named and stops nothing",
        snapshot(slots=[slot(BLUE, "1")], known=KNOWN[:1], traffic=ONE_STEADY, annotations=commands(rollback=V1)),
        reasons.NO_FALLBACK,
        "a former champion",
        champion=V1,
    ),
    Case(
        "not even the next version",
        snapshot(
            **HEALTHY_BEFORE,
            traffic=ONE_STEADY,
            slots=[slot(BLUE, "1"), slot(GREEN, "2", 1)],
            annotations=commands(rollback=V1),
        ),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 0),
        events=("StepAdvanced",),
    ),
]


@table(*COMMANDS)
def test_commands(case: Case) -> None:
    check(case)
