"""From the last step to the end of probation."""

from __future__ import annotations

from dataclasses import replace

from tests.support.snapshots import (
    ago_time,
    commands,
    promoted,
    record,
    rejected,
    slot,
    spec,
)
from tests.unit.rollout.cases import (
    BLUE,
    BOTH_STEPS,
    GREEN,
    TWO_PROBATION,
    TWO_STEADY,
    V1,
    V2,
    V3,
    Case,
    check,
    met,
    paused,
    probation_world,
    table,
    trial_world,
    with_metrics,
)
from viridian.api import reasons
from viridian.api.samples import Idle
from viridian.rollout.traffic.record import ChampionCause, Trial

PROMOTE = Trial(V2, BOTH_STEPS, weight=50, entered=ago_time(5), exposure=met(11))
PROMOTION = [
    Case(
        "after the last step both slots get full size first",
        trial_world(PROMOTE, blue=2, green=1),
        reasons.ROLLING_OUT,
        "1 of 2 pods of green",
        candidate=V2,
        champion=V1,
        trial=(2, 50),
    ),
    Case(
        "then one move makes it the champion, and the former one stays warm",
        trial_world(PROMOTE, blue=2, green=2),
        reasons.SERVING,
        champion=V2,
        events=("Promoted",),
        close=((BLUE,), Idle.KEEP),
    ),
    Case(
        "without steps it is promoted as soon as it is ready",
        trial_world(Trial(V2, entered=ago_time(1)), whole=spec(rollout={"steps": []}), blue=2, green=2, readings={}),
        reasons.SERVING,
        champion=V2,
        events=("Promoted",),
        close=((BLUE,), Idle.KEEP),
    ),
    Case(
        "nobody is promoted blindly",
        trial_world(PROMOTE, blue=2, green=2, readings={}),
        reasons.NO_DATA,
        "0 of the 5 samples",
        candidate=V2,
        champion=V1,
        trial=(2, 50),
    ),
    Case(
        "promotion waits for a champion that is short of pods: it will be the fallback",
        trial_world(PROMOTE, champion=slot(BLUE, "1", 2, ready=1, unavailable_for=600), green=2),
        reasons.ROLLING_OUT,
        "1 of 2 pods of blue",
        candidate=V2,
        champion=V1,
        trial=(2, 50),
    ),
    Case(
        "a champion that cannot serve at all holds up nobody for longer than a minute",
        trial_world(PROMOTE, champion=slot(BLUE, "1", 2, ready=0, unavailable_for=61), green=2),
        reasons.SERVING,
        champion=V2,
        events=("Promoted",),
        close=((BLUE,), Idle.KEEP),
    ),
    Case(
        "paused, it is not promoted",
        trial_world(PROMOTE, blue=2, green=2, whole=paused()),
        reasons.PAUSED,
        candidate=V2,
        champion=V1,
        trial=(2, 50),
    ),
    Case("a new champion is on probation", probation_world(), reasons.PROBATION, champion=V2),
    Case(
        "a newer version waits until it is over: the fallback keeps its slot",
        probation_world(wanted="3"),
        reasons.PROBATION,
        f"the end of the probation of version 2 ({V2}), at 2026-01-05T12:00:20Z, before version 3",
        champion=V2,
    ),
    Case(
        "and the champion is judged all the same",
        probation_world(wanted="3", errors=150),
        reasons.METRIC_BREACH,
        "error-rate 30 %",
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "while it waits a person may reject it",
        probation_world(wanted="3", annotations=commands(reject=V3)),
        reasons.REJECTED_BY_PERSON,
        champion=V2,
        reverted=V3,
        events=("Rejected",),
    ),
    Case(
        "or roll back",
        probation_world(wanted="3", annotations=commands(rollback=V2)),
        reasons.ROLLED_BACK_BY_PERSON,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "or give one that was turned away another chance",
        probation_world(
            wanted="3",
            known=(record("1", promoted()), record("2", promoted(10)), record("3", rejected())),
            annotations=commands(retry=V3),
        ),
        reasons.ROLLING_OUT,
        "the retry to be recorded",
        champion=V2,
    ),
    Case(
        "the fallback may come back at once: it is there",
        probation_world(wanted="1"),
        reasons.ROLLING_OUT,
        candidate=V1,
        champion=V2,
        trial=(0, 0),
        events=("StepAdvanced",),
    ),
    Case(
        "after probation the newer version is deployed",
        probation_world(wanted="3", traffic=TWO_STEADY),
        reasons.DEPLOYING,
        candidate=V3,
        champion=V2,
        events=("RolloutStarted",),
    ),
    Case(
        "a breach in probation gives the traffic back to the warm fallback",
        probation_world(errors=150),
        reasons.METRIC_BREACH,
        "error-rate 30 %",
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "so do pods that crash again and again, metrics or not",
        probation_world(
            slots=(slot(BLUE, "1"), slot(GREEN, "2", restarts=3)), readings={}, of=with_metrics(metrics=[])
        ),
        reasons.METRIC_BREACH,
        "restarted 3 times",
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "so does a champion of which no pod is ready any more",
        probation_world(
            slots=(slot(BLUE, "1"), slot(GREEN, "2", ready=0, complaint="out of memory", unavailable_for=16)),
            readings={},
            of=with_metrics(metrics=[]),
        ),
        reasons.CHAMPION_UNAVAILABLE,
        "no pod of it has been ready for 16s (pod churn-green-0: out of memory)",
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "pods that are ready again in a moment cost nobody the traffic",
        probation_world(slots=(slot(BLUE, "1"), slot(GREEN, "2", ready=0, unavailable_for=14)), readings={}),
        reasons.PROBATION,
        champion=V2,
    ),
    Case(
        "nor does a pod that is missing while another one serves",
        probation_world(slots=(slot(BLUE, "1"), slot(GREEN, "2", ready=1, unavailable_for=60))),
        reasons.PROBATION,
        champion=V2,
    ),
    Case(
        "a fallback that is not ready gets no traffic",
        probation_world(errors=150, slots=(slot(BLUE, "1", ready=0), slot(GREEN, "2"))),
        reasons.FALLBACK_UNAVAILABLE,
        "not ready to take over",
        champion=V2,
    ),
    Case(
        "pods of another revision in the fallback's slot get none either",
        probation_world(
            errors=150,
            slots=(replace(slot(BLUE, "1"), pods=(*slot(BLUE, "1").pods, *slot(BLUE, "3").pods)), slot(GREEN, "2")),
        ),
        reasons.FALLBACK_UNAVAILABLE,
        champion=V2,
    ),
    Case(
        "where a breach only holds, it holds in probation too",
        probation_world(errors=150, of=with_metrics(onBreach="Hold")),
        reasons.PROBATION,
        champion=V2,
    ),
    Case(
        "after probation nobody judges",
        probation_world(errors=150, traffic=TWO_STEADY),
        reasons.SERVING,
        champion=V2,
    ),
    Case(
        "after a rollback there is no probation",
        probation_world(errors=150, traffic=replace(TWO_PROBATION, cause=ChampionCause.ROLLED_BACK)),
        reasons.SERVING,
        champion=V2,
    ),
]


@table(*PROMOTION)
def test_promotion(case: Case) -> None:
    check(case)
