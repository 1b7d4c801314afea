"""What each monitor says of windows as they happen: shifts, gaps, seasons, late labels, silence."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.support.sketches import numbers
from tests.support.watched import HOUR, REFERENCE, in_a_row, monitoring, served, window
from viridian.api.feedback import Window
from viridian.api.profile import Calibration, Sketch
from viridian.judgement.figures import MonitorVerdict
from viridian.monitoring.evaluate import NO_PREDICTIONS, MonitoringData, evaluate
from viridian.monitoring.monitor_report import MonitoringReport, MonitorResult
from viridian.monitoring.windows import Windows, calendar

NOW = datetime(2026, 11, 24, 12, 2, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()
FIRED, QUIET, UNKNOWN = MonitorVerdict.FIRED, MonitorVerdict.QUIET, MonitorVerdict.INSUFFICIENT_DATA


def judged(windows: list[Window], *monitors: dict[str, Any], maturity: str = "0s", **more: Any) -> MonitoringReport:
    asked = monitoring(*monitors)
    watched = MonitoringData(
        monitoring=asked,
        revision="r1",
        calendar=calendar(asked, maturity, NOW),
        windows=Windows.of(windows),
        reference=REFERENCE,
    )
    return evaluate(replace(watched, **more))


def said(windows: list[Window], monitor: dict[str, Any], **more: Any) -> MonitorResult:
    (only,) = judged(windows, {"name": "it", **monitor}, **more).results
    return only


def latest(**parts: Any) -> list[Window]:
    return [window(NOON - HOUR, **parts)]


# ---- what users have without writing anything


def test_the_usual_monitors_are_quiet_while_nothing_changes() -> None:
    verdicts = {one.name: one.verdict for one in judged(latest(labels=1000, accuracy=0.9)).results}
    assert verdicts == {
        "inputs": QUIET,
        "missing-values": QUIET,
        "new-categories": QUIET,
        "predictions": QUIET,
        "errors": UNKNOWN,  # auc by default, and these outcomes carry no scores
    }


@pytest.mark.parametrize(
    ("parts", "monitor"),
    [
        ({"shift": 1.5}, "inputs"),
        ({"missing": 0.3}, "missing-values"),
        ({"new_plans": 0.1}, "new-categories"),
        ({"score_shift": 0.3}, "predictions"),
    ],
)
def test_each_of_them_has_its_day(parts: dict[str, float], monitor: str) -> None:
    verdicts = {one.name: one.verdict for one in judged(latest(**parts)).results}
    assert verdicts[monitor] is FIRED


# ---- drift of one feature, flagged for review

AGE = {"drift": {"features": ["age"], "statistic": "MeanShift", "threshold": 0.5, "decision": "Point"}}


@pytest.mark.parametrize(("shift", "verdict"), [(0.4, QUIET), (0.6, FIRED)])
def test_a_shift_of_age(shift: float, verdict: MonitorVerdict) -> None:
    found = said(latest(shift=shift), AGE)
    assert found.verdict is verdict
    assert found.sentence.startswith("age: the mean has moved by 0.")


def test_20_rows_are_insufficient() -> None:
    found = said(latest(rows=20, shift=3.0), AGE)
    assert (found.verdict, found.sentence) == (UNKNOWN, "age: 20 values in this window, 100 are needed")


def test_a_feature_that_the_model_does_not_have() -> None:
    found = said(latest(), {"drift": {"features": ["aeg"]}})
    assert found.verdict is UNKNOWN
    assert found.sentence == "aeg: the model has no such feature; it has age, plan name"


def test_names_with_blanks_are_names_like_any_other() -> None:
    found = said(latest(new_plans=0.5), {"drift": {"features": ["plan name"]}})
    assert found.verdict is FIRED
    assert found.figures[0].feature == "plan name"


def test_a_share_of_the_features_is_reached_by_exactly_so_many() -> None:
    one_of_two = latest(shift=2.0)
    found = said(one_of_two, {"drift": {"share": 0.5}})
    assert found.verdict is FIRED
    assert found.sentence.startswith("1 of 2 features have drifted (50 %), 50 % are asked for; age: the cumulative")
    found = said(one_of_two, {"drift": {"share": 0.51}})
    assert found.verdict is QUIET
    assert found.sentence.startswith("1 of 2 features have drifted (50 %), 51 % are asked for; age:")


@pytest.mark.parametrize(("drifted", "verdict"), [(0, QUIET), (1, QUIET), (2, FIRED), (3, FIRED), (10, FIRED)])
def test_two_of_ten_features_are_20_percent(drifted: int, verdict: MonitorVerdict) -> None:
    assert said(ten(drifted=drifted), {"drift": {"share": 0.2}}, reference=TEN).verdict is verdict


@pytest.mark.parametrize(("drifted", "verdict"), [(0, QUIET), (9, QUIET), (10, FIRED)])
def test_all_of_the_features_are_a_share_as_well(drifted: int, verdict: MonitorVerdict) -> None:
    assert said(ten(drifted=drifted), {"drift": {"share": 1}}, reference=TEN).verdict is verdict


def test_no_feature_at_all_is_no_share() -> None:
    assert said(ten(), {"drift": {"share": 0}}, reference=TEN).verdict is QUIET


@pytest.mark.parametrize(
    ("drifted", "unknown", "verdict"),
    [(3, 7, FIRED), (2, 7, UNKNOWN), (0, 3, UNKNOWN), (0, 2, QUIET), (1, 1, QUIET), (0, 10, UNKNOWN)],
)
def test_features_that_cannot_be_judged_may_have_drifted_or_not(
    drifted: int, unknown: int, verdict: MonitorVerdict
) -> None:
    found = said(ten(drifted=drifted, unknown=unknown), {"drift": {"share": 0.3}}, reference=TEN)
    assert found.verdict is verdict


def test_what_keeps_a_share_from_being_judged_is_said() -> None:
    found = said(ten(drifted=2, unknown=7), {"drift": {"share": 0.3}}, reference=TEN)
    assert found.sentence == (
        "2 of 10 features have drifted (20 %), 30 % are asked for, and 7 cannot be judged; "
        "f3: 20 values in this window, 500 are needed"
    )


def ten(*, drifted: int = 0, unknown: int = 0) -> list[Window]:
    """Ten features, the first so many of which have drifted, and the last so many of which have 20 values."""
    usual, moved, few = (served(**parts).features["age"] for parts in ({}, {"shift": 2.0}, {"rows": 20}))
    sketches = [moved] * drifted + [usual] * (10 - drifted - unknown) + [few] * unknown
    return [replace_features(window(NOON - HOUR), sketches)]


def replace_features(whole: Window, sketches: list[Sketch]) -> Window:
    assert whole.profile is not None
    features = {f"f{number}": sketch for number, sketch in enumerate(sketches)}
    return msgspec.structs.replace(whole, profile=msgspec.structs.replace(whole.profile, features=features))


TEN = msgspec.structs.replace(
    REFERENCE,
    profile=msgspec.structs.replace(
        REFERENCE.profile, features={f"f{number}": REFERENCE.profile.features["age"] for number in range(10)}
    ),
)


def test_without_traffic_or_without_a_profile_nothing_is_said() -> None:
    for found in (
        *judged([]).results,
        *judged(latest(silent=True)).results,
        *judged([], reference=None, no_reference="the version has no profile").results,
    ):
        assert found.verdict is UNKNOWN
        assert found.sentence
    (none,) = judged(latest(), {"name": "it", "drift": {}}, reference=None, no_reference="it has no profile").results
    assert none.sentence.endswith("it has no profile")


# ---- references


def test_the_window_before() -> None:
    against = {"drift": {"features": ["age"], "reference": "PreviousWindow"}}
    slow = [window(NOON - 2 * HOUR, shift=2.0), window(NOON - HOUR, shift=2.0, seed=2)]
    jump = [window(NOON - 2 * HOUR), window(NOON - HOUR, shift=2.0, seed=2)]
    assert said(slow, against).verdict is QUIET
    assert said(jump, against).verdict is FIRED
    assert said(latest(shift=2.0), against).sentence == "age: nothing was counted in the window before"


SEASON = {"drift": {"features": ["age"], "reference": "SameSeason"}}
WEEK = 168


def wave(hour: float, extra: float = 0.0) -> dict[str, Any]:
    """A week's swing of two standard deviations to either side."""
    return {"shift": 2 * math.sin(2 * math.pi * hour / WEEK) + extra, "seed": int(hour) % 97, "rows": 1000}


@pytest.mark.parametrize("hour", [0, 30, 42, 60, 126])
def test_a_weekly_wave_is_no_drift_where_the_season_is_known(hour: int) -> None:
    """Against the training data alone it would be, for most of the week."""
    windows = [window(NOON - HOUR * (WEEK + 1), **wave(hour)), window(NOON - HOUR, **wave(hour + WEEK))]
    assert said(windows, SEASON).verdict is QUIET
    alone = said(windows, {"drift": {"features": ["age"]}}).verdict
    assert alone is (QUIET if hour == 0 else FIRED)


@pytest.mark.parametrize("hour", [30, 42, 60])
def test_a_real_shift_on_top_of_the_wave_is(hour: int) -> None:
    windows = [window(NOON - HOUR * (WEEK + 1), **wave(hour)), window(NOON - HOUR, **wave(hour + WEEK, extra=1.5))]
    assert said(windows, SEASON).verdict is FIRED


def test_the_first_season_is_waited_for() -> None:
    assert said(latest(shift=3.0), SEASON).sentence == "age: nothing was counted in the window one season before"


# ---- a new version, with bins of its own


def others(start: float, **parts: Any) -> Window:
    """What the version before has counted."""
    return window(start, revision="r0", older=True, **parts)


@pytest.mark.parametrize("hour", [0, 30, 42, 60, 126])
def test_a_season_that_another_version_served_is_a_season(hour: int) -> None:
    windows = [others(NOON - HOUR * (WEEK + 1), **wave(hour)), window(NOON - HOUR, **wave(hour + WEEK))]
    assert said(windows, SEASON).verdict is QUIET


@pytest.mark.parametrize("hour", [30, 42, 60])
def test_a_real_shift_is_seen_against_the_season_of_another_version(hour: int) -> None:
    before, now = ({**wave(time, extra), "rows": 3000} for time, extra in ((hour, 0.0), (hour + WEEK, 1.5)))
    found = said([others(NOON - HOUR * (WEEK + 1), **before), window(NOON - HOUR, **now)], SEASON)
    assert found.verdict is FIRED
    assert "(KS) differ by at least" in found.sentence


def test_the_window_before_may_be_that_of_another_version() -> None:
    against = {"drift": {"features": ["age"], "reference": "PreviousWindow"}}
    assert said([others(NOON - 2 * HOUR), *latest(seed=2)], against).verdict is QUIET
    assert said([others(NOON - 2 * HOUR), *latest(seed=2, shift=1.5)], against).verdict is FIRED


def test_what_another_version_answered_in_the_window_before_is_no_reference_for_answers() -> None:
    """Its scores differ because it is another model."""
    against = {"predictionDrift": {"reference": "PreviousWindow"}}
    found = said([others(NOON - 2 * HOUR), *latest(score_shift=0.4)], against)
    assert found.sentence == "predictions: nothing was counted of this version in the window before"
    mine = window(NOON - 2 * HOUR)
    assert said([others(NOON - 2 * HOUR), mine, *latest(score_shift=0.4)], against).verdict is FIRED


# ---- performance

ACCURACY = {"performance": {"metric": "accuracy", "min": 0.8, "consecutive": 3, "minLabels": 500}}
DROP = {"performance": {"metric": "accuracy", "relativeToBaseline": -0.08, "consecutive": 1}}
DECAY = {"decay": {"metric": "accuracy", "perWindow": -0.005, "windows": 10}}
ESTIMATE = {"estimatedPerformance": {"metric": "accuracy", "min": 0.9, "consecutive": 1}}


def hours(*accuracies: float, labels: int = 1000, end: float = NOON) -> list[Window]:
    return in_a_row(end, [{"accuracy": accuracy, "labels": labels, "silent": True} for accuracy in accuracies])


def test_three_bad_windows_in_a_row() -> None:
    assert said(hours(0.79, 0.79, 0.79), ACCURACY).verdict is FIRED
    assert said(hours(0.9, 0.79, 0.79), ACCURACY).verdict is QUIET
    assert said(hours(0.79, 0.79), ACCURACY).verdict is QUIET


def test_only_mature_labels_are_judged() -> None:
    fresh = hours(0.5, 0.5, 0.5)
    mature = hours(0.9, 0.9, 0.9, end=NOON - 24 * HOUR)
    assert said([*mature, *fresh], ACCURACY, maturity="1d").verdict is QUIET
    assert said([*mature, *fresh], ACCURACY).verdict is FIRED
    late = {"performance": {**ACCURACY["performance"], "labelMaturity": "90d"}}
    assert said([*mature, *fresh], late).verdict is UNKNOWN


def test_a_drop_against_the_holdout() -> None:
    assert said(hours(0.84), DROP).verdict is QUIET
    assert said(hours(0.82), DROP).verdict is FIRED


def test_without_kept_predictions_there_are_no_outcomes() -> None:
    found = said(hours(0.5), ACCURACY, predictions_kept=False)
    assert (found.verdict, found.sentence) == (UNKNOWN, NO_PREDICTIONS)


def test_a_concept_that_turned_while_the_inputs_stayed() -> None:
    concept = {"conceptDrift": {"metric": "accuracy"}}
    windows = latest(labels=1000, accuracy=0.7)
    assert said(windows, concept).verdict is FIRED
    assert said(windows, {"drift": {}}).verdict is QUIET
    assert said(latest(labels=1000, accuracy=0.9, shift=2.0), concept).verdict is QUIET


def test_a_slow_decline() -> None:
    assert said(hours(*(0.95 - 0.02 * hour for hour in range(10))), DECAY).verdict is FIRED
    assert said(hours(*[0.9] * 10), DECAY).verdict is QUIET
    assert said(hours(0.9, 0.7), DECAY).verdict is UNKNOWN


def test_a_holdout_with_a_handful_of_positives_says_nothing_of_scores() -> None:
    few = msgspec.structs.replace(
        REFERENCE, calibration=Calibration(rows=(3997, 3), scores=(500.0, 2.0), positives=(1, 2))
    )
    found = said(latest(), ESTIMATE, reference=few)
    assert (found.verdict, found.sentence) == (
        UNKNOWN,
        "accuracy: the holdout has 3 positive rows and 3997 negative ones, 20 of each are needed to say what scores "
        "mean: train with a larger holdout",
    )


def test_a_healthy_model_with_two_scores_is_quiet() -> None:
    """A tree that is sure of itself and right nine times in ten."""
    held = numbers([0.0] * 1000 + [1.0] * 1000, (0.5,))
    tree = msgspec.structs.replace(
        REFERENCE,
        profile=msgspec.structs.replace(REFERENCE.profile, prediction=held),
        calibration=Calibration(rows=(1000, 1000), scores=(0.0, 1000.0), positives=(100, 900)),
    )
    seen = msgspec.structs.replace(window(NOON - HOUR), profile=tree.profile)
    limit = {"estimatedPerformance": {"metric": "accuracy", "min": 0.8, "consecutive": 1}}
    found = said([seen], limit, reference=tree)
    assert found.verdict is QUIET
    assert found.sentence.startswith("accuracy is estimated to be 0.9 ")


def test_an_estimate_is_marked_as_one() -> None:
    found = said(latest(), ESTIMATE)
    assert (found.verdict, found.provisional) == (FIRED, True)
    assert "is estimated to be" in found.sentence
    assert not said(latest(), {"drift": {}}).provisional
