"""At rest, and after somebody destroyed what the operator had written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.snapshots import (
    outcome,
    promoted,
    record,
    slot,
    snapshot,
    spec,
)
from tests.unit.rollout.cases import (
    BLUE,
    KNOWN,
    ONE_STEADY,
    TWO_KNOWN,
    TWO_WARM,
    V1,
    V2,
    V3,
    Case,
    check,
    table,
)
from viridian.api import reasons
from viridian.rollout.input import RolloutInput

INVALID = spec(server={"replicas": 2, "template": {"containers": []}})
STEADY = [
    Case(
        "the champion serves",
        snapshot(slots=[slot(BLUE, "1")], known=KNOWN[:1], traffic=ONE_STEADY),
        reasons.SERVING,
        champion=V1,
    ),
    Case(
        "a fragment that cannot be merged stalls, and what runs goes on",
        snapshot(of=INVALID, slots=[slot(BLUE, "1")], known=KNOWN[:1], traffic=ONE_STEADY),
        reasons.INVALID_SPEC,
        champion=V1,
        stalled=reasons.INVALID_SPEC,
    ),
    Case(
        "the former champion can be wanted again: it is tried like any other",
        snapshot(**{**TWO_WARM, "wanted": "1"}),
        reasons.ROLLING_OUT,
        candidate=V1,
        champion=V2,
        trial=(0, 0),
        events=("StepAdvanced",),
    ),
]


def without(shown: RolloutInput, **parts: Any) -> RolloutInput:
    return replace(shown, **parts)


WARM = snapshot(**TWO_WARM)
DESTROYED = [
    Case(
        "without the live Service the newest promoted one serves",
        without(WARM, live=None),
        reasons.SERVING,
        champion=V2,
    ),
    Case(
        "without the record on it the selector tells the champion",
        without(WARM, live={**(WARM.live or {}), "metadata": {"name": "churn", "uid": "live"}}),
        reasons.SERVING,
        champion=V2,
    ),
    Case(
        "without live Service and Deployments the records tell, and a version nobody has tried waits",
        without(WARM, live=None, slots={}, model=snapshot(wanted="3").model),
        reasons.DEPLOYING,
        candidate=V3,
        champion=V2,
        events=("RolloutStarted",),
    ),
    Case(
        "what was turned away is not what comes back",
        without(
            WARM,
            live=None,
            slots={},
            records={
                r.revision: r
                for r in (record("1", promoted(7200)), record("2", promoted(), outcome(reasons.ROLLED_BACK, 60)))
            },
        ),
        reasons.REVISION_REJECTED,
        champion=V1,
    ),
    Case("without the status nothing is different", without(WARM, status={}), reasons.SERVING, champion=V2),
    Case(
        "without the champion's record it goes on serving",
        without(WARM, records={V1: TWO_KNOWN[0]}),
        reasons.SERVING,
        champion=V2,
    ),
]


@table(*STEADY)
def test_steady(case: Case) -> None:
    check(case)


@table(*DESTROYED)
def test_destroyed(case: Case) -> None:
    check(case)
