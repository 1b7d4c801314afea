"""What is told, and when nothing is: conditions, the status, events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.watched import REFERENCE, monitoring, window
from viridian.api import reasons
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.monitoring import Monitoring
from viridian.api.monitoring_status import MonitoringStatus
from viridian.api.names import MONITORING_ANNOTATION
from viridian.api.profile import ReferenceProfile
from viridian.core.obstacles import Obstacle
from viridian.core.plan import Annotate, Plan
from viridian.judgement.figures import Figure, MonitorVerdict
from viridian.monitoring.decide import decide
from viridian.monitoring.evaluate import MonitoringData, evaluate
from viridian.monitoring.input import EvaluationFailure, MonitoredRevision, MonitoringInput
from viridian.monitoring.windows import Windows, calendar

NOW = datetime(2026, 11, 24, 12, 2, tzinfo=UTC)
ASKED = monitoring(
    {"name": "age-shift", "drift": {"features": ["age"], "statistic": "MeanShift"}, "action": "Review"},
    {"name": "gaps", "drift": {"statistic": "Missing"}},
    {"name": "auc", "performance": {"metric": "auc", "min": 0.8}},
)
BLIND = EvaluationFailure(reasons.COLLECTOR_UNAVAILABLE, "the collector cannot be reached")
SPEC = msgspec.convert({"model": {"uri": "https://models.example/churn"}}, ModelDeploymentSpec)


def inputs(asked: Monitoring | None = ASKED, **parts: Any) -> MonitoringInput:
    """What a pass has read of the ModelDeployment `churn`, whose champion is `r1`."""
    spec = msgspec.structs.replace(SPEC, monitoring=asked)
    known = {"name": "churn", "namespace": "ml", "generation": 3, "spec": spec, "champion": MonitoredRevision("r1")}
    return MonitoringInput(**{**known, **parts})


def seen(
    hour: int = 0, revision: str = "r1", reviewed: str = "", asked: Monitoring = ASKED, **parts: Any
) -> MonitoringInput:
    """One window was evaluated, so many hours later; `reviewed` is the person's annotation."""
    days = calendar(asked, "0s", NOW + timedelta(hours=hour))
    report = evaluate(
        MonitoringData(
            monitoring=asked,
            revision=revision,
            calendar=days,
            windows=Windows.of([window(days.start, revision=revision, **parts)]),
            reference=REFERENCE,
        )
    )
    champion = MonitoredRevision(revision)
    return inputs(asked, champion=champion, evaluation=report, reviewed=reviewed, next_pass=days.next_evaluation)


def unseen(revision: str = "r1", reviewed: str = "") -> MonitoringInput:
    """The collector did not answer."""
    return inputs(champion=MonitoredRevision(revision), evaluation=BLIND, reviewed=reviewed)


def told(found: MonitoringInput, before: Mapping[str, Any] | None = None, hour: int = 0) -> Plan:
    return decide(replace(found, status=before or {}), NOW + timedelta(hours=hour))


def status(plan: Plan) -> Mapping[str, Any]:
    assert plan.status is not None
    return plan.status


@pytest.mark.parametrize("windows", [Windows.of([]), Windows.of([window(0.0)])], ids=["no window", "another time"])
@pytest.mark.parametrize("reference", [None, REFERENCE], ids=["no profile", "a profile"])
def test_before_the_first_window_the_status_is_one_that_the_api_server_takes(
    reference: ReferenceProfile | None, windows: Windows
) -> None:
    """The usual monitors, on the first day: nothing was counted, and there may be no profile to compare with."""
    usual = Monitoring()
    days = calendar(usual, "0s", NOW)
    said = evaluate(
        MonitoringData(
            monitoring=usual,
            revision="r1",
            calendar=days,
            windows=windows,
            reference=reference,
            no_reference="this version has no profile of its training data",
        )
    )
    plan = told(inputs(usual, evaluation=said))
    shown = msgspec.convert(status(plan)["monitoring"], MonitoringStatus)
    assert {monitor.verdict for monitor in shown.monitors} == {"InsufficientData"}
    assert all(monitor.message for monitor in shown.monitors)
    assert plan.news == ()


def condition(plan: Plan, kind: str) -> Mapping[str, Any]:
    return next((one for one in status(plan)["conditions"] if one["type"] == kind), {})


def said(plan: Plan, kind: str) -> tuple[str, str]:
    found = condition(plan, kind)
    return found["status"], found["reason"]


def events(plan: Plan) -> list[str]:
    return [event.reason for event in plan.news]


def test_without_monitors_nothing_is_said() -> None:
    assert (status(told(inputs(None))), told(inputs(None)).actions) == ({}, ())


def test_of_a_spec_that_cannot_be_read_everything_stays_as_it_is() -> None:
    plan = told(inputs(spec=None, evaluation=None), status(told(seen(shift=1.0))))
    assert (plan.status, plan.actions, plan.news) == (None, (), ())


def test_without_a_champion_nothing_is_said() -> None:
    assert status(told(inputs(champion=None))) == {}


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
    assert message.endswith(
        "(2000 and 4000 values); once somebody has looked into it: "
        "kubectl -n ml annotate --overwrite md churn viridian.dev/reviewed=2026-11-24T12:00:00Z"
    )
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
    assert events(after) == [reasons.EVENT_MONITOR_QUIET]
    assert condition(after, reasons.DATA_DRIFT)["lastTransitionTime"] == "2026-11-24T13:02:00Z"


def test_another_feature_is_another_verdict() -> None:
    asked: dict[str, Any] = {"seed": 3, "rows": 2000}
    before = status(told(seen(missing=0.4, **asked)))
    after = status(told(seen(hour=1, missing=0.4, shift=1.5, **asked), before, hour=1))
    assert after["monitoring"] != before["monitoring"]


def test_too_few_rows_are_not_told_as_none() -> None:
    none = told(seen(silent=True))
    few = told(seen(hour=1, rows=20), status(none), hour=1)
    assert status(few)["monitoring"]["monitors"][0]["figures"][0]["samples"] == 20
    assert condition(few, reasons.DATA_DRIFT)["message"] != condition(none, reasons.DATA_DRIFT)["message"]
    assert said(few, reasons.DATA_DRIFT) == said(none, reasons.DATA_DRIFT)
    assert events(few) == []


# ---- a person is asked

NOON, ONE, TWO = (f"2026-11-24T{hour}:00:00Z" for hour in (12, 13, 14))


def review(plan: Plan) -> tuple[str, str]:
    return said(plan, reasons.REVIEW_REQUIRED)


def story(*passes: MonitoringInput) -> Plan:
    """One plan after the other, each an hour later."""
    plan = Plan(status={})
    for hour, found in enumerate(passes):
        plan = told(found, status(plan), hour)
    return plan


def by_point() -> Monitoring:
    """Half a standard deviation is half a standard deviation."""
    drift = {"features": ["age"], "statistic": "MeanShift", "threshold": 0.5, "decision": "Point"}
    return monitoring({"name": "age-shift", "drift": drift, "action": "Review"})


ASKING = ("True", reasons.FEATURE_SHIFT)
ANSWERED = ("False", reasons.REVIEWED)
NOTHING = ("False", reasons.NOTHING_TO_REVIEW)


@pytest.mark.parametrize("next_hour", [{}, {"rows": 20}, {"silent": True}], ids=["quiet", "thin", "silent"])
def test_what_a_person_was_asked_to_look_at_stands_until_it_was_looked_at(next_hour: dict[str, Any]) -> None:
    asking = story(seen(shift=1.0))
    after = story(seen(shift=1.0), seen(1, **next_hour))
    assert condition(after, reasons.REVIEW_REQUIRED) == condition(asking, reasons.REVIEW_REQUIRED)
    assert reasons.EVENT_REVIEW_REQUIRED not in events(after)
    answered = story(seen(shift=1.0), seen(1, **next_hour), seen(2, **next_hour, reviewed=NOON))
    assert review(answered) == (NOTHING if not next_hour else ANSWERED), "what cannot be judged may go on"
    assert events(answered) == [reasons.EVENT_REVIEWED]


def test_an_answer_is_told_once() -> None:
    answered = story(seen(shift=1.0), seen(1, shift=1.0, reviewed=NOON))
    assert review(answered) == ANSWERED
    assert condition(answered, reasons.REVIEW_REQUIRED)["message"].startswith("reviewed: age-shift: age: the mean")
    assert events(answered) == [reasons.EVENT_REVIEWED]
    again = told(seen(2, shift=1.0, reviewed=NOON, seed=7), status(answered), 2)
    assert (status(again), events(again)) == (status(answered), [])


def test_an_answer_counts_while_the_collector_is_away_and_without_the_annotation_later() -> None:
    answered = story(seen(shift=1.0), unseen(reviewed=NOON))
    assert review(answered) == ANSWERED
    assert review(told(seen(2, shift=1.0), status(answered), 2)) == ANSWERED


@pytest.mark.parametrize("answer", ["", "yes", ONE, "2026-11-24T11:00:00Z", "2099-01-01T00:00:00Z"])
def test_an_answer_to_another_question_is_none(answer: str) -> None:
    assert review(story(seen(shift=1.0, reviewed=answer))) == ASKING


def test_what_fires_again_asks_again_and_an_old_answer_does_not_count() -> None:
    windows = seen(shift=1.0), seen(1, reviewed=NOON), seen(2, shift=1.0, reviewed=NOON)
    assert review(story(*windows[:2])) == NOTHING
    again = story(*windows)
    assert review(again) == ASKING
    assert condition(again, reasons.REVIEW_REQUIRED)["message"].endswith(f"viridian.dev/reviewed={TWO}")
    assert reasons.EVENT_REVIEW_REQUIRED in events(again)


def test_a_thin_window_is_no_end_of_what_was_answered() -> None:
    windows = seen(shift=1.0, reviewed=NOON), seen(1, rows=20, reviewed=NOON), seen(2, shift=1.0, reviewed=NOON)
    assert review(story(*windows)) == ANSWERED


BOTH = monitoring(
    {"name": "age-shift", "drift": {"features": ["age"], "statistic": "MeanShift"}, "action": "Review"},
    {"name": "plans", "drift": {"statistic": "NewCategories"}, "action": "Review"},
)


def test_something_else_that_fires_is_another_question_that_keeps_the_first_one() -> None:
    first = seen(shift=1.0, asked=BOTH)
    other = story(first, seen(1, new_plans=0.5, asked=BOTH))
    message = condition(other, reasons.REVIEW_REQUIRED)["message"]
    assert message.startswith("plans: plan name: the share of values without a known category has grown")
    assert "; not reviewed yet either: age-shift/age; once" in message
    assert review(told(seen(2, asked=BOTH, reviewed=NOON), status(other), 2)) == ASKING, "that was the first question"
    assert review(told(seen(2, new_plans=0.5, asked=BOTH, reviewed=ONE), status(other), 2)) == ANSWERED
    assert review(told(seen(2, asked=BOTH, reviewed=ONE), status(other), 2)) == NOTHING
    settled = story(first, seen(1, shift=1.0, new_plans=0.5, asked=BOTH, reviewed=NOON))
    assert review(settled) == ASKING, "the answer was about age alone"


def test_many_features_are_one_thing_to_look_at() -> None:
    wide = monitoring({"name": "inputs", "drift": {"statistic": "MeanShift"}, "action": "Review"})
    names = [f"f{number}" for number in range(12)]

    def window_of(hour: int, fired: int) -> MonitoringInput:
        whole = seen(hour, asked=wide)
        assert whole.report is not None
        figures = tuple(
            Figure(
                measure="MeanShift",
                verdict=MonitorVerdict.FIRED if at < fired else MonitorVerdict.QUIET,
                sentence="",
                feature=name,
            )
            for at, name in enumerate(names)
        )
        (inputs_monitor,) = whole.report.results
        inputs_monitor = replace(
            inputs_monitor, verdict=MonitorVerdict.FIRED, figures=figures, sentence=f"{fired} have drifted"
        )
        return replace(whole, evaluation=replace(whole.report, results=(inputs_monitor,)))

    plan = story(window_of(0, 4), window_of(1, 12), window_of(2, 6), window_of(3, 12))
    assert status(plan)["monitoring"]["review"]["about"] == ["inputs"]
    assert status(plan)["monitoring"]["review"]["asked"] == ONE


def test_a_monitor_that_is_gone_asks_nothing() -> None:
    rest = monitoring({"name": "plans", "drift": {"statistic": "NewCategories"}, "action": "Review"})
    assert review(story(seen(shift=1.0, asked=BOTH), seen(1, asked=rest))) == NOTHING


# ---- what is remembered on the record of the champion


def recorded(found: MonitoringInput, annotation: str = "", name: str = "churn-r1") -> MonitoringInput:
    """The same with a record of the champion."""
    assert found.champion is not None
    return replace(found, champion=replace(found.champion, record=name, annotation=annotation))


def kept(*passes: MonitoringInput, forgotten: bool = False) -> list[Plan]:
    """One plan after the other with a record to remember by; `forgotten`: each time the status is deleted before."""
    plans: list[Plan] = []
    known = ""
    for hour, found in enumerate(passes):
        before = status(plans[-1]) if plans and not forgotten else {}
        plans.append(told(recorded(found, known), before, hour))
        for action in plans[-1].actions:
            assert isinstance(action, Annotate)
            known = action.annotations[MONITORING_ANNOTATION]
    return plans


STORIES = {
    "a question that waits": (seen(shift=1.0), seen(1), seen(2, rows=20)),
    "a question that was answered": (seen(shift=1.0), seen(1, shift=1.0, reviewed=NOON), seen(2, shift=1.0)),
    "a question that was answered and asked again": (seen(shift=1.0), seen(1, reviewed=NOON), seen(2, shift=1.0)),
    "a collector that is away": (seen(missing=0.4), unseen(), seen(2, missing=0.4, seed=7)),
    "nothing happens": (seen(), seen(1, seed=7), seen(2, seed=8)),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_status_that_is_deleted_changes_nothing_that_follows(name: str) -> None:
    lasting, forgetful = kept(*STORIES[name]), kept(*STORIES[name], forgotten=True)
    for one, other in zip(lasting, forgetful, strict=True):
        assert one.actions == other.actions
        assert without_times(status(one)) == without_times(status(other))


def without_times(found: Mapping[str, Any]) -> dict[str, Any]:
    conditions = [
        {key: value for key, value in one.items() if key != "lastTransitionTime"} for one in found["conditions"]
    ]
    return {**found, "conditions": conditions}


def test_an_open_question_outlives_the_status() -> None:
    plan = kept(seen(shift=1.0), seen(1), forgotten=True)[-1]
    assert review(plan) == ASKING
    assert condition(plan, reasons.REVIEW_REQUIRED)["message"].endswith(f"viridian.dev/reviewed={NOON}")


def test_an_answer_outlives_the_status() -> None:
    answered = seen(shift=1.0, reviewed=NOON), seen(1, shift=1.0), seen(2, shift=1.0)
    assert review(kept(*answered, forgotten=True)[-1]) == ANSWERED


def test_events_are_told_with_the_write_that_remembers_them_and_once() -> None:
    first, second, third = kept(seen(shift=1.0), seen(1, shift=1.0, seed=7), seen(2), forgotten=True)
    assert [event.reason for action in first.actions for event in action.tells] == [  # type: ignore[union-attr]
        reasons.EVENT_MONITOR_FIRED,
        reasons.EVENT_REVIEW_REQUIRED,
    ]
    assert (first.news, second.news, second.actions) == ((), (), ())
    assert [event.reason for action in third.actions for event in action.tells] == [  # type: ignore[union-attr]
        reasons.EVENT_MONITOR_QUIET
    ]


def test_what_another_champion_left_is_forgotten() -> None:
    plan = told(replace(recorded(seen(revision="r2"), name="churn-r2"), outdated_records=("churn-r1",)))
    cleared = [action for action in plan.actions if isinstance(action, Annotate) and not action.annotations]
    assert [action.name for action in cleared] == ["churn-r1"]
    assert review(plan) == NOTHING


def test_without_a_record_the_status_has_to_do() -> None:
    assert review(story(seen(shift=1.0), seen(1))) == ASKING
    assert review(told(seen(1), {}, 1)) == NOTHING


@pytest.mark.parametrize("annotation", ["", "{", "[]", "null", "7", '{"revision": "r1", "monitors": 7, "review": []}'])
def test_a_note_that_makes_no_sense_is_written_anew(annotation: str) -> None:
    plan = told(recorded(seen(), annotation))
    assert said(plan, reasons.MONITORED) == ("True", reasons.WINDOWS_JUDGED)
    assert len(plan.actions) == 1


def test_another_champion_is_another_story() -> None:
    assert review(story(seen(shift=1.0), seen(1, revision="r2"))) == NOTHING


def test_a_question_fits_into_its_condition_with_its_answer() -> None:
    many = monitoring(
        *({"name": f"shift-{number}", "drift": {"features": ["age"]}, "action": "Review"} for number in range(20))
    )
    message = condition(story(seen(shift=2.0, asked=many)), reasons.REVIEW_REQUIRED)["message"]
    assert message.endswith(f"viridian.dev/reviewed={NOON}")


# ---- blindness


def test_what_was_said_stands_while_the_collector_is_away() -> None:
    before = status(told(seen(shift=1.0)))
    plan = told(unseen(), before, hour=1)
    assert said(plan, reasons.MONITORED) == ("Unknown", reasons.COLLECTOR_UNAVAILABLE)
    assert events(plan) == [reasons.EVENT_MONITORING_BLIND]
    assert status(plan)["monitoring"] == before["monitoring"]
    for kind in (reasons.DATA_DRIFT, reasons.REVIEW_REQUIRED, reasons.DECAY):
        assert condition(plan, kind) == next(one for one in before["conditions"] if one["type"] == kind)
    assert events(told(unseen(), status(plan), hour=2)) == [], "told once"


def test_what_was_found_last_goes_stale_with_the_next_window() -> None:
    """It says since when nobody knows, and it is written once a window."""
    before = status(told(seen(shift=1.0)))
    blind = status(told(unseen(), before, hour=1))
    plan = told(unseen(), blind, hour=2)
    assert said(plan, reasons.MONITORED) == ("Unknown", reasons.STALE)
    age = "no window has been judged since 2026-11-24T13:02:00Z, for 1h00m or more"
    assert condition(plan, reasons.MONITORED)["message"] == f"{age}: the collector cannot be reached"
    assert said(plan, reasons.DATA_DRIFT) == ("Unknown", reasons.STALE)
    shift = condition(plan, reasons.DATA_DRIFT)["message"]
    assert shift.startswith(f"{age}; until then True, FeatureShift: age-shift: ")
    assert said(plan, reasons.REVIEW_REQUIRED) == ("True", reasons.FEATURE_SHIFT), "a person was asked all the same"
    assert plan.wake == NOW + timedelta(hours=3)
    assert (status(plan)["monitoring"], events(plan)) == (before["monitoring"], [])

    later = decide(replace(unseen(), status=status(plan)), NOW + timedelta(hours=2, minutes=59))
    assert status(later) == status(plan), "silent in between"
    assert "for 5h00m or more" in condition(told(unseen(), status(plan), hour=6), reasons.MONITORED)["message"]

    again = told(seen(hour=7, shift=1.0), status(plan), hour=7)
    assert said(again, reasons.MONITORED) == ("True", reasons.WINDOWS_JUDGED)
    assert said(again, reasons.DATA_DRIFT) == ("True", reasons.FEATURE_SHIFT)


def test_quiet_monitors_are_no_health_once_they_are_blind() -> None:
    blind = status(told(unseen(), status(told(seen())), hour=1))
    plan = told(unseen(), blind, hour=2)
    assert said(plan, reasons.DATA_DRIFT) == ("Unknown", reasons.STALE)
    assert said(plan, reasons.REVIEW_REQUIRED) == ("Unknown", reasons.STALE)
    assert said(plan, reasons.DECAY)[0] == "Unknown"


def test_without_a_collector_nothing_is_judged_and_that_is_known() -> None:
    none = inputs(evaluation=EvaluationFailure(reasons.NO_COLLECTOR, "the operator knows no collector"))
    first = told(none, status(told(seen())), hour=1)
    assert said(first, reasons.MONITORED) == ("False", reasons.NO_COLLECTOR)
    assert said(first, reasons.DATA_DRIFT) == ("False", reasons.WITHIN_THRESHOLDS)
    assert first.wake == NOW + timedelta(hours=2), "nothing else would wake it"
    second = told(none, status(first), hour=2)
    assert said(second, reasons.MONITORED) == ("False", reasons.NO_COLLECTOR)
    assert said(second, reasons.DATA_DRIFT) == ("Unknown", reasons.STALE)


def test_a_write_that_was_refused_is_no_blindness() -> None:
    refused = Obstacle("ControllerRevision", "churn-r1", "policy says no", refused=True)
    found = replace(recorded(seen()), obstacles={("ControllerRevision", "churn-r1"): refused})
    plan = told(unseen(), status(told(found)), hour=5)
    assert said(plan, reasons.MONITORED) == ("Unknown", reasons.COLLECTOR_UNAVAILABLE)
    assert said(plan, reasons.DATA_DRIFT) == ("False", reasons.WITHIN_THRESHOLDS)


@pytest.mark.parametrize("since", ["2099-01-01T00:00:00Z", "yesterday", None])
def test_a_time_that_cannot_be_true_makes_nothing_stale(since: str | None) -> None:
    blind = {"type": reasons.MONITORED, "status": "Unknown", "reason": reasons.STALE, "lastTransitionTime": since}
    assert said(told(unseen(), {"conditions": [blind]}), reasons.MONITORED)[1] == reasons.COLLECTOR_UNAVAILABLE


def test_blind_from_the_beginning() -> None:
    plan = told(unseen())
    assert said(plan, reasons.DATA_DRIFT) == ("Unknown", reasons.NOT_JUDGED)
    assert "monitoring" not in status(plan)
    assert events(plan) == []


def test_a_record_that_cannot_be_written_is_said_and_events_wait_for_it() -> None:
    refused = Obstacle("ControllerRevision", "churn-r1", "policy says no", refused=True)
    plan = told(replace(recorded(seen(shift=1.0)), obstacles={("ControllerRevision", "churn-r1"): refused}))
    assert said(plan, reasons.MONITORED) == ("False", reasons.APPLY_REFUSED)
    assert said(plan, reasons.DATA_DRIFT) == ("True", reasons.FEATURE_SHIFT)
    assert events(plan) == []


def test_what_was_said_of_the_champion_before_says_nothing_of_this_one() -> None:
    before = status(told(seen(shift=1.0)))
    plan = told(unseen(revision="r2"), before, hour=1)
    assert said(plan, reasons.DATA_DRIFT) == ("Unknown", reasons.NOT_JUDGED)
    assert "monitoring" not in status(plan)


_SEEN = seen(rows=200)
_KEYS = (
    *("monitoring", "monitors", "figures", "revision", "name", "verdict", "conditions"),
    *("review", "asked", "reason", "about", "reviewed"),
)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(_KEYS),
                inner,
                max_size=5,
            ),
        ),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, dict))
)
def test_a_status_that_somebody_spoiled_is_written_anew(spoiled: dict[str, Any]) -> None:
    for found in (spoiled, {"monitoring": {"revision": "r1", "review": spoiled}}):
        plan = told(_SEEN, found)
        assert said(plan, reasons.MONITORED) == ("True", reasons.WINDOWS_JUDGED)


# ---- names that coincide


NAMESAKES = monitoring(
    {"name": "age", "drift": {"features": ["age"], "statistic": "MeanShift"}, "action": "Review"},
    {"name": "auc", "performance": {"metric": "auc", "min": 0.8}},
)


@pytest.mark.parametrize("parts", [{"shift": 1.0}, {}, {"rows": 20}, {"shift": 1.0, "labels": 1000, "accuracy": 0.6}])
def test_no_sentence_repeats_a_name_that_monitor_and_feature_share(parts: dict[str, Any]) -> None:
    plan = told(seen(asked=NAMESAKES, **parts))
    said = [str(one["message"]) for one in status(plan)["conditions"]] + [event.message for event in plan.news]
    assert any("age: " in one for one in said)
    for name in ("age", "auc"):
        assert not [one for one in said if f"{name}: {name}" in one]
