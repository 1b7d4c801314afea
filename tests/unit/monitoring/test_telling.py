"""What is told, and when nothing is: conditions, the status, events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.watched import REFERENCE, monitoring, window
from viridian.api import reasons
from viridian.monitoring.report import Watched, report
from viridian.monitoring.telling import Blind, Watch, with_watch
from viridian.monitoring.windows import Windows, calendar
from viridian.plan.plan import Plan

NOW = datetime(2026, 11, 24, 12, 2, tzinfo=UTC)
ASKED = monitoring(
    {"name": "age-shift", "drift": {"features": ["age"], "statistic": "MeanShift"}, "action": "Review"},
    {"name": "gaps", "drift": {"statistic": "Missing"}},
    {"name": "auc", "performance": {"metric": "auc", "min": 0.8}},
)
BLIND = Blind(reasons.COLLECTOR_UNAVAILABLE, "the collector cannot be reached")
OURS = (reasons.MONITORED, reasons.DATA_DRIFT, reasons.DECAY, reasons.REVIEW_REQUIRED)


def seen(hour: int = 0, revision: str = "r1", blind: Blind | None = None, **parts: Any) -> Watch:
    """The monitors' view of one window, so many hours later."""
    days = calendar(ASKED, "0s", NOW + timedelta(hours=hour))
    told = report(
        Watched(
            monitoring=ASKED,
            revision=revision,
            calendar=days,
            windows=Windows.of([window(days.start, revision=revision, **parts)]),
            reference=REFERENCE,
        )
    )
    return Watch(monitors=ASKED.monitors, revision=revision, report=told, blind=blind, look=days.next_look)


def unseen(blind: Blind | None = BLIND, revision: str = "r1") -> Watch:
    return Watch(monitors=ASKED.monitors, revision=revision, blind=blind)


def told(watch: Watch | None, before: Mapping[str, Any] | None = None, hour: int = 0) -> Plan:
    bare = Plan(
        status={"replicas": 2, "conditions": [{"type": "Ready", "status": "True"}]}, wake=NOW + timedelta(days=9)
    )
    return with_watch(bare, watch, before or {}, 3, NOW + timedelta(hours=hour))


def status(plan: Plan) -> Mapping[str, Any]:
    assert plan.status is not None
    return plan.status


def condition(plan: Plan, kind: str) -> Mapping[str, Any]:
    return next((one for one in status(plan)["conditions"] if one["type"] == kind), {})


def said(plan: Plan, kind: str) -> tuple[str, str]:
    found = condition(plan, kind)
    return found["status"], found["reason"]


def events(plan: Plan) -> list[str]:
    return [event.reason for event in plan.events]


def test_without_monitors_the_plan_is_as_it_was() -> None:
    plan = told(None)
    assert status(plan) == {"replicas": 2, "conditions": [{"type": "Ready", "status": "True"}]}


def test_without_a_champion_nothing_is_said() -> None:
    plan = told(Watch(monitors=ASKED.monitors, revision=""))
    assert [one["type"] for one in status(plan)["conditions"]] == ["Ready"]


def test_a_quiet_window() -> None:
    plan = told(seen())
    assert said(plan, reasons.MONITORED) == ("True", reasons.WINDOWS_JUDGED)
    assert said(plan, reasons.DATA_DRIFT) == ("False", reasons.WITHIN_THRESHOLDS)
    assert said(plan, reasons.DECAY) == ("Unknown", reasons.INSUFFICIENT_DATA)
    assert said(plan, reasons.REVIEW_REQUIRED) == ("False", reasons.NOTHING_TO_REVIEW)
    assert condition(plan, reasons.CONCEPT_DRIFT) == {}, "nobody asks for it"
    assert events(plan) == []
    assert plan.wake == NOW.replace(hour=13, minute=1, second=30)


def test_a_shift_of_age_asks_for_a_review_and_names_feature_size_and_number() -> None:
    plan = told(seen(shift=1.0))
    assert said(plan, reasons.REVIEW_REQUIRED) == ("True", reasons.FEATURE_SHIFT)
    message = condition(plan, reasons.REVIEW_REQUIRED)["message"]
    assert message.startswith("age-shift: age: the mean has moved by ")
    assert message.endswith("(2000 and 4000 values)")
    assert said(plan, reasons.DATA_DRIFT) == ("True", reasons.FEATURE_SHIFT)
    assert events(plan) == [reasons.EVENT_MONITOR_FIRED, reasons.EVENT_REVIEW_REQUIRED]
    shown = status(plan)["monitoring"]["monitors"][0]["figures"][0]
    assert (shown["feature"], shown["verdict"], shown["threshold"]) == ("age", "Fired", 0.5)
    assert shown["value"] == pytest.approx(1.0, abs=0.1)


def test_an_alert_asks_for_no_review() -> None:
    plan = told(seen(missing=0.3))
    assert said(plan, reasons.DATA_DRIFT) == ("True", reasons.FEATURE_SHIFT)
    assert said(plan, reasons.REVIEW_REQUIRED) == ("False", reasons.NOTHING_TO_REVIEW)


@pytest.mark.parametrize("parts", [{}, {"shift": 1.0}, {"missing": 0.4}, {"silent": True}, {"rows": 20}], ids=str)
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_as_long_as_the_verdicts_stay_nothing_is_written(seed: int, parts: dict[str, Any]) -> None:
    """However many windows pass, and whatever their figures are."""
    before = status(told(seen(**parts)))
    after = told(seen(hour=5, **parts, seed=seed), before, hour=5)
    assert status(after) == before
    assert events(after) == []


def test_a_verdict_that_changes_brings_its_figures_and_an_event() -> None:
    before = status(told(seen(shift=1.0)))
    after = told(seen(hour=1), before, hour=1)
    assert status(after)["monitoring"]["end"] == "2026-11-24T13:00:00Z"
    assert said(after, reasons.REVIEW_REQUIRED) == ("False", reasons.NOTHING_TO_REVIEW)
    assert events(after) == [reasons.EVENT_MONITOR_QUIET]
    assert condition(after, reasons.DATA_DRIFT)["lastTransitionTime"] == "2026-11-24T13:02:00Z"


def test_another_feature_is_another_verdict() -> None:
    asked: dict[str, Any] = {"seed": 3, "rows": 2000}
    before = status(told(seen(missing=0.4, **asked)))
    after = status(told(seen(hour=1, missing=0.4, shift=1.5, **asked), before, hour=1))
    assert after["monitoring"] != before["monitoring"]


# ---- blindness


def test_what_was_said_stands_while_the_collector_is_away() -> None:
    before = status(told(seen(shift=1.0)))
    plan = told(unseen(), before, hour=1)
    assert said(plan, reasons.MONITORED) == ("False", reasons.COLLECTOR_UNAVAILABLE)
    assert events(plan) == [reasons.EVENT_MONITORING_BLIND]
    assert status(plan)["monitoring"] == before["monitoring"]
    for kind in (reasons.DATA_DRIFT, reasons.REVIEW_REQUIRED, reasons.DECAY):
        assert condition(plan, kind) == next(one for one in before["conditions"] if one["type"] == kind)
    assert events(told(unseen(), status(plan), hour=2)) == [], "told once"


def test_blind_from_the_beginning() -> None:
    plan = told(unseen())
    assert said(plan, reasons.DATA_DRIFT) == ("Unknown", reasons.NOT_JUDGED)
    assert "monitoring" not in status(plan)
    assert events(plan) == []


def test_while_the_first_answer_is_awaited_everything_stays_as_it_was() -> None:
    before = status(told(seen(shift=1.0)))
    assert status(told(unseen(blind=None), before, hour=1)) == before
    assert said(told(unseen(blind=None)), reasons.MONITORED) == ("Unknown", reasons.NOT_JUDGED)


def test_what_was_said_of_the_champion_before_says_nothing_of_this_one() -> None:
    before = status(told(seen(shift=1.0)))
    plan = told(unseen(revision="r2"), before, hour=1)
    assert said(plan, reasons.DATA_DRIFT) == ("Unknown", reasons.NOT_JUDGED)
    assert "monitoring" not in status(plan)


_SEEN = seen(rows=200)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["monitoring", "monitors", "figures", "revision", "name", "verdict", "conditions"]),
                inner,
                max_size=5,
            ),
        ),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, dict))
)
def test_a_status_that_somebody_spoiled_is_written_anew(spoiled: dict[str, Any]) -> None:
    plan = told(_SEEN, spoiled)
    assert said(plan, reasons.MONITORED) == ("True", reasons.WINDOWS_JUDGED)
