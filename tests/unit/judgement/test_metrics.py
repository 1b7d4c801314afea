"""Metrics from sums: the same as scikit-learn's from the rows, with standard errors that are right."""

from __future__ import annotations

import math
import random
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from tests.support.sketches import classified, regressed
from viridian.api.performance import SCORE_BINS, Performance, PerformanceMetric, score_in
from viridian.api.profile import Task
from viridian.judgement.merging import merge_performances
from viridian.judgement.metrics import LOWER_IS_BETTER, OF_NUMBERS, default_metric, measure

BINARY = ("no", "yes")
COLOURS = ("red", "green", "blue", "never")
LABELS = (PerformanceMetric.ACCURACY, PerformanceMetric.PRECISION, PerformanceMetric.RECALL, PerformanceMetric.F1)
_REFERENCE = {
    PerformanceMetric.ACCURACY: lambda a, p: reference.accuracy_score(a, p),
    PerformanceMetric.PRECISION: lambda a, p: reference.precision_score(a, p, average="macro", zero_division=0.0),
    PerformanceMetric.RECALL: lambda a, p: reference.recall_score(a, p, average="macro", zero_division=0.0),
    PerformanceMetric.F1: lambda a, p: reference.f1_score(a, p, average="macro", zero_division=0.0),
}


@pytest.mark.parametrize("metric", LABELS)
@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(COLOURS[:3]), st.sampled_from(COLOURS[:3])), min_size=1, max_size=50))
def test_labels_of_many_classes(metric: PerformanceMetric, rows: list[tuple[str, str]]) -> None:
    actual, predicted = zip(*rows, strict=True)
    found = measure(metric, classified(actual, predicted, COLOURS))
    assert found is not None
    assert found.value == pytest.approx(_REFERENCE[metric](actual, predicted))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(BINARY), st.sampled_from(BINARY)), min_size=1, max_size=50))
def test_of_two_classes_the_second_is_the_positive_one(rows: list[tuple[str, str]]) -> None:
    actual, predicted = zip(*rows, strict=True)
    joined = classified(actual, predicted, BINARY)
    for metric, score in (
        (PerformanceMetric.PRECISION, reference.precision_score),
        (PerformanceMetric.RECALL, reference.recall_score),
        (PerformanceMetric.F1, reference.f1_score),
    ):
        found = measure(metric, joined)
        if found is not None:
            assert found.value == pytest.approx(score(actual, predicted, pos_label="yes", zero_division=0.0))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, SCORE_BINS - 2)), min_size=2, max_size=60))
def test_scores(rows: list[tuple[bool, int]]) -> None:
    """Scores in the middle of their bins, so that binning loses nothing."""
    actual = [BINARY[positive] for positive, _ in rows]
    scores = [score_in(bin_) for _, bin_ in rows]
    joined = classified(actual, [BINARY[score > 0.5] for score in scores], BINARY, scores)
    truth = [positive for positive, _ in rows]
    brier, loss, area = (
        measure(metric, joined)
        for metric in (PerformanceMetric.BRIER, PerformanceMetric.LOG_LOSS, PerformanceMetric.AUC)
    )
    assert brier is not None
    assert loss is not None
    assert brier.value == pytest.approx(fmean((t - s) ** 2 for t, s in zip(truth, scores, strict=True)))
    assert loss.value == pytest.approx(reference.log_loss(truth, scores, labels=[False, True]))
    if len(set(truth)) == 1:
        assert area is None
    else:
        assert area is not None
        assert area.value == pytest.approx(reference.roc_auc_score(truth, scores))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=40))
def test_numbers(rows: list[tuple[float, float]]) -> None:
    actual, predicted = zip(*rows, strict=True)
    joined = regressed(actual, predicted)
    expected = {
        PerformanceMetric.MAE: reference.mean_absolute_error(actual, predicted),
        PerformanceMetric.RMSE: reference.root_mean_squared_error(actual, predicted),
        PerformanceMetric.BIAS: float(np.mean(np.subtract(predicted, actual))),
    }
    for metric, value in expected.items():
        found = measure(metric, joined)
        assert found is not None
        assert found.value == pytest.approx(value, abs=1e-9)
    if np.var(actual) > 1e-6:
        found = measure(PerformanceMetric.R2, joined)
        assert found is not None
        assert found.value == pytest.approx(reference.r2_score(actual, predicted), rel=1e-6, abs=1e-6)


def test_what_cannot_be_told_is_not() -> None:
    labels_only = classified(["yes", "no"], ["yes", "no"], BINARY)
    assert measure(PerformanceMetric.AUC, labels_only) is None
    assert measure(PerformanceMetric.MAE, labels_only) is None
    assert measure(PerformanceMetric.ACCURACY, regressed([1.0], [1.0])) is None
    assert measure(PerformanceMetric.ACCURACY, None) is None
    assert measure(PerformanceMetric.PRECISION, classified(["yes"], ["no"], BINARY)) is None, (
        "nothing was called positive"
    )
    assert measure(PerformanceMetric.R2, regressed([2.0, 2.0], [1.0, 3.0])) is None, "the outcomes do not vary"


def test_every_metric_can_be_measured_somewhere() -> None:
    scored = classified(["yes", "no"], ["yes", "no"], BINARY, [0.8, 0.3])
    errors = regressed([1.0, 2.0], [1.5, 2.0])
    for metric in PerformanceMetric:
        assert measure(metric, errors if metric in OF_NUMBERS else scored) is not None
    assert all(measure(default_metric(task), errors if task is Task.REGRESSION else scored) for task in Task)
    assert set(LOWER_IS_BETTER) < set(PerformanceMetric)


def test_windows_merge_to_the_metric_of_all_their_rows() -> None:
    parts = [
        Performance(predicted=9, labelled=2, joined=classified(["yes", "no"], ["yes", "yes"], BINARY, [0.9, 0.6])),
        Performance(predicted=5, labelled=0),
        Performance(predicted=1, labelled=1, joined=classified(["no"], ["no"], BINARY, [0.2])),
    ]
    whole = merge_performances(parts)
    assert (whole.predicted, whole.labelled) == (15, 3)
    found = measure(PerformanceMetric.AUC, whole.joined)
    assert found is not None
    assert found.value == 1.0


@pytest.mark.parametrize("metric", [metric for metric in PerformanceMetric if metric not in OF_NUMBERS])
def test_standard_errors_of_classification_are_those_of_repeated_samples(metric: PerformanceMetric) -> None:
    chance = random.Random(7)

    def sample() -> tuple[float, float]:
        scores = [chance.betavariate(2, 3) for _ in range(400)]
        actual = [BINARY[chance.random() < score] for score in scores]
        found = measure(metric, classified(actual, [BINARY[score > 0.5] for score in scores], BINARY, scores))
        assert found is not None
        return found.value, found.error

    _matches([sample() for _ in range(200)])


@pytest.mark.parametrize("metric", OF_NUMBERS)
def test_standard_errors_of_regression_are_those_of_repeated_samples(metric: PerformanceMetric) -> None:
    chance = random.Random(8)

    def sample() -> tuple[float, float]:
        actual = [chance.gauss(10, 3) for _ in range(400)]
        found = measure(metric, regressed(actual, [value + chance.gauss(0.5, 1.5) for value in actual]))
        assert found is not None
        return found.value, found.error

    _matches([sample() for _ in range(200)])


def _matches(samples: list[tuple[float, float]]) -> None:
    """The errors that were told are about the spread that is seen."""
    seen, told = stdev(value for value, _ in samples), fmean(error for _, error in samples)
    assert 0.8 < told / seen < 1.25
    assert all(math.isfinite(error) for _, error in samples)
