"""Verdicts on metrics: limits, windows in a row, worse than on the holdout, slowly worse."""

from __future__ import annotations

from typing import Any

import pytest

from viridian.api.monitoring import Decision
from viridian.api.performance import Classified, PerformanceMetric
from viridian.judgement.figures import Figure, MonitorVerdict
from viridian.judgement.metrics import Measured, measure
from viridian.judgement.performance import Baseline, Limit, WindowMetric, concept_drift, decay, within_limit

HOLDOUT = Baseline(value=0.9, rows=2000)
UNKNOWN = Baseline(value=None)


def window(value: float | None, known: int = 1000, error: float = 0.005) -> WindowMetric:
    measured = None if value is None else Measured(value, error, known)
    return WindowMetric(measured=measured, known=known, predicted=2 * known)


def limited(*values: float | WindowMetric, consecutive: int = 3, baseline: Baseline = HOLDOUT, **limit: Any) -> Figure:
    windows = [value if isinstance(value, WindowMetric) else window(value) for value in values]
    metric = limit.pop("metric", PerformanceMetric.AUC)
    return within_limit(Limit(metric=metric, **limit), windows, baseline, min_samples=500, consecutive=consecutive)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.79, 0.79, 0.79), MonitorVerdict.FIRED),
        ((0.81, 0.79, 0.79), MonitorVerdict.QUIET),
        ((0.79, 0.79, 0.81), MonitorVerdict.QUIET),
        ((0.79, 0.79), MonitorVerdict.QUIET),
        ((0.79, 0.80, 0.79), MonitorVerdict.QUIET),
        ((0.5, 0.79, 0.79, 0.79), MonitorVerdict.FIRED),
    ],
)
def test_the_newest_windows_in_a_row_count(values: tuple[float, ...], verdict: MonitorVerdict) -> None:
    assert limited(*values, min=0.8).verdict is verdict


def test_a_window_with_too_few_labels_breaks_no_silence() -> None:
    few = window(0.5, known=499)
    assert limited(0.79, 0.79, few, min=0.8).verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert limited(0.79, few, 0.79, 0.79, min=0.8).verdict is MonitorVerdict.QUIET
    assert limited(few, min=0.8).sentence == "auc: 499 mature labels of 998 predictions, 500 are needed"
    assert limited(min=0.8).verdict is MonitorVerdict.INSUFFICIENT_DATA


def test_an_area_over_a_handful_of_positives_is_no_verdict() -> None:
    few = WindowMetric(measured=Measured(0.5, 0.01, 1000, rarer=3), known=1000, predicted=1000)
    figure = limited(few, few, few, min=0.8)
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert figure.sentence == (
        "auc: it rests on fewer than 20 rows of one kind, such as positive ones: choose a longer window"
    )
    assert limited(0.79, few, 0.79, min=0.8).verdict is MonitorVerdict.QUIET, "and ends a row of bad windows"


def test_a_share_of_nothing_is_not_known_exactly() -> None:
    """No hit among a hundred positives, where 2 % were expected: that happens in one of eight windows."""
    none = Classified(classes=("no", "yes"), confusion=((4900, 0), (100, 0)))
    found = measure(PerformanceMetric.RECALL, none)
    assert found is not None
    assert found.error > 0
    figure = concept_drift(
        PerformanceMetric.RECALL, WindowMetric(measured=found, known=5000, predicted=5000),
        Baseline(value=0.02, rows=5000), threshold=0.1, decision=Decision.LOWER_BOUND, min_samples=500,
    )  # fmt: skip
    assert figure.verdict is MonitorVerdict.QUIET


def test_a_small_holdout_is_as_unsure_of_a_share_of_few_rows() -> None:
    """Precision of 50 of 500 rows against a holdout of 100 rows, of which about 10 were called positive."""
    seen = WindowMetric(measured=Measured(0.6, 0.069, 50), known=500, predicted=500)
    figure = concept_drift(
        PerformanceMetric.PRECISION,
        seen,
        Baseline(value=0.9, rows=100),
        threshold=0.1,
        decision=Decision.LOWER_BOUND,
        min_samples=500,
    )
    assert figure.verdict is MonitorVerdict.QUIET


def test_errors_have_a_maximum() -> None:
    assert limited(5.1, max=5.0, metric=PerformanceMetric.MAE, consecutive=1).verdict is MonitorVerdict.FIRED
    assert limited(5.0, max=5.0, metric=PerformanceMetric.MAE, consecutive=1).verdict is MonitorVerdict.QUIET


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.83, MonitorVerdict.QUIET), (0.828, MonitorVerdict.QUIET), (0.82, MonitorVerdict.FIRED)]
)
def test_a_fall_by_more_than_8_percent_of_the_holdout(value: float, verdict: MonitorVerdict) -> None:
    assert limited(value, relative=-0.08, consecutive=1).verdict is verdict


def test_a_rise_of_an_error_relative_to_the_holdout() -> None:
    holdout = Baseline(value=2.0, rows=500)
    for value, verdict in ((2.1, MonitorVerdict.QUIET), (2.3, MonitorVerdict.FIRED)):
        figure = limited(value, relative=0.1, metric=PerformanceMetric.RMSE, consecutive=1, baseline=holdout)
        assert figure.verdict is verdict


def test_what_is_relative_needs_the_metric_of_the_holdout() -> None:
    figure = limited(0.5, relative=-0.08, baseline=UNKNOWN)
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert "does not tell the metric" in figure.sentence


def test_sentences_of_limits() -> None:
    assert limited(0.79, 0.79, min=0.8).sentence == (
        "auc is 0.79 (standard error 0.005) on the 1000 of 2000 rows with a label, below 0.8 in 2 of 3 windows in a row"
    )
    assert limited(0.82, relative=-0.08, consecutive=1).sentence == (
        "auc is 0.82 (standard error 0.005) on the 1000 of 2000 rows with a label, below 0.828, "
        "which is 8 % below the 0.9 of the holdout"
    )
    estimated = within_limit(
        Limit(metric=PerformanceMetric.AUC, min=0.8),
        [window(0.85)],
        HOLDOUT,
        min_samples=100,
        consecutive=1,
        estimated=True,
    )
    assert estimated.estimated
    assert estimated.sentence.startswith("auc is estimated to be 0.85")


# ---- concept drift


def drifted(value: float | None, *, known: int = 1000, error: float = 0.005, **more: Any) -> Figure:
    asked = {"threshold": 0.1, "decision": Decision.LOWER_BOUND, "min_samples": 500, **more}
    baseline = asked.pop("baseline", HOLDOUT)
    return concept_drift(asked.pop("metric", PerformanceMetric.AUC), window(value, known, error), baseline, **asked)


def test_more_errors_than_on_the_holdout() -> None:
    assert drifted(0.9).verdict is MonitorVerdict.QUIET
    assert drifted(0.95).verdict is MonitorVerdict.QUIET
    assert drifted(0.7).verdict is MonitorVerdict.FIRED


def test_the_bound_allows_for_chance_in_the_window_and_on_the_holdout() -> None:
    assert drifted(0.8).verdict is MonitorVerdict.QUIET
    assert drifted(0.8, decision=Decision.POINT).verdict is MonitorVerdict.FIRED
    assert drifted(0.76, error=0.02).verdict is MonitorVerdict.QUIET
    assert drifted(0.7, baseline=Baseline(value=0.9, rows=10)).verdict is MonitorVerdict.QUIET, "a holdout of 10 rows"


def test_errors_that_grow() -> None:
    holdout = Baseline(value=2.0, rows=2000)
    assert drifted(2.5, metric=PerformanceMetric.MAE, error=0.02, baseline=holdout).verdict is MonitorVerdict.FIRED
    assert drifted(1.5, metric=PerformanceMetric.MAE, error=0.02, baseline=holdout).verdict is MonitorVerdict.QUIET


def test_without_labels_or_holdout_nothing_is_said_of_the_concept() -> None:
    for figure in (drifted(0.5, known=100), drifted(0.5, baseline=UNKNOWN), drifted(None)):
        assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert (
        concept_drift(
            PerformanceMetric.AUC, None, HOLDOUT, threshold=0.1, decision=Decision.POINT, min_samples=500
        ).sentence
        == "auc: nothing is known of the window: 500 mature labels are needed"
    )


# ---- decay


def declining(by: float, windows: int = 14, error: float = 0.005, known: int = 500, **more: Any) -> Figure:
    judged = [window(0.9 - by * number, known, error) for number in range(windows)]
    asked = {"per_window": -0.005, "relative": None, "decision": Decision.LOWER_BOUND, "min_samples": 100, **more}
    return decay(asked.pop("metric", PerformanceMetric.AUC), judged, asked.pop("baseline", HOLDOUT), **asked)


def test_a_decline_faster_than_allowed() -> None:
    assert declining(0.02).verdict is MonitorVerdict.FIRED
    assert declining(0.0).verdict is MonitorVerdict.QUIET
    assert declining(-0.02).verdict is MonitorVerdict.QUIET


def test_a_slope_that_may_be_chance_does_not_fire() -> None:
    assert declining(0.006, error=0.05).verdict is MonitorVerdict.QUIET
    assert declining(0.006, error=0.05, decision=Decision.POINT).verdict is MonitorVerdict.FIRED


def test_a_decline_relative_to_the_holdout() -> None:
    assert declining(0.02, per_window=None, relative=-0.01).verdict is MonitorVerdict.FIRED
    assert declining(0.008, per_window=None, relative=-0.01).verdict is MonitorVerdict.QUIET
    assert (
        declining(0.02, per_window=None, relative=-0.01, baseline=UNKNOWN).verdict is MonitorVerdict.INSUFFICIENT_DATA
    )


def test_errors_decay_upwards() -> None:
    assert declining(-0.02, per_window=0.005, metric=PerformanceMetric.LOG_LOSS).verdict is MonitorVerdict.FIRED
    assert declining(0.02, per_window=0.005, metric=PerformanceMetric.LOG_LOSS).verdict is MonitorVerdict.QUIET


def test_a_trend_needs_windows_with_labels() -> None:
    figure = declining(0.02, known=50)
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert figure.sentence == "auc: 0 of the last 14 windows have 100 mature labels, 7 are needed"
    assert declining(0.02, windows=3).verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert "from window to window" in declining(0.02).sentence


def test_nothing_is_a_share_of_an_error_of_0() -> None:
    figure = concept_drift(
        PerformanceMetric.MAE,
        window(0.2),
        Baseline(value=0.0, rows=2000),
        threshold=0.1,
        decision=Decision.LOWER_BOUND,
        min_samples=500,
    )
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert figure.sentence == (
        "mae: it is 0 on the holdout, and no share of that can be taken: use performance with max"
    )


# ---- what other thresholds would have made of it


@pytest.mark.parametrize("threshold", [0.5, 0.79, 0.8, 0.82, 0.85, 0.9])
def test_a_figure_tells_for_every_limit_whether_it_fires(threshold: float) -> None:
    values = (0.9, 0.82, 0.8, 0.79)
    low, high = limited(*values, min=0.7), limited(*values, max=0.7)
    assert low.fires_at(threshold) == (limited(*values, min=threshold).verdict is MonitorVerdict.FIRED)
    assert high.fires_at(threshold) == (limited(*values, max=threshold).verdict is MonitorVerdict.FIRED)


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.1, 0.2])
def test_a_figure_tells_for_every_decline_whether_it_fires(threshold: float) -> None:
    assert drifted(0.7).fires_at(threshold) == (drifted(0.7, threshold=threshold).verdict is MonitorVerdict.FIRED)


def test_without_enough_windows_no_limit_fires() -> None:
    assert not limited(0.1, min=0.8).fires_at(0.9)
