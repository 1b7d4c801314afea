"""From nothing to the first champion, and a challenger up to its first traffic."""

from __future__ import annotations

from dataclasses import replace

from tests.support.snapshots import (
    NO_ALIAS,
    NO_VERSION,
    SILENT,
    promoted,
    record,
    slot,
    snapshot,
    spec,
)
from tests.unit.rollout.cases import (
    BLUE,
    GREEN,
    HEALTHY_BEFORE,
    KNOWN,
    ONE_STEADY,
    TWO_STEADY,
    V1,
    V2,
    Case,
    check,
    paused,
    table,
)
from viridian.api import reasons
from viridian.api.rejections import ModelRejection

FIRST = [
    Case(
        "a resolved model is deployed to blue",
        snapshot(),
        reasons.FIRST_DEPLOYMENT,
        "to become ready",
        candidate=V1,
        events=("RolloutStarted",),
    ),
    Case("nothing happens before the model is resolved", snapshot(wanted=SILENT), reasons.FIRST_DEPLOYMENT, "resolved"),
    Case(
        "an alias that nobody has set yet is waited for, and nothing is stalled",
        snapshot(wanted=NO_ALIAS),
        reasons.FIRST_DEPLOYMENT,
        "no alias 'candidate'",
    ),
    Case("nothing new is deployed while paused", snapshot(of=paused()), reasons.PAUSED, "spec.rollout.paused"),
    Case(
        "the first champion waits for a ready pod, and says what its pods complain of",
        snapshot(slots=[slot(BLUE, "1", ready=0, complaint="fetch: no such model")], known=[record("1")]),
        reasons.FIRST_DEPLOYMENT,
        "fetch: no such model",
        candidate=V1,
    ),
    Case(
        "one ready pod is enough to serve",
        snapshot(slots=[slot(BLUE, "1", ready=1)], known=[record("1")]),
        reasons.SERVING,
        champion=V1,
        events=("Promoted",),
    ),
    Case(
        "a ready pod of an earlier wish does not make a champion",
        snapshot(
            slots=[replace(slot(BLUE, "1", ready=0), pods=slot(BLUE, "2").pods)], known=[record("1"), record("2")]
        ),
        reasons.FIRST_DEPLOYMENT,
        candidate=V1,
    ),
    Case(
        "the slot that is in use already gets the first champion",
        snapshot(slots=[slot(GREEN, "2", ready=0)], known=[record("2")]),
        reasons.FIRST_DEPLOYMENT,
        candidate=V1,
        events=("RolloutStarted",),
    ),
    Case(
        "with no pods wanted the first champion is one without pods",
        snapshot(of=spec(server={"replicas": 0}), slots=[slot(BLUE, "1", 0)], known=[record("1")]),
        reasons.SERVING,
        champion=V1,
        events=("Promoted",),
    ),
    Case(
        "past its deadline the first deployment is stalled, and still wanted",
        snapshot(slots=[slot(BLUE, "1", ready=0, deadline_exceeded=True)], known=[record("1")]),
        reasons.FIRST_DEPLOYMENT,
        candidate=V1,
        stalled=reasons.PROGRESS_DEADLINE_EXCEEDED,
    ),
    Case(
        "a model that is refused for good stalls the first deployment with the reason",
        snapshot(
            slots=[slot(BLUE, "1", ready=0, complaint="server: a pickle", refusal=ModelRejection.PICKLE)],
            known=[record("1")],
        ),
        reasons.FIRST_DEPLOYMENT,
        candidate=V1,
        stalled=ModelRejection.PICKLE,
    ),
    Case(
        "a model that could not be brought yet is waited for",
        snapshot(
            slots=[slot(BLUE, "1", ready=0, complaint="fetch: MLflow is away", refusal=ModelRejection.UNAVAILABLE)],
            known=[record("1")],
        ),
        reasons.FIRST_DEPLOYMENT,
        "MLflow is away",
        candidate=V1,
    ),
    Case(
        "a version that is gone from the registry by then does not become the first champion",
        snapshot(wanted=NO_VERSION, slots=[slot(BLUE, "1")], known=[record("1")]),
        reasons.VERSION_GONE,
        candidate=V1,
        stalled=reasons.VERSION_GONE,
    ),
    Case(
        "while the registry is silent the first deployment goes on",
        snapshot(wanted=SILENT, slots=[slot(BLUE, "1")], known=[record("1")]),
        reasons.SERVING,
        champion=V1,
        events=("Promoted",),
    ),
]


DEPLOYING = [
    Case(
        "another version is deployed to the free slot, without traffic",
        snapshot(**HEALTHY_BEFORE, traffic=ONE_STEADY, slots=[slot(BLUE, "1")]),
        reasons.DEPLOYING,
        "to become ready",
        candidate=V2,
        champion=V1,
        events=("RolloutStarted",),
    ),
    Case(
        "a version that is gone from the registry by then gets no users",
        snapshot(
            **{**HEALTHY_BEFORE, "wanted": NO_VERSION}, traffic=ONE_STEADY, slots=[slot(BLUE, "1"), slot(GREEN, "2", 1)]
        ),
        reasons.VERSION_GONE,
        candidate=V2,
        champion=V1,
        stalled=reasons.VERSION_GONE,
    ),
    Case(
        "a former champion may come back however often it was started anew in its life",
        snapshot(
            wanted="1",
            traffic=TWO_STEADY,
            known=(record("1", promoted(7200)), record("2", promoted())),
            slots=[slot(BLUE, "1", 1, restarts=9), slot(GREEN, "2")],
        ),
        reasons.ROLLING_OUT,
        candidate=V1,
        champion=V2,
        trial=(0, 0),
        events=("StepAdvanced",),
    ),
    Case(
        "a server that waits for the Secret of a key is no crash loop",
        snapshot(
            **HEALTHY_BEFORE,
            traffic=ONE_STEADY,
            slots=[
                slot(BLUE, "1"),
                slot(
                    GREEN, "2", 1, ready=0, restarts=5, complaint="server: no key", refusal=ModelRejection.NO_HASH_KEY
                ),
            ],
        ),
        reasons.DEPLOYING,
        "server: no key",
        candidate=V2,
        champion=V1,
    ),
    Case(
        "it waits until every pod is ready",
        snapshot(**HEALTHY_BEFORE, traffic=ONE_STEADY, slots=[slot(BLUE, "1"), slot(GREEN, "2", 2, ready=1)]),
        reasons.DEPLOYING,
        candidate=V2,
        champion=V1,
    ),
    Case(
        "a status about the template before says nothing",
        snapshot(
            **HEALTHY_BEFORE,
            traffic=ONE_STEADY,
            slots=[slot(BLUE, "1"), slot(GREEN, "2", observed=False, deadline_exceeded=True)],
        ),
        reasons.DEPLOYING,
        candidate=V2,
        champion=V1,
    ),
    Case(
        "past its deadline it is rejected, with what its pods complain of",
        snapshot(
            **HEALTHY_BEFORE,
            traffic=ONE_STEADY,
            slots=[slot(BLUE, "1"), slot(GREEN, "2", ready=0, deadline_exceeded=True, complaint="fetch: wrong digest")],
        ),
        reasons.PROGRESS_DEADLINE_EXCEEDED,
        "fetch: wrong digest",
        champion=V1,
        reverted=V2,
        events=("Rejected",),
    ),
    Case(
        "one that is refused for good is rejected at once, with the reason",
        snapshot(
            **HEALTHY_BEFORE,
            traffic=ONE_STEADY,
            slots=[
                slot(BLUE, "1"),
                slot(GREEN, "2", ready=0, complaint="fetch: no key", refusal=ModelRejection.UNKNOWN_KEY),
            ],
        ),
        ModelRejection.UNKNOWN_KEY,
        "fetch: no key",
        champion=V1,
        reverted=V2,
        events=("Rejected",),
    ),
    Case(
        "the words of a pod of the wish before say nothing about this one",
        snapshot(
            **HEALTHY_BEFORE,
            traffic=ONE_STEADY,
            slots=[
                slot(BLUE, "1"),
                replace(
                    slot(GREEN, "2", ready=0), pods=slot(GREEN, "1", ready=0, refusal=ModelRejection.TAMPERED).pods
                ),
            ],
        ),
        reasons.DEPLOYING,
        candidate=V2,
        champion=V1,
    ),
    Case(
        "one that crashes again and again is rejected before its deadline",
        snapshot(
            **HEALTHY_BEFORE,
            traffic=ONE_STEADY,
            slots=[slot(BLUE, "1"), slot(GREEN, "2", ready=0, restarts=3, complaint="server: out of memory")],
        ),
        reasons.PROGRESS_DEADLINE_EXCEEDED,
        "restarted 3 times",
        champion=V1,
        reverted=V2,
        events=("Rejected",),
    ),
    Case(
        "ready, it enters the first step",
        snapshot(**HEALTHY_BEFORE, traffic=ONE_STEADY, slots=[slot(BLUE, "1"), slot(GREEN, "2", 1)]),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 0),
        events=("StepAdvanced",),
    ),
    Case(
        "ready while paused, it waits before the first step",
        snapshot(of=paused(), **HEALTHY_BEFORE, traffic=ONE_STEADY, slots=[slot(BLUE, "1"), slot(GREEN, "2", 1)]),
        reasons.PAUSED,
        candidate=V2,
        champion=V1,
    ),
    Case(
        "paused, another version is not deployed",
        snapshot(of=paused(), **HEALTHY_BEFORE, traffic=ONE_STEADY, slots=[slot(BLUE, "1")]),
        reasons.PAUSED,
        champion=V1,
    ),
    Case(
        "with no pods wanted nothing is tried",
        snapshot(of=spec(server={"replicas": 0}), **HEALTHY_BEFORE, traffic=ONE_STEADY, slots=[slot(BLUE, "1", 0)]),
        reasons.SCALING,
        "spec.server.replicas",
        champion=V1,
    ),
    Case(
        "while the registry is silent, what is deployed goes on its way",
        snapshot(wanted=SILENT, known=KNOWN, traffic=ONE_STEADY, slots=[slot(BLUE, "1"), slot(GREEN, "2", 1)]),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(0, 0),
        events=("StepAdvanced",),
    ),
    Case(
        "while the registry is silent, the warm fallback stays a fallback",
        snapshot(
            wanted=SILENT,
            known=[record("1", promoted(7200)), record("2", promoted())],
            traffic=TWO_STEADY,
            slots=[slot(BLUE, "1", 1), slot(GREEN, "2")],
        ),
        reasons.SERVING,
        champion=V2,
    ),
]


@table(*FIRST)
def test_first_deployment(case: Case) -> None:
    check(case)


@table(*DEPLOYING)
def test_deploying(case: Case) -> None:
    check(case)
