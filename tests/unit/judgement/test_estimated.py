"""Performance without outcomes: right while scores mean what they meant, whatever the inputs do."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.support.draws import MODELS
from tests.support.sketches import classified, edges_of, numbers
from viridian.api.performance import PerformanceMetric
from viridian.api.profile import SCORE_GRID, Calibration, Numbers, Sketch
from viridian.judgement.estimated import estimate
from viridian.judgement.metrics import measure
from viridian.training import profile
from viridian.training.profile import counted_on

CLASSES = ("no", "yes")
ESTIMABLE = tuple(
    metric
    for metric in PerformanceMetric
    if metric not in (PerformanceMetric.MAE, PerformanceMetric.RMSE, PerformanceMetric.BIAS, PerformanceMetric.R2)
)


def rows_of(
    chance: random.Random, n: int, a: float, b: float, truth: Callable[[float], float]
) -> list[tuple[float, str]]:
    """Scores, and outcomes that are positive with the chance that `truth` makes of the score."""
    scores = [chance.betavariate(a, b) for _ in range(n)]
    return [(score, CLASSES[chance.random() < truth(score)]) for score in scores]


def calibration_of(rows: list[tuple[float, str]], bins: int = 20) -> Calibration:
    count, total, positives = [0] * bins, [0.0] * bins, [0] * bins
    for score, actual in rows:
        bin_ = min(bins - 1, int(score * bins))
        count[bin_] += 1
        total[bin_] += score
        positives[bin_] += actual == "yes"
    return Calibration(rows=tuple(count), scores=tuple(total), positives=tuple(positives))


@pytest.mark.parametrize("metric", ESTIMABLE)
@pytest.mark.parametrize("truth", [lambda s: s, lambda s: s**2], ids=["calibrated", "too sure of itself"])
def test_the_estimate_follows_inputs_that_moved(metric: PerformanceMetric, truth: Callable[[float], float]) -> None:
    """Trained where positives are rare, used where they are frequent; the holdout tells what scores mean."""
    chance = random.Random(9)
    holdout, live = rows_of(chance, 8000, 2, 5, truth), rows_of(chance, 8000, 3, 4, truth)
    edges = {*edges_of([score for score, _ in holdout], bins=20), *(part * SCORE_GRID for part in range(1, 20))}
    scores = numbers([score for score, _ in live], sorted(edges))
    expected = estimate(metric, scores, calibration_of(holdout), threshold=0.5)
    actual = [label for _, label in live]
    seen = measure(metric, classified(actual, [CLASSES[s > 0.5] for s, _ in live], CLASSES, [s for s, _ in live]))
    assert expected is not None
    assert seen is not None
    if metric in (PerformanceMetric.BRIER, PerformanceMetric.LOG_LOSS) and truth(0.5) != 0.5:
        # The loss is of the score as it was given; where that is far from the truth only the order of sizes is kept.
        assert expected.value == pytest.approx(seen.value, rel=0.05)
    else:
        assert expected.value == pytest.approx(seen.value, abs=0.025)


@pytest.mark.parametrize("moved", [False, True], ids=["as before", "inputs moved"])
@pytest.mark.parametrize(
    "metric", [PerformanceMetric.ACCURACY, PerformanceMetric.AUC, PerformanceMetric.BRIER, PerformanceMetric.LOG_LOSS]
)
@pytest.mark.parametrize("model", MODELS)
def test_few_different_scores_are_estimated_as_they_are(model: str, metric: PerformanceMetric, moved: bool) -> None:
    chance = np.random.default_rng(7)
    held, positive = MODELS[model](chance, 5000, False)
    sketch = profile.scores(held, 0.5)
    now, actual = MODELS[model](chance, 5000, moved)
    expected = estimate(
        metric, _numbers(counted_on(sketch, now)), profile.calibration(held, positive, sketch.edges), threshold=0.5
    )
    labels = [CLASSES[one] for one in actual.astype(int)]
    said = [CLASSES[one] for one in (now > 0.5).astype(int)]
    seen = measure(metric, classified(labels, said, CLASSES, now.tolist()))
    assert expected is not None
    assert seen is not None
    # Five standard errors of the difference; the estimate's own includes that of the holdout.
    assert abs(expected.value - seen.value) <= 5 * (expected.error**2 + seen.error**2) ** 0.5
    assert expected.error < (0.3 if metric is PerformanceMetric.LOG_LOSS else 0.1)


def test_the_area_of_rare_events_is_that_of_the_rows() -> None:
    """Their scores all lie next to 0: equal bins would call nearly all of them ties."""
    chance = np.random.default_rng(8)
    drawn, actual = MODELS["0.5 % positives"](chance, 40_000, False)
    order = stats.rankdata(drawn)
    p, n = int(actual.sum()), int((~actual).sum())
    exact = (order[actual].sum() - p * (p + 1) / 2) / (p * n)
    labels = [CLASSES[one] for one in actual.astype(int)]
    found = measure(PerformanceMetric.AUC, classified(labels, [CLASSES[0]] * len(labels), CLASSES, drawn.tolist()))
    assert found is not None
    assert found.value == pytest.approx(exact, abs=0.002)


def _numbers(sketch: Sketch) -> Numbers:
    assert isinstance(sketch, Numbers)
    return sketch


def test_a_changed_concept_goes_unseen() -> None:
    """Why an estimate never stands for labels: the outcomes turn round, the scores do not."""
    chance = random.Random(10)
    holdout = rows_of(chance, 5000, 1, 1, lambda score: score)
    live = rows_of(chance, 5000, 1, 1, lambda score: 1 - score)
    scores = numbers([score for score, _ in live], edges_of([score for score, _ in holdout]))
    expected = estimate(PerformanceMetric.ACCURACY, scores, calibration_of(holdout), threshold=0.5)
    assert expected is not None
    assert expected.value > 0.7


_COUNTS = st.lists(st.integers(0, 50), min_size=5, max_size=5)


@pytest.mark.parametrize("metric", ESTIMABLE)
@given(_COUNTS, _COUNTS, st.floats(0, 1), st.lists(st.floats(0, 1), max_size=30))
def test_any_scores_and_any_calibration(
    metric: PerformanceMetric, negatives: list[int], positives: list[int], threshold: float, scores: list[float]
) -> None:
    rows = [no + yes for no, yes in zip(negatives, positives, strict=True)]
    calibration = Calibration(
        rows=tuple(rows), scores=tuple((n + 0.5) / 5 * row for n, row in enumerate(rows)), positives=tuple(positives)
    )
    found = estimate(metric, numbers(scores, (0.25, 0.5, 0.75)), calibration, threshold)
    assert found is None or (found.value >= 0 and found.error >= 0)
