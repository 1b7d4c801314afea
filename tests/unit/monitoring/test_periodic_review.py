"""A review that comes round: when it is due, what confirms it, and that it wakes nobody before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.core.plan import Plan
from viridian.monitoring.decide import decide
from viridian.monitoring.input import MonitoringInput
from viridian.monitoring.periodic_review import held_review

CREATED = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def passed(now: datetime, annotation: str = "", *, every: str | None = "90d", status: Any = None) -> Plan:
    more: dict[str, Any] = {"review": {"every": every}} if every else {}
    spec = msgspec.convert(
        {"model": {"registry": {"name": "churn", "alias": "candidate"}}, **more}, ModelDeploymentSpec
    )
    given = MonitoringInput(
        name="churn",
        namespace="ml",
        generation=1,
        spec=spec,
        status=status or {},
        created=CREATED,
        review_annotation=annotation,
    )
    return decide(given, now)


def due(plan: Plan) -> dict[str, Any] | None:
    conditions = (plan.status or {}).get("conditions", ())
    return next((dict(one) for one in conditions if one["type"] == "ReviewDue"), None)


def status_of(plan: Plan) -> str:
    found = due(plan)
    assert found is not None
    return str(found["status"])


def test_a_review_is_due_once_the_time_has_passed_since_the_creation() -> None:
    before = passed(CREATED + 90 * DAY - timedelta(seconds=1))
    assert status_of(before) == "False"
    assert before.wake == CREATED + 90 * DAY
    after = passed(CREATED + 91 * DAY)
    assert status_of(after) == "True"
    assert after.wake is None
    assert "kubectl -n ml annotate --overwrite md churn 'viridian.dev/review=" in str(due(after))


def test_a_review_that_was_held_puts_off_the_next_one() -> None:
    now = CREATED + 100 * DAY
    plan = passed(now, "2026-04-05 fits: thresholds and objective#anna")
    assert status_of(plan) == "False"
    assert plan.wake == datetime(2026, 4, 5, tzinfo=UTC) + 90 * DAY
    assert "by anna: fits: thresholds and objective" in str(due(plan))


@pytest.mark.parametrize(
    "annotation",
    [
        "",
        "done",
        "2026-04-05",
        "2026-04-05 fits: #anna",
        "2026-04-05 fits: looked at it",
        "2026-04-05 perhaps: looked at it#anna",
        "2026-13-05 fits: looked at it#anna",
        "2027-04-05 fits: looked at it in advance#anna",
        "2026-04-05 fits: two#names#anna",
    ],
)
def test_what_is_no_review_confirms_none(annotation: str) -> None:
    assert held_review(annotation, CREATED + 100 * DAY) is None
    assert status_of(passed(CREATED + 100 * DAY, annotation)) == "True"


def test_a_review_from_before_the_creation_counts_from_the_creation() -> None:
    """As when an object is restored from a backup."""
    assert passed(CREATED + DAY, "2025-01-01 fits: all of it#anna").wake == CREATED + 90 * DAY


def test_events_are_of_the_moment_and_the_steady_state_is_silent() -> None:
    now = CREATED + 91 * DAY
    first = passed(now)
    assert [event.reason for event in first.news] == ["ReviewDue"]
    again = passed(now + DAY, status=first.status)
    assert (list(again.news), again.status) == ([], first.status)
    held = passed(now + DAY, "2026-04-02 changed: a stricter threshold#anna", status=first.status)
    assert [event.reason for event in held.news] == ["ReviewHeld"]
    assert "changed: a stricter threshold" in held.news[0].message


def test_without_reviews_there_is_no_condition() -> None:
    plan = passed(CREATED + 1000 * DAY, every=None)
    assert due(plan) is None
    assert plan.wake is None
