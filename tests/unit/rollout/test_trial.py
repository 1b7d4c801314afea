"""A challenger on trial: steps, requests, approvals, pauses, and what takes it off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.snapshots import (
    NO_ALIAS,
    NO_VERSION,
    NOW,
    SILENT,
    ago_time,
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
    ENTERED,
    FIRST_STEP,
    GREEN,
    HEALTHY_BEFORE,
    KNOWN,
    V1,
    V2,
    V3,
    Case,
    check,
    met,
    on_trial,
    paused,
    table,
    trial_world,
)
from viridian.api import reasons
from viridian.api.samples import Idle
from viridian.core.plan import Apply
from viridian.rollout import records
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.traffic.exposure import CounterBaseline, Exposure
from viridian.rollout.traffic.record import Trial

COUNTING = spec(rollout={"steps": [{"weight": 25, "duration": "10s", "minRequests": 250}]})
ADVANCES: dict[str, Any] = {
    "reason": reasons.ROLLING_OUT,
    "waiting": "step promote",
    "candidate": V2,
    "champion": V1,
    "trial": (1, 25),
    "events": ("StepAdvanced",),
}
TRIAL = [
    Case(
        "the traffic is split once both slots have their pods, and kept-alive connections are let go",
        trial_world(ENTERED, blue=3, green=1, readings={}),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
        close=((BLUE, GREEN), Idle.KEEP),
    ),
    Case(
        "before that it waits for the pods",
        trial_world(ENTERED, champion=slot(BLUE, "1", 3, ready=2), readings={}),
        reasons.ROLLING_OUT,
        "2 of 3 pods of blue",
        candidate=V2,
        champion=V1,
        trial=(0, 0),
    ),
    Case(
        "pods of its own that do not come within the deadline end the trial",
        trial_world(
            replace(ENTERED, entered=ago_time(61)),
            challenger=slot(GREEN, "2", 1, ready=0, complaint="server: OOMKilled"),
            readings={},
        ),
        reasons.PROGRESS_DEADLINE_EXCEEDED,
        f"0 of 1 pods of green, version 2 ({V2}), to be ready (pod churn-green-0, server: OOMKilled)",
        champion=V1,
        reverted=V2,
        events=("Rejected",),
    ),
    Case(
        "a deadline that the champion misses is not the challenger's failing",
        trial_world(
            replace(ENTERED, entered=ago_time(50)),
            champion=slot(BLUE, "1", 3, ready=2, complaint="it is not scheduled: no node"),
            readings={},
            whole=spec(rollout={"progressDeadline": "40s"}),
        ),
        reasons.ROLLING_OUT,
        f"2 of 3 pods of blue, the champion version 1 ({V1}), to be ready (pod churn-blue-2, it is not scheduled",
        candidate=V2,
        champion=V1,
        trial=(0, 0),
    ),
    Case(
        "after a minute the pods that the champion has are enough",
        trial_world(replace(ENTERED, entered=ago_time(61)), champion=slot(BLUE, "1", 3, ready=2), readings={}),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
        close=((BLUE, GREEN), Idle.KEEP),
    ),
    Case(
        "for the promotion as well",
        trial_world(
            replace(FIRST_STEP, passed=("25%", "50%"), weight=50, since=None, entered=ago_time(61)),
            champion=slot(BLUE, "1", 2, ready=1, unavailable_for=30),
            green=2,
        ),
        reasons.SERVING,
        champion=V2,
        events=("Promoted",),
        close=((BLUE,), Idle.KEEP),
    ),
    Case(
        "a step lasts its time",
        trial_world(replace(FIRST_STEP, since=ago_time(4))),
        reasons.ROLLING_OUT,
        "of 10s",
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "after its time the next step begins",
        trial_world(FIRST_STEP),
        reasons.ROLLING_OUT,
        "step 50%",
        candidate=V2,
        champion=V1,
        trial=(1, 25),
        events=("StepAdvanced",),
    ),
    Case(
        "a step also lasts until enough requests were answered in it",
        trial_world(replace(FIRST_STEP, exposure=met(11, green_0=CounterBaseline(before_step=300))), whole=COUNTING),
        reasons.ROLLING_OUT,
        "200 of 250 requests",
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "a pod that could not be read when the step began counts from its first reading",
        trial_world(replace(FIRST_STEP, exposure=met(11, green_0=CounterBaseline(unread=True))), whole=COUNTING),
        reasons.ROLLING_OUT,
        "the first requests to count",
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "so does a trial that was begun without baselines",
        trial_world(replace(FIRST_STEP, exposure=None), whole=COUNTING),
        reasons.ROLLING_OUT,
        "the first requests to count",
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "a pod that joined the trial later counts from zero",
        trial_world(
            replace(FIRST_STEP, exposure=Exposure(ago_time(11), {"green-7": CounterBaseline()})), whole=COUNTING
        ),
        **ADVANCES,
    ),
    Case(
        "but not where there are more pods than baselines",
        trial_world(replace(FIRST_STEP, exposure=Exposure(ago_time(11), {}, partial=True)), whole=COUNTING),
        reasons.ROLLING_OUT,
        "0 of 250 requests",
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "a process that restarted counts from zero",
        trial_world(replace(FIRST_STEP, exposure=met(11, green_0=CounterBaseline(before_step=10_000))), whole=COUNTING),
        **ADVANCES,
    ),
    Case(
        "so does one that has answered more than the one before it",
        trial_world(
            replace(FIRST_STEP, exposure=met(11, green_0=CounterBaseline("2026-01-01T00:00:00Z", before_step=400))),
            whole=COUNTING,
        ),
        **ADVANCES,
    ),
    Case(
        "a pause holds a step that is over",
        trial_world(FIRST_STEP, whole=paused()),
        reasons.PAUSED,
        "spec.rollout.paused",
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "a pause does not keep a bad one there",
        trial_world(FIRST_STEP, whole=paused(), errors=150),
        reasons.METRIC_BREACH,
        "error-rate 30 %",
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "an approval is waited for, by name",
        trial_world(
            Trial(V2, entered=ago_time(9), since=ago_time(8)),
            readings={},
            whole=spec(rollout={"steps": [{"approval": {}}]}),
        ),
        reasons.AWAITING_APPROVAL,
        f"annotation viridian.dev/approve={V2}",
        candidate=V2,
        champion=V1,
        trial=(0, 0),
    ),
    Case(
        "an approval of another revision is none",
        trial_world(
            Trial(V2, entered=ago_time(9), since=ago_time(8)),
            readings={},
            whole=spec(rollout={"steps": [{"approval": {}}]}),
            annotations=commands(approve=V1),
        ),
        reasons.AWAITING_APPROVAL,
        candidate=V2,
        champion=V1,
        trial=(0, 0),
    ),
    Case(
        "approved by name, it goes on",
        trial_world(
            Trial(V2, entered=ago_time(9), since=ago_time(8)),
            readings={},
            whole=spec(rollout={"steps": [{"approval": {}}]}),
            annotations=commands(approve=V2),
        ),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(1, 0),
        events=("StepAdvanced",),
    ),
    Case(
        "an approval that was counted before does not pass a second step",
        trial_world(
            Trial(
                V2,
                ("approval",),
                entered=ago_time(9),
                since=ago_time(8),
                approved=f"viridian.dev/approve={V2}",
                approved_at=ago_time(9),
            ),
            readings={},
            whole=spec(rollout={"steps": [{"approval": {}}, {"approval": {"message": "really?"}}]}),
            annotations=commands(approve=V2),
        ),
        reasons.AWAITING_APPROVAL,
        f"{V2}#2: really?",
        candidate=V2,
        champion=V1,
        trial=(1, 0),
    ),
    Case(
        "the same approval said again does",
        trial_world(
            Trial(
                V2,
                ("approval",),
                entered=ago_time(9),
                since=ago_time(8),
                approved=f"viridian.dev/approve={V2}",
                approved_at=ago_time(9),
            ),
            readings={},
            whole=spec(rollout={"steps": [{"approval": {}}, {"approval": {}}]}),
            annotations=commands(approve=f"{V2}#2"),
        ),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(2, 0),
        events=("StepAdvanced",),
    ),
    Case(
        "an approval from before a rejection does not count after the retry",
        trial_world(
            Trial(V2, entered=ago_time(9), since=ago_time(8)),
            readings={},
            whole=spec(rollout={"steps": [{"approval": {}}]}),
            annotations=commands(approve=V2),
            known=[
                record("1", promoted()),
                record(
                    "2",
                    outcome(records.APPROVED, 900, by=f"viridian.dev/approve={V2}"),
                    rejected(),
                    outcome(records.RETRIED, 300, by=f"viridian.dev/retry={V2}"),
                ),
            ],
        ),
        reasons.AWAITING_APPROVAL,
        f"{V2}#1",
        candidate=V2,
        champion=V1,
        trial=(0, 0),
    ),
    Case(
        "a step whose weight was edited starts anew",
        trial_world(FIRST_STEP, whole=spec(rollout={"steps": [{"weight": 33, "duration": "10s"}]}), blue=2, green=1),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 33),
        close=((BLUE, GREEN), Idle.KEEP),
    ),
    Case(
        "a Deployment that somebody took away is made again and tried anew",
        snapshot(**HEALTHY_BEFORE, traffic=on_trial(FIRST_STEP), slots=[slot(BLUE, "1", 3)]),
        reasons.DEPLOYING,
        "deployed again",
        candidate=V2,
        champion=V1,
    ),
    Case(
        "one that was ready and is no more is rejected after the deadline",
        trial_world(FIRST_STEP, challenger=slot(GREEN, "2", 1, ready=0, unavailable_for=61), readings={}),
        reasons.PROGRESS_DEADLINE_EXCEEDED,
        "not ready within 60s",
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "one that crashes is sent home without waiting for its metrics",
        trial_world(FIRST_STEP, challenger=slot(GREEN, "2", 1, restarts=3), readings={}),
        reasons.METRIC_BREACH,
        "restarted 3 times",
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "another wish takes it off trial",
        trial_world(FIRST_STEP, wanted="3"),
        reasons.ROLLING_OUT,
        candidate=V3,
        champion=V1,
        events=("Superseded",),
        close=((GREEN,), Idle.KEEP),
    ),
    Case(
        "so does the wish for the champion again",
        trial_world(FIRST_STEP, wanted="1"),
        reasons.ROLLING_OUT,
        champion=V1,
        events=("Superseded",),
        close=((GREEN,), Idle.KEEP),
    ),
    Case(
        "so does the wish for no pods",
        trial_world(FIRST_STEP, whole=spec(server={"replicas": 0})),
        reasons.ROLLING_OUT,
        champion=V1,
        events=("Superseded",),
        close=((GREEN,), Idle.KEEP),
    ),
    Case(
        "a retry of what was turned away waits until the trial of another has been ended",
        trial_world(
            FIRST_STEP,
            wanted="3",
            known=(*KNOWN, record("3", rejected())),
            annotations=commands(retry=V3),
        ),
        reasons.ROLLING_OUT,
        champion=V1,
        events=("Superseded",),
        close=((GREEN,), Idle.KEEP),
    ),
    Case(
        "while the registry is silent the trial goes on",
        trial_world(FIRST_STEP, wanted=SILENT),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(1, 25),
        events=("StepAdvanced",),
    ),
    Case(
        "while the registry is silent a bad one is sent home",
        trial_world(FIRST_STEP, wanted=SILENT, errors=150),
        reasons.METRIC_BREACH,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "an alias that was deleted does not end a trial, but holds it",
        trial_world(FIRST_STEP, wanted=NO_ALIAS),
        reasons.VERSION_GONE,
        "no alias 'candidate'",
        candidate=V2,
        champion=V1,
        trial=(0, 25),
        stalled=reasons.VERSION_GONE,
    ),
    Case(
        "so does a version that was deleted: nobody meets it more often",
        trial_world(replace(FIRST_STEP, passed=("25%",), since=None), wanted=NO_VERSION, blue=2, green=2),
        reasons.VERSION_GONE,
        candidate=V2,
        champion=V1,
        trial=(1, 25),
        stalled=reasons.VERSION_GONE,
    ),
    Case(
        "and it is not promoted",
        trial_world(
            replace(FIRST_STEP, passed=("25%", "50%"), weight=50, since=None), wanted=NO_VERSION, blue=2, green=2
        ),
        reasons.VERSION_GONE,
        candidate=V2,
        champion=V1,
        trial=(2, 50),
        stalled=reasons.VERSION_GONE,
    ),
    Case(
        "a bad one that is gone from the registry is sent home all the same",
        trial_world(FIRST_STEP, wanted=NO_VERSION, errors=150),
        reasons.METRIC_BREACH,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
]
A_QUARTER: dict[str, Any] = {"weight": 25, "duration": "10s"}
SIGN_OFF: dict[str, Any] = {"approval": {}}
A_HALF: dict[str, Any] = {"weight": 50, "duration": "10s"}


def edited(trial: Trial, *steps: Any, **more: Any) -> RolloutInput:
    """The steps were 25 %, an approval and 50 % when the trial came to where it is."""
    return trial_world(trial, whole=spec(rollout={"steps": steps}), **more)


AT_APPROVAL = replace(FIRST_STEP, passed=("25%",))
BEYOND_APPROVAL = replace(
    FIRST_STEP, passed=("25%", "approval"), weight=50, approved=f"viridian.dev/approve={V2}", approved_at=ago_time(20)
)
EDITED = [
    Case(
        "an approval is waited for although the step before it was removed",
        edited(AT_APPROVAL, SIGN_OFF, A_HALF),
        reasons.ROLLING_OUT,
        "step approval-0",
        candidate=V2,
        champion=V1,
        trial=(0, 25),
        events=("StepAdvanced",),
    ),
    Case(
        "an approval that was put before the present step is asked for",
        edited(replace(FIRST_STEP, passed=("25%",), weight=50), SIGN_OFF, A_QUARTER, A_HALF),
        reasons.ROLLING_OUT,
        "step approval-0",
        candidate=V2,
        champion=V1,
        trial=(0, 50),
        events=("StepAdvanced",),
    ),
    Case(
        "one that was given is asked for again where it cannot be told whether it was this one",
        edited(BEYOND_APPROVAL, SIGN_OFF, A_HALF),
        reasons.ROLLING_OUT,
        "step approval-0",
        candidate=V2,
        champion=V1,
        trial=(0, 50),
        events=("StepAdvanced",),
    ),
    Case(
        "with a new name it is another one",
        edited(BEYOND_APPROVAL, A_QUARTER, {**SIGN_OFF, "name": "sign-off"}, A_HALF),
        reasons.ROLLING_OUT,
        "step sign-off",
        candidate=V2,
        champion=V1,
        trial=(1, 50),
        events=("StepAdvanced",),
    ),
    Case(
        "what comes after the present step may be edited freely",
        edited(replace(AT_APPROVAL, since=ago_time(5)), A_QUARTER, {**A_HALF, "weight": 25}, SIGN_OFF),
        reasons.ROLLING_OUT,
        "of 10s",
        candidate=V2,
        champion=V1,
        trial=(1, 25),
    ),
    Case(
        "another duration of a step behind it changes nothing",
        edited(replace(BEYOND_APPROVAL, since=ago_time(5)), {**A_QUARTER, "duration": "9h"}, SIGN_OFF, A_HALF, blue=2),
        reasons.ROLLING_OUT,
        "of 10s",
        candidate=V2,
        champion=V1,
        trial=(2, 50),
    ),
    Case(
        "steps that were removed at the end are over",
        edited(replace(BEYOND_APPROVAL, since=None, weight=25), A_QUARTER, blue=2, green=2),
        reasons.ROLLING_OUT,
        "step promote",
        candidate=V2,
        champion=V1,
        trial=(1, 25),
        events=("StepAdvanced",),
    ),
    Case(
        "edited or not, a bad one is sent home first",
        edited(AT_APPROVAL, SIGN_OFF, A_HALF, errors=150),
        reasons.METRIC_BREACH,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
]

TO_HALF = replace(FIRST_STEP, passed=("25%",), since=None)
PAUSES: dict[str, Any] = {"reason": reasons.PAUSED, "waiting": "spec.rollout.paused", "candidate": V2, "champion": V1}
PAUSED = [
    Case(
        "a step that was entered gets no users while paused, though its pods are there",
        trial_world(replace(ENTERED, entered=None), whole=paused(), readings={}),
        **PAUSES,
        trial=(0, 0),
    ),
    Case(
        "nor do users meet it more often",
        trial_world(replace(TO_HALF, entered=None), whole=paused(), blue=2, green=2),
        **PAUSES,
        trial=(1, 25),
    ),
    Case(
        "its pods have no deadline meanwhile",
        trial_world(replace(TO_HALF, entered=ago_time(30)), whole=paused()),
        **PAUSES,
        trial=(1, 25),
    ),
    Case(
        "and all of it afterwards",
        trial_world(replace(TO_HALF, entered=None)),
        reasons.ROLLING_OUT,
        "the pods of step 50%",
        candidate=V2,
        champion=V1,
        trial=(1, 25),
    ),
    Case(
        "a weight that was lowered is reached while paused",
        trial_world(replace(FIRST_STEP, weight=50), whole=paused()),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
        close=((BLUE, GREEN), Idle.KEEP),
    ),
    Case(
        "one that does not become ready again is sent home while paused",
        trial_world(
            replace(TO_HALF, entered=None),
            whole=paused(),
            challenger=slot(GREEN, "2", 1, ready=0, unavailable_for=61),
            readings={},
        ),
        reasons.PROGRESS_DEADLINE_EXCEEDED,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
]


def test_a_pause_keeps_the_pods_that_make_the_weight() -> None:
    """Ready pods share the traffic: those of the next step would be its weight."""
    plan = decide(trial_world(replace(TO_HALF, entered=None), whole=paused()), NOW)
    assert not any(isinstance(a, Apply) and a.manifest["kind"] == "Deployment" for a in plan.actions)


# The champion has no ready pod, the challenger has: whoever takes the traffic from it gives users nothing at all.
DEAD: dict[str, Any] = {"champion": slot(BLUE, "1", 3, ready=0, unavailable_for=5)}
HELD: dict[str, Any] = {
    "reason": reasons.FALLBACK_UNAVAILABLE,
    "waiting": f"version 1 ({V1}) to be ready",
    "candidate": V2,
    "champion": V1,
    "trial": (0, 25),
}
ALONE = [
    Case("another wish waits for a champion that can take over", trial_world(FIRST_STEP, wanted="3", **DEAD), **HELD),
    Case("so does the wish for the champion again", trial_world(FIRST_STEP, wanted="1", **DEAD), **HELD),
    Case("so does a breach", trial_world(FIRST_STEP, errors=150, **DEAD), **HELD),
    Case("so does a person's rejection", trial_world(FIRST_STEP, annotations=commands(reject=V2), **DEAD), **HELD),
    Case(
        "so does a rollback",
        trial_world(
            FIRST_STEP,
            known=(record("1", promoted(60)), record("2"), record("3", promoted(7200))),
            annotations=commands(rollback=V1),
            **DEAD,
        ),
        **HELD,
    ),
    Case(
        "so does a blindness that has lasted too long",
        trial_world(
            replace(FIRST_STEP, blind_since=ago_time(3601)),
            readings={},
            whole=spec(rollout={"analysis": {"onNoData": "Rollback"}}),
            **DEAD,
        ),
        **HELD,
    ),
    Case(
        "a challenger that serves nobody either loses nobody",
        trial_world(
            FIRST_STEP, challenger=slot(GREEN, "2", 1, ready=0), annotations=commands(reject=V2), readings={}, **DEAD
        ),
        reasons.REJECTED_BY_PERSON,
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "one that users do not meet yet makes room at once",
        trial_world(ENTERED, wanted="3", readings={}, **DEAD),
        reasons.ROLLING_OUT,
        candidate=V3,
        champion=V1,
        events=("Superseded",),
    ),
    Case(
        "the wish for no pods is a wish for no answers",
        trial_world(FIRST_STEP, whole=spec(server={"replicas": 0}), **DEAD),
        reasons.ROLLING_OUT,
        champion=V1,
        events=("Superseded",),
        close=((GREEN,), Idle.KEEP),
    ),
]


@table(*TRIAL, *EDITED, *PAUSED, *ALONE)
def test_trial(case: Case) -> None:
    check(case)
