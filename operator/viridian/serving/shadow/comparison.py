"""What two models answered to the same rows: how often alike, how far apart, and how each one's answers are spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from viridian.api import shadow as words
from viridian.api.shadow import Drop, Failure
from viridian.serving.data.outputs import Output
from viridian.serving.data.prediction_bins import Bins

MAX_ROWS: Final = 100
"""Of one request: comparing must stay far below a millisecond, because it shares the event loop with live answers."""


_DIFFERS_AS_A_WHOLE: Final = (Failure.REFUSED, Failure.UNLIKE)
"""A challenger that cannot answer what the champion answers does not agree with it."""


class OutputsDiffer(Exception):
    """The two answers do not have the same outputs and shapes."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared: with which challenger, in which comparison, and how far numbers may be apart."""

    challenger: str
    comparison: str = ""
    tolerance: float | None = None


class Comparison:
    """Counts about one comparison since the first order about it."""

    def __init__(self, compared: Compared, bins: Bins) -> None:
        self.compared = compared
        self._bins = bins
        self.decided = 0
        self.disagreement = 0.0
        self.requests = 0
        self.rows = 0
        self.agreeing = 0
        self.differing_rows = 0
        self.difference = 0.0
        self.failures: Counter[Failure] = Counter()
        self.dropped: Counter[Drop] = Counter()
        self.champions: Counter[str] = Counter()
        self.challengers: Counter[str] = Counter()

    def add(self, champion: Sequence[Output], challenger: Sequence[Output]) -> None:
        """Both answers to one request; OutputsDiffer, and nothing counted, when they cannot be compared."""
        champion, challenger = _head(champion), _head(challenger)
        if champion and challenger and not any(output.values.size for output in (*champion, *challenger)):
            return  # of no rows there is nothing to compare
        agree, differences, differ = _compared(champion, challenger, self.compared.tolerance)
        if differ is not None:
            self.decided += 1
            self.disagreement += float(differ.mean())
        self.requests += 1
        self.rows += len(agree)
        self.agreeing += int(agree.sum())
        self.differing_rows += len(differences)
        self.difference += float(differences.sum())
        self.champions.update(self._bins.of(champion))
        self.challengers.update(self._bins.of(challenger))

    def failed(self, reason: Failure) -> None:
        """A copy brought no answer to compare."""
        self.failures[reason] += 1
        if reason in _DIFFERS_AS_A_WHOLE:
            self.decided += 1
            self.disagreement += 1.0

    def families(self, names: Sequence[str], values: Sequence[str], share: float) -> Iterator[Metric]:
        """As Prometheus takes it; every series is there from the start."""
        labels, identity = [*names, "challenger"], [*values, self.compared.challenger]

        def counter(
            name: str, text: str, extra: Sequence[str], counts: Sequence[tuple[Sequence[str], float]]
        ) -> Metric:
            family = CounterMetricFamily(name, text, labels=[*labels, *extra])
            for also, count in counts:
                family.add_metric([*identity, *also], count)
            return family

        yield counter(words.COMPARED_METRIC, "Requests whose two answers were compared.", (), [((), self.requests)])
        yield counter(words.ROWS_METRIC, "Rows that were compared.", (), [((), self.rows)])
        yield counter(words.AGREEING_METRIC, "Rows on which both answers agree.", (), [((), self.agreeing)])
        yield counter(
            words.FAILURES_METRIC,
            "Copies without an answer to compare, by reason.",
            ("reason",),
            [((reason.value,), self.failures[reason]) for reason in Failure],
        )
        yield counter(
            words.DROPPED_METRIC,
            "Sampled requests that were not copied, by reason.",
            ("reason",),
            [((reason.value,), self.dropped[reason]) for reason in Drop],
        )
        sides = (("champion", self.champions), ("challenger", self.challengers))
        yield counter(
            words.PREDICTIONS_METRIC,
            "Predictions by bin of the reference profile.",
            ("by", "bin"),
            [((by, name), counts[name]) for by, counts in sides for name in self._bins.names],
        )
        difference = SummaryMetricFamily(
            words.DIFFERENCE_METRIC, "Absolute difference between the numbers of both answers.", labels=labels
        )
        difference.add_metric(identity, self.differing_rows, self.difference)
        yield difference
        disagreement = SummaryMetricFamily(
            words.DISAGREEMENT_METRIC, "Share of the rows of an answer that differ.", labels=labels
        )
        disagreement.add_metric(identity, self.decided, self.disagreement)
        yield disagreement
        now = GaugeMetricFamily(
            words.SHARE_METRIC, "Percent of requests that are copied now.", labels=[*labels, "comparison"]
        )
        now.add_metric([*identity, self.compared.comparison], share)
        yield now


def _head(outputs: Sequence[Output]) -> list[Output]:
    return [Output(output.name, output.values[:MAX_ROWS]) for output in outputs]


def _compared(
    champion: Sequence[Output], challenger: Sequence[Output], tolerance: float | None
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_] | None]:
    """For each row whether they agree; for each row with numbers on both sides, how far apart these are; and for each
    row whether it differs, None where nothing of the answers decides that.
    """
    others = {output.name: output.values for output in challenger}
    if not champion or others.keys() != {output.name for output in champion}:
        raise OutputsDiffer
    rows = len(champion[0].values)
    agree, apart, decides = np.ones(rows, dtype=np.bool_), np.full(rows, -1.0), tolerance is not None
    for output in champion:
        ours, theirs = output.values, others[output.name]
        if ours.shape != theirs.shape or len(ours) != rows or ours.size == 0:
            raise OutputsDiffer
        if _is_number(ours) and _is_number(theirs) and "f" in ours.dtype.kind + theirs.dtype.kind:
            agree &= _each_row(np.isfinite(ours) == np.isfinite(theirs), rows)
            with np.errstate(invalid="ignore", over="ignore"):
                distance = np.abs(ours - theirs).reshape(rows, -1).max(axis=1, initial=0.0)
            apart = np.where(np.isfinite(distance), np.maximum(apart, distance), apart)
        else:
            agree &= _each_row(ours == theirs, rows)
            decides = True
    differ = ~agree if tolerance is None else ~agree | (apart > tolerance)
    return agree, apart[apart >= 0.0], differ if decides else None


def _is_number(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iuf"


def _each_row(values: NDArray[Any], rows: int) -> NDArray[np.bool_]:
    """Whether it is true of every value of the row."""
    alike: NDArray[np.bool_] = np.all(values.reshape(rows, -1), axis=1)
    return alike
