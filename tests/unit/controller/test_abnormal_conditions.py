"""`Reconciling` and `Stalled` look the same on both kinds: there only while true, never both, told of once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import pytest

from tests.support.churn import NAME, Churn
from tests.support.memory_cluster import Fault
from tests.support.operator_world import OperatorWorld
from tests.unit.properties.test_training_killed import a_policy, a_run
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY, RUN_ANNOTATION
from viridian.ports.cluster import Object

KINDS = (MODEL_DEPLOYMENT, RETRAIN_POLICY)
CHILDREN = ("Deployment", "Job", "PodDisruptionBudget")
ALWAYS = 10**6


def at_rest(churn: Churn) -> None:
    a_run(churn)
    churn.world.run(60)


def barred(churn: Churn, fault: Fault) -> None:
    """Neither pods nor Jobs may come."""
    at_rest(churn)
    churn.cluster.faults.on(lambda call: call.mutating and call.kind in CHILDREN, fault, times=ALWAYS)
    churn.cluster.edit(MODEL_DEPLOYMENT, NAME, lambda found: found["spec"]["server"].update(replicas=3))
    churn.cluster.annotate(RETRAIN_POLICY, NAME, **{RUN_ANNOTATION: "two"})
    churn.world.run(60)


def pinned_to_nothing(found: Object) -> None:
    found["spec"]["model"] = {"registry": {"name": NAME, "version": "77"}}


def pinned(churn: Churn) -> None:
    """A version that is not there; so the policy has nothing to hand over to either."""
    at_rest(churn)
    churn.cluster.edit(MODEL_DEPLOYMENT, NAME, pinned_to_nothing)
    churn.world.run(60)


def unreadable(churn: Churn) -> None:
    at_rest(churn)
    churn.cluster.edit(RETRAIN_POLICY, NAME, lambda found: found["spec"]["triggers"][0].update(schedule={"cron": "x"}))
    churn.world.run(60)


Expected = Mapping[str, tuple[str, str] | None]
NOTHING: Expected = {MODEL_DEPLOYMENT: None, RETRAIN_POLICY: None}


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (at_rest, NOTHING),
        (lambda churn: barred(churn, Fault.REFUSED), dict.fromkeys(KINDS, ("Stalled", "ApplyRefused"))),
        (lambda churn: barred(churn, Fault.SERVER_ERROR), dict.fromkeys(KINDS, ("Reconciling", "ApplyUnavailable"))),
        (
            pinned,
            {
                MODEL_DEPLOYMENT: ("Stalled", "VersionNotFound"),
                RETRAIN_POLICY: ("Stalled", "NothingToHandOverTo"),
            },
        ),
        (unreadable, {MODEL_DEPLOYMENT: None, RETRAIN_POLICY: ("Stalled", "InvalidSchedule")}),
    ],
    ids=["at rest", "refused", "webhook down", "a version that is not there", "a schedule that names no times"],
)
def test_what_each_kind_shows(story: Callable[[Churn], None], expected: Expected) -> None:
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        a_policy(churn)
        story(churn)
        for kind in KINDS:
            assert abnormal(churn, kind) == expected[kind], kind
        for seen in world.cluster.worlds:
            for kind in KINDS:
                shown = conditions(seen.find(kind, NAME))
                assert {c["status"] for c in shown} <= {"True"}, "there only while it is true"
                assert len(shown) <= 1, "never both"


def conditions(found: Object | None) -> list[Mapping[str, Any]]:
    listed = ((found or {}).get("status") or {}).get("conditions") or ()
    return [c for c in listed if c["type"] in ("Stalled", "Reconciling")]


def abnormal(churn: Churn, kind: str) -> tuple[str, str] | None:
    shown = conditions(churn.cluster.find(kind, NAME))
    return (shown[0]["type"], shown[0]["reason"]) if shown else None
