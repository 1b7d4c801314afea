"""The evaluation of a candidate beside the champion on the same rows: each difference with its interval.

Areas under ROC curves have the error of DeLong, everything else that of a stratified paired bootstrap. Bounds are
those of a normal distribution: estimate -/+ quantile times standard error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viridian.api.evaluation import DEFAULT_CONFIDENCE, HoldoutEvaluation, MetricComparison, SliceComparison
from viridian.training import delong
from viridian.training.evaluation_request import SliceRequest
from viridian.training.paired_bootstrap import Summed, paired_errors
from viridian.training.rows import Rows
from viridian.training.scores import Predicted
from viridian.training.summed_metrics import of_many_classes, of_numbers, of_two_classes

MIN_ROWS: Final = 20
"""Of each class, or in all for numbers: with fewer, agreement by chance looks like certainty: there is no interval."""
MAX_VALUES: Final = 20
"""Of a column that makes slices; numbers with more values are cut into quarters."""
DELONG: Final = "DeLong"
BOOTSTRAP: Final = "paired bootstrap"
AREA: Final = "auc"
_BOUND: Final = NormalDist().inv_cdf(DEFAULT_CONFIDENCE)


@dataclass(frozen=True, slots=True)
class Judged:
    """One model's predictions on some rows, ready to be compared with another's on the same ones."""

    summed: Summed
    # Positive class, or each class by its number; None where there are no scores.
    scores: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class TrueValues:
    """The target: for two classes the greater label is the positive one, as everywhere in the trainer."""

    target: NDArray[Any]
    classifier: bool

    @property
    def classes(self) -> NDArray[Any]:
        return np.unique(self.target)

    @property
    def binary(self) -> bool:
        return self.classifier and len(self.classes) == 2

    @property
    def positive(self) -> NDArray[np.bool_]:
        return np.asarray(self.target == self.classes[-1])

    @property
    def strata(self) -> NDArray[Any]:
        return self.target if self.classifier else np.zeros(len(self.target), dtype=np.int8)

    def take(self, chosen: NDArray[np.bool_]) -> TrueValues:
        return TrueValues(self.target[chosen], self.classifier)

    def too_few(self) -> str:
        """Why these rows bear no interval; empty where they do."""
        rows = len(self.target)
        if not self.classifier:
            return f"only {rows} rows" if rows < MIN_ROWS else ""
        classes, counts = np.unique(self.target, return_counts=True)
        if len(classes) < 2:
            return "one class alone"
        return f"only {counts.min()} rows of a class" if counts.min() < MIN_ROWS else ""


def evaluation_of(
    target: NDArray[Any],
    candidate: Predicted,
    champion: Predicted | None,
    *,
    classifier: bool,
    holdout: str,
    rows: Rows | None = None,
    slices: Sequence[SliceRequest] = (),
    constant_baseline: bool = False,
) -> HoldoutEvaluation:
    """The evaluation. `rows` have the columns of the slices; without a champion its numbers are left out."""
    truth = TrueValues(target, classifier)
    few = truth.too_few()
    problems = [f"{few} in the holdout: no interval is known for so few"] if few else []
    found = HoldoutEvaluation(
        holdout=holdout,
        rows=len(target),
        positives=int(truth.positive.sum()) if truth.binary else None,
        metrics=compared(truth, candidate, champion),
        problems=tuple(problems),
    )
    if constant_baseline and champion is None:
        found = replace(found, baseline=compared(truth, candidate, constant(truth)))
    if champion is None or rows is None or not slices:
        return found
    sliced, without = by_slice(truth, candidate, champion, rows, slices)
    return replace(found, slices=sliced, slices_tested=len(sliced), problems=(*found.problems, *without))


def compared(
    truth: TrueValues, candidate: Predicted, champion: Predicted | None, *, metric: str | None = None
) -> Mapping[str, MetricComparison]:
    """All metrics of both on these rows, or one, with intervals where the rows bear them.

    `metric` is the name of the only one that is asked for, empty for the first of auc, accuracy and rmse.
    """
    ours = judged(truth, candidate, champion)
    own = _values(truth, ours)
    if champion is None:
        return {name: MetricComparison(candidate=value) for name, value in own.items()}
    theirs = judged(truth, champion, candidate)
    others = _values(truth, theirs)
    found = {name: MetricComparison(candidate=own[name], champion=others[name]) for name in own if name in others}
    if metric is not None:
        name = metric or _primary(found)
        found = {name: found[name]} if name in found else {}
    return found if truth.too_few() else _with_intervals(truth, ours, theirs, found)


def _with_intervals(
    truth: TrueValues, ours: Judged, theirs: Judged, found: Mapping[str, MetricComparison]
) -> Mapping[str, MetricComparison]:
    bounded = dict(found)
    if AREA in bounded:
        bounded[AREA] = _bounded(bounded[AREA], *_area_errors(truth, ours, theirs), DELONG)
    summed = [name for name in bounded if name != AREA]
    if summed:
        errors = paired_errors(ours.summed.only(summed), theirs.summed.only(summed), truth.strata)
        bounded |= {name: _bounded(bounded[name], e.difference, e.relative, BOOTSTRAP) for name, e in errors.items()}
    return bounded


def judged(truth: TrueValues, prediction: Predicted, other: Predicted | None) -> Judged:
    """`other`: classes that only the other model predicts count for both."""
    if not truth.classifier:
        return Judged(of_numbers(truth.target.astype(np.float64), prediction.values.astype(np.float64)))
    odds = prediction.probabilities
    known = odds is not None and odds.shape[1] == len(truth.classes)
    scores = np.asarray(odds, dtype=np.float64) if known else None
    if truth.binary:
        score = None if scores is None else np.clip(scores[:, 1], 0.0, 1.0)
        return Judged(of_two_classes(truth.positive, prediction.values == truth.classes[1], score), score)
    answers = (prediction.values, *(() if other is None else (other.values,)))
    classes = np.unique(np.concatenate([truth.target, *answers]))
    labels, predicted = np.searchsorted(classes, truth.target), np.searchsorted(classes, prediction.values)
    if len(classes) != len(truth.classes):
        scores = None
    return Judged(of_many_classes(labels, predicted, scores, len(classes)), scores)


def constant(truth: TrueValues) -> Predicted:
    """What a model without features would answer: the most frequent class and its shares, or the mean."""
    rows = len(truth.target)
    if not truth.classifier:
        return Predicted(np.full(rows, truth.target.astype(np.float64).mean()))
    classes, counts = np.unique(truth.target, return_counts=True)
    shares = np.tile(counts / rows, (rows, 1))
    return Predicted(np.full(rows, classes[counts.argmax()]), shares)


def by_slice(
    truth: TrueValues, candidate: Predicted, champion: Predicted, rows: Rows, asked: Sequence[SliceRequest]
) -> tuple[tuple[SliceComparison, ...], tuple[str, ...]]:
    """Each slice that is large enough, and why others were left out."""
    found: list[SliceComparison] = []
    problems: list[str] = []
    for request in asked:
        if request.column not in rows.values:
            problems.append(f"the holdout has no column {request.column!r} to make slices of")
            continue
        parts = list(slices_of(rows.values[request.column]))
        large = [(value, chosen) for value, chosen in parts if not truth.take(chosen).too_few()]
        if len(large) < len(parts):
            few = len(parts) - len(large)
            problems.append(f"{few} of {len(parts)} slices of {request.column} have too few rows to be compared")
        for value, chosen in large:
            ours, theirs = _take(candidate, chosen), _take(champion, chosen)
            for metric, one in compared(truth.take(chosen), ours, theirs, metric=request.metric).items():
                found.append(_sliced(request.column, value, metric, chosen, one))
    return tuple(found), tuple(problems)


def _sliced(column: str, value: str, metric: str, chosen: NDArray[np.bool_], one: MetricComparison) -> SliceComparison:
    return SliceComparison(column=column, value=value, metric=metric, rows=int(chosen.sum()), compared=one)


def slices_of(values: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The values of a column with their rows; many numbers as four quarters, rare texts together, gaps apart."""
    gaps = np.asarray([value is None or value != value for value in values.tolist()], dtype=np.bool_)
    present = values[~gaps]
    if gaps.any():
        yield "missing", gaps
    if not len(present):
        return
    numeric = present.dtype.kind == "f"
    distinct, counts = np.unique(present if numeric else present.astype(str), return_counts=True)
    if numeric and len(distinct) > MAX_VALUES:
        yield from _quarters(values, present, ~gaps)
        return
    names = np.where(gaps, "", values.astype(object)) if not numeric else values
    texts = names if numeric else names.astype(str)
    frequent = distinct[np.argsort(-counts, kind="stable")][:MAX_VALUES]
    for value in frequent:
        yield (f"{value:g}" if numeric else str(value)), (texts == value) & ~gaps
    if len(distinct) > MAX_VALUES:
        yield "other", ~np.isin(texts, frequent) & ~gaps


def _quarters(
    values: NDArray[np.float64], present: NDArray[np.float64], known: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    edges = np.unique(np.quantile(present, [0.25, 0.5, 0.75]))
    quarter = np.searchsorted(edges, values, side="right")
    for place in range(len(edges) + 1):
        low = f"from {edges[place - 1]:.4g}" if place else ""
        high = f"below {edges[place]:.4g}" if place < len(edges) else ""
        yield " ".join(part for part in (low, high) if part), (quarter == place) & known


def _take(prediction: Predicted, chosen: NDArray[np.bool_]) -> Predicted:
    odds = prediction.probabilities
    return Predicted(prediction.values[chosen], None if odds is None else odds[chosen])


def _primary(metrics: Mapping[str, MetricComparison]) -> str:
    return next((name for name in (AREA, "accuracy", "rmse") if name in metrics), "")


def _values(truth: TrueValues, one: Judged) -> dict[str, float]:
    area = _area(truth, one)
    return {**({} if area is None else {AREA: area.value}), **one.summed.values()}


def _area(truth: TrueValues, one: Judged) -> delong.Area | None:
    counts = np.unique(truth.target, return_counts=True)[1]
    if one.scores is None or len(counts) < 2 or counts.min() < 2 or not np.isfinite(one.scores).all():
        return None
    if truth.binary:
        return delong.area(one.scores, truth.positive)
    return delong.one_against_the_rest(one.scores, np.searchsorted(truth.classes, truth.target))


def _area_errors(truth: TrueValues, ours: Judged, theirs: Judged) -> tuple[float, float | None]:
    mine, other = _area(truth, ours), _area(truth, theirs)
    if mine is None or other is None:
        raise ValueError("an area was compared that is not there")
    difference = delong.standard_error(mine.influence - other.influence)
    if other.value <= 0:
        return difference, None
    return difference, delong.standard_error(mine.influence - mine.value / other.value * other.influence) / other.value


def _bounded(found: MetricComparison, error: float, relative: float | None, method: str) -> MetricComparison:
    difference, change = found.difference, None
    if found.champion and relative is not None:
        change = found.candidate / found.champion - 1
    if difference is None:
        return found
    return replace(
        found,
        low=difference - _BOUND * error,
        high=difference + _BOUND * error,
        relative_low=None if change is None or relative is None else change - _BOUND * relative,
        relative_high=None if change is None or relative is None else change + _BOUND * relative,
        method=method,
    )
