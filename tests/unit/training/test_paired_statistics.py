"""Areas, resamples and their errors: against scikit-learn, against plain definitions, and on simulated models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from viridian.training import delong
from viridian.training.evaluation_request import SliceRequest
from viridian.training.paired_bootstrap import paired_errors, resamples_for
from viridian.training.paired_evidence import TrueValues, compared, constant, evaluation_of, slices_of
from viridian.training.rows import rows_of
from viridian.training.scores import Predicted
from viridian.training.summed_metrics import of_many_classes, of_numbers, of_two_classes

Numbers = NDArray[np.float64]


def binary(scores: Numbers, threshold: float = 0.5) -> Predicted:
    return Predicted((scores > threshold).astype(np.int64), np.column_stack([1 - scores, scores]))


def population(chance: np.random.Generator, rows: int, *, ours: float = 1.0, theirs: float = 1.0) -> tuple[Any, ...]:
    """Labels and two models that see the same noise and some of their own, and so much of the label."""
    positive = chance.random(rows) < 0.3
    shared = chance.normal(size=rows)

    def scores(strength: float) -> Numbers:
        seen = strength * positive + shared + 0.5 * chance.normal(size=rows)
        return 1 / (1 + np.exp(1.2 - seen))

    return positive.astype(np.int64), scores(ours), scores(theirs)


SCORED = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans()), min_size=6, max_size=40)


def two_models(rows: list[tuple[int, int, bool]]) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    ours, theirs, flags = (np.array(column) for column in zip(*rows, strict=True))
    assume(2 <= flags.sum() <= len(flags) - 2)
    return ours.astype(np.float64), theirs.astype(np.float64), flags.astype(np.bool_)


def error_by_definition(ours: Numbers, theirs: Numbers, positive: NDArray[np.bool_]) -> float:
    """DeLong's, pair by pair."""

    def placements(scores: Numbers) -> tuple[Numbers, Numbers]:
        wins = (scores[positive][:, None] > scores[~positive]) + 0.5 * (scores[positive][:, None] == scores[~positive])
        return wins.mean(axis=1), wins.mean(axis=0)

    (above, below), (other_above, other_below) = placements(ours), placements(theirs)
    of_positives = np.var(above - other_above, ddof=1) / positive.sum()
    return float(np.sqrt(of_positives + np.var(below - other_below, ddof=1) / (~positive).sum()))


@given(SCORED)
def test_an_area_is_that_of_scikit_learn_and_its_error_that_of_the_definition(
    rows: list[tuple[int, int, bool]],
) -> None:
    ours, theirs, positive = two_models(rows)
    mine, other = delong.area(ours, positive), delong.area(theirs, positive)
    assert mine.value == pytest.approx(metrics.roc_auc_score(positive, ours))
    error = delong.standard_error(mine.influence - other.influence)
    assert error == pytest.approx(error_by_definition(ours, theirs, positive), abs=1e-12)


@given(SCORED)
def test_an_area_sees_the_order_of_scores_alone(rows: list[tuple[int, int, bool]]) -> None:
    ours, _, positive = two_models(rows)
    for same_order in (np.exp(ours), 3 * ours - 7, np.arctan(ours - 3)):
        moved = delong.area(same_order, positive)
        assert moved.value == pytest.approx(delong.area(ours, positive).value)
        assert moved.influence == pytest.approx(delong.area(ours, positive).influence)


@settings(max_examples=15, deadline=None)
@given(SCORED)
def test_swapping_the_two_models_turns_the_interval_around(rows: list[tuple[int, int, bool]]) -> None:
    ours, theirs, positive = two_models(rows * 10)
    target = positive.astype(np.int64)
    assume(min(positive.sum(), (~positive).sum()) >= 20)
    there = compared(TrueValues(target, True), binary(ours / 6), binary(theirs / 6))
    back = compared(TrueValues(target, True), binary(theirs / 6), binary(ours / 6))
    for name, one in there.items():
        assert (one.candidate, one.champion) == (back[name].champion, back[name].candidate)
        assert one.low == pytest.approx(-(back[name].high or 0.0), abs=1e-12), name
        assert one.high == pytest.approx(-(back[name].low or 0.0), abs=1e-12), name


@settings(max_examples=15, deadline=None)
@given(SCORED)
def test_a_model_beside_itself_differs_in_nothing(rows: list[tuple[int, int, bool]]) -> None:
    ours, _, positive = two_models(rows * 10)
    assume(min(positive.sum(), (~positive).sum()) >= 20)
    found = compared(TrueValues(positive.astype(np.int64), True), binary(ours / 6), binary(ours / 6))
    assert {(one.low, one.high) for one in found.values()} == {(0.0, 0.0)}


def test_the_metrics_of_two_classes_are_those_of_scikit_learn() -> None:
    target, scores, _ = population(np.random.default_rng(1), 500)
    says = scores > 0.4
    found = of_two_classes(target == 1, says, scores).values()
    assert found == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(target, says),
            "f1": metrics.f1_score(target, says),
            "precision": metrics.precision_score(target, says),
            "recall": metrics.recall_score(target, says),
            "fpr": 1 - metrics.recall_score(target, says, pos_label=0),
            "brier": metrics.brier_score_loss(target, scores),
            "log_loss": metrics.log_loss(target, scores),
            "calibration_error": found["calibration_error"],
        }
    )


def test_calibration_is_the_mean_distance_of_scores_and_frequencies_by_bin() -> None:
    scores, target = np.array([0.05, 0.05, 0.05, 0.05, 0.75, 0.75]), np.array([0, 0, 0, 1, 1, 1])
    found = of_two_classes(target == 1, scores > 0.5, scores).values()["calibration_error"]
    assert found == pytest.approx((4 * abs(0.05 - 0.25) + 2 * abs(0.75 - 1.0)) / 6)


def test_the_metrics_of_many_classes_and_of_numbers_are_those_of_scikit_learn() -> None:
    chance = np.random.default_rng(2)
    labels, predicted = chance.integers(0, 4, 300), chance.integers(0, 4, 300)
    odds = chance.dirichlet(np.ones(4), 300)
    assert of_many_classes(labels, predicted, odds, 4).values() == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(labels, predicted),
            "f1": metrics.f1_score(labels, predicted, average="macro"),
            "log_loss": metrics.log_loss(labels, odds),
        }
    )
    assert delong.one_against_the_rest(odds, labels).value == pytest.approx(
        metrics.roc_auc_score(labels, odds, multi_class="ovr")
    )
    true, said = chance.normal(5, 2, 300), chance.normal(5, 2, 300)
    assert of_numbers(true, said).values() == pytest.approx(
        {
            "rmse": metrics.root_mean_squared_error(true, said),
            "mae": metrics.mean_absolute_error(true, said),
            "r2": metrics.r2_score(true, said),
        }
    )


def test_the_error_of_a_difference_of_means_is_the_one_that_a_formula_gives() -> None:
    target, ours, theirs = population(np.random.default_rng(3), 4000)
    mine, other = (of_two_classes(target == 1, scores > 0.5, scores) for scores in (ours, theirs))
    losses = (ours - target) ** 2 - (theirs - target) ** 2
    within = [np.var(losses[target == label]) * (target == label).sum() for label in (0, 1)]
    expected = np.sqrt(sum(within)) / len(target)
    assert paired_errors(mine, other, target)["brier"].difference == pytest.approx(expected, rel=0.05)


def test_the_same_rows_give_the_same_bounds_and_large_holdouts_fewer_resamples() -> None:
    target, ours, theirs = population(np.random.default_rng(4), 300)
    first, second = (compared(TrueValues(target, True), binary(ours), binary(theirs)) for _ in range(2))
    assert first == second
    assert [resamples_for(rows) for rows in (100, 40_000, 10**7)] == [1000, 500, 200]


COVERED = 200


def test_intervals_cover_the_true_difference_as_often_as_they_say() -> None:
    """95 % of two sides; with 200 pairs, fewer than 178 or all of them would be no chance."""
    chance = np.random.default_rng(5)
    true = _values(*population(chance, 500_000, ours=1.2, theirs=1.0))
    inside = dict.fromkeys(true, 0)
    for _ in range(COVERED):
        target, ours, theirs = population(chance, 400, ours=1.2, theirs=1.0)
        for name, one in compared(TrueValues(target, True), binary(ours), binary(theirs)).items():
            if name in true:
                inside[name] += (one.low or 0.0) <= true[name] <= (one.high or 0.0)
    assert {name: count for name, count in inside.items() if not 178 <= count < COVERED} == {}


def _values(target: NDArray[np.int64], ours: Numbers, theirs: Numbers) -> dict[str, float]:
    """The true differences. The calibration error has a bias on few rows, so that its true value is not asked for."""
    mine, other = (of_two_classes(target == 1, scores > 0.5, scores).values() for scores in (ours, theirs))
    area = delong.area(ours, target == 1).value - delong.area(theirs, target == 1).value
    differences = {name: mine[name] - other[name] for name in mine if name != "calibration_error"}
    return {"auc": area, **differences}


# ---- the whole evaluation


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(2, 5))
def test_few_rows_bear_no_interval_and_nothing_fails(zeros: int, ones: int, classes: int) -> None:
    target = np.array([0] * zeros + [1] * ones)
    assume(len(target) > 0)
    answers = Predicted(np.zeros(len(target), dtype=np.int64), np.full((len(target), classes), 1 / classes))
    found = evaluation_of(target, answers, answers, classifier=True, holdout="sha256:h")
    enough = zeros >= 20 and ones >= 20
    assert bool(found.problems) is not enough
    assert {one.has_interval for one in found.metrics.values()} == {enough}


def test_many_classes_and_numbers_are_compared_as_well() -> None:
    chance = np.random.default_rng(7)
    labels = np.array(list("abc"))[chance.integers(0, 3, 300)]
    odds = chance.dirichlet(np.ones(3), 300)
    answers = Predicted(np.array(list("abc"))[odds.argmax(axis=1)], odds)
    elsewhere = Predicted(np.full(300, "d"), None)
    found = evaluation_of(labels, answers, answers, classifier=True, holdout="sha256:h")
    assert {"auc", "accuracy", "f1", "log_loss"} == set(found.metrics)
    assert found.positives is None
    assert set(evaluation_of(labels, answers, elsewhere, classifier=True, holdout="sha256:h").metrics) == {
        "accuracy",
        "f1",
    }
    true = chance.normal(size=300)
    regressed = evaluation_of(true, Predicted(true + 0.1), Predicted(true), classifier=False, holdout="sha256:h")
    assert regressed.metrics["mae"].low == pytest.approx(0.1)
    assert set(regressed.metrics) == {"rmse", "mae", "r2"}


def test_a_first_version_stands_beside_a_constant() -> None:
    target, ours, _ = population(np.random.default_rng(8), 2000)
    found = evaluation_of(target, binary(ours), None, classifier=True, holdout="sha256:h", constant_baseline=True)
    assert found.metrics["auc"].champion is None
    area = found.baseline["auc"]
    assert (area.champion, (area.low or 0.0) > 0.1) == (0.5, True)
    assert found.baseline["accuracy"].champion == pytest.approx(np.mean(target == 0))
    assert constant(TrueValues(np.array([1.0, 3.0]), False)).values.tolist() == [2.0, 2.0]


def test_slices_are_the_values_of_a_column() -> None:
    target, ours, theirs = population(np.random.default_rng(9), 2000)
    chance = np.random.default_rng(10)
    region = np.array(["north", "south", None], dtype=object)[chance.integers(0, 3, 2000)]
    frame = pd.DataFrame({"region": region, "age": chance.normal(40, 10, 2000), "rare": ["x"] * 1990 + ["y"] * 10})
    found = evaluation_of(
        target,
        binary(ours),
        binary(theirs),
        classifier=True,
        holdout="sha256:h",
        rows=rows_of(frame),
        slices=[SliceRequest("region"), SliceRequest("age", "accuracy"), SliceRequest("rare"), SliceRequest("town")],
    )
    by_column = {column: [one for one in found.slices if one.column == column] for column in ("region", "age", "rare")}
    assert sorted(one.value for one in by_column["region"]) == ["missing", "north", "south"]
    assert sum(one.rows for one in by_column["region"]) == 2000
    assert [(one.metric, one.rows) for one in by_column["age"]] == [("accuracy", 500)] * 4
    assert [one.value for one in by_column["rare"]] == ["x"]
    assert found.slices_tested == 8
    assert found.problems == (
        "1 of 2 slices of rare have too few rows to be compared",
        "the holdout has no column 'town' to make slices of",
    )
    north = region == "north"
    assert next(one for one in by_column["region"] if one.value == "north").compared.candidate == pytest.approx(
        metrics.roc_auc_score(target[north], ours[north])
    )


def test_every_row_is_in_one_slice_of_a_column() -> None:
    chance = np.random.default_rng(11)
    columns = [
        np.array([f"town {n}" for n in range(60)], dtype=object)[chance.integers(0, 60, 500)],
        np.where(chance.random(500) < 0.1, np.nan, chance.normal(size=500)),
        chance.integers(0, 3, 500).astype(np.float64),
        chance.random(500) < 0.5,
    ]
    for column in columns:
        parts = list(slices_of(column))
        assert np.sum([chosen for _, chosen in parts], axis=0).tolist() == [1] * 500
        assert len({value for value, _ in parts}) == len(parts)
