"""Live rows, counted on the bins of the reference profile that came with the model. Counts and moments, never a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from viridian.api.privacy import plain
from viridian.api.profile import Categories, Numbers, Profile, ReferenceProfile, Sketch, Task
from viridian.serving.bundle.signature import ColumnKind, Matrix, Signature
from viridian.serving.data import predicted_values
from viridian.serving.data.batch import Batch, join_batches
from viridian.serving.data.outputs import Output, join

_LARGEST: Final = 1e150
"""Numbers beyond it count as infinite: their squares would be."""


class Unprofiled(Exception):
    """The model's inputs cannot be counted on this profile; the message is one sentence for people."""


class PredictedRows(msgspec.Struct, frozen=True, gc=False):
    """Rows and what the model answered to them. One is made for each request: a dataclass takes five times as long."""

    batch: Batch
    outputs: Sequence[Output]
    prediction: str = ""
    """The id of the first row; row n > 0 has `-n` after it."""
    time: float = 0.0
    """Seconds since 1970."""


class LiveProfile:
    """Counts since the last `take`. Not for several threads at once."""

    def __init__(self, reference: ReferenceProfile, signature: Signature) -> None:
        features = reference.profile.features
        kinds = _kinds(signature, features)
        for name, sketch in features.items():
            if isinstance(sketch, Numbers) and kinds[name] is ColumnKind.STRING:
                raise Unprofiled(f"the profile has numbers for {name!r}, but the model takes strings there")
        self._order = tuple(features)
        self._places = _places(signature, features)
        numeric = {name: sketch for name, sketch in features.items() if isinstance(sketch, Numbers)}
        self._numeric = tuple(numeric)
        self._lines = _NumericCounts(tuple(numeric.values()))
        self._names = {
            name: _CategoryCounts(sketch) for name, sketch in features.items() if isinstance(sketch, Categories)
        }
        self._prediction = _Predictions(reference)
        self._rows = 0

    def add(self, answered: Sequence[PredictedRows]) -> None:
        """Count these rows."""
        if not answered:
            return
        batch = join_batches([one.batch for one in answered])
        rows, column = batch.rows, self._columns(batch)
        if self._numeric:
            values = np.empty((len(self._numeric), rows))
            for place, name in enumerate(self._numeric):
                values[place] = column(name)
            self._lines.add(values)
        for name, names in self._names.items():
            names.add(column(name).tolist())
        self._prediction.add(join([one.outputs for one in answered]), rows)
        self._rows += rows

    @property
    def prediction(self) -> Sketch:
        """The predictions among it."""
        return self._prediction.counted

    def take(self) -> Profile:
        """What was counted since it was asked before."""
        lines = dict(zip(self._numeric, self._lines.take(), strict=True))
        names = {name: counts.take() for name, counts in self._names.items()}
        features: dict[str, Sketch] = {name: lines[name] if name in lines else names[name] for name in self._order}
        rows, self._rows = self._rows, 0
        return Profile(features=features, prediction=self._prediction.take(), rows=rows, sampled=rows)

    def _columns(self, batch: Batch) -> Callable[[str], NDArray[Any]]:
        """Gives the values of a feature."""
        if batch.matrix is not None:
            matrix = batch.matrix
            return lambda name: matrix[:, self._places[name]]
        return lambda name: (batch.columns or {})[name]


def _kinds(signature: Signature, features: dict[str, Sketch]) -> dict[str, ColumnKind]:
    """What the model takes for each feature of the profile; Unprofiled where it takes no such thing."""
    if isinstance(signature, Matrix):
        if signature.width not in (None, len(features)):
            raise Unprofiled(f"the profile has {len(features)} features, but the model takes {signature.width} columns")
        return dict.fromkeys(features, ColumnKind.FLOAT)
    known = {column.name: column.kind for column in signature.columns}
    for name in features:
        if name not in known:
            raise Unprofiled(f"the profile has the feature {name!r}, which the model does not take")
    return known


def _places(signature: Signature, features: dict[str, Sketch]) -> dict[str, int]:
    """Where each feature stands in a matrix: by name, or in the profile's order where columns have no names."""
    names = list(features) if isinstance(signature, Matrix) else [column.name for column in signature.columns]
    return {name: place for place, name in enumerate(names)}


class _NumericCounts:
    """Bins and moments of several features that are numbers, all at once."""

    def __init__(self, references: Sequence[Numbers]) -> None:
        self._edges = [np.array(reference.edges, dtype=np.float64) for reference in references]
        sizes = [len(edges) + 1 for edges in self._edges]
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._starts = self._ends - np.array(sizes, dtype=np.int64)
        self._clear()

    def _clear(self) -> None:
        features = len(self._edges)
        self._counts = np.zeros(int(self._ends[-1]) if features else 0, dtype=np.int64)
        self._missing = np.zeros(features, dtype=np.int64)
        self._finite = np.zeros(features, dtype=np.int64)
        self._mean, self._m2 = np.zeros(features), np.zeros(features)
        self._low, self._high = np.full(features, np.inf), np.full(features, -np.inf)

    def add(self, values: NDArray[np.float64]) -> None:
        """One line of values for each feature, NaN where one is missing."""
        bins = np.empty(values.shape, dtype=np.int64)
        for place, edges in enumerate(self._edges):
            # Left: bin i holds edges[i-1] < x <= edges[i]. NaN sorts behind everything, so into the last bin.
            bins[place] = np.searchsorted(edges, values[place], side="left")
        bins += self._starts[:, None]
        self._counts += np.bincount(bins.ravel(), minlength=len(self._counts))
        missing = np.isnan(values).sum(axis=1)
        self._counts[self._ends - 1] -= missing
        self._missing += missing
        self._add_moments(values)

    def _add_moments(self, values: NDArray[np.float64]) -> None:
        """Chan, Golub and LeVeque (1983), formula 2.1, as in viridian.judgement.merging."""
        usable = np.abs(values) < _LARGEST
        count = usable.sum(axis=1)
        held = np.where(usable, values, 0.0)
        several = np.maximum(count, 1)
        mean = held.sum(axis=1) / several
        spread = np.where(usable, values - mean[:, None], 0.0)
        together = np.maximum(self._finite + count, 1)
        apart, share = mean - self._mean, count / together
        self._mean += apart * share
        self._m2 += (spread * spread).sum(axis=1) + apart * apart * self._finite * share
        self._finite += count
        self._low = np.minimum(self._low, np.where(usable, values, np.inf).min(axis=1, initial=np.inf))
        self._high = np.maximum(self._high, np.where(usable, values, -np.inf).max(axis=1, initial=-np.inf))

    @property
    def counted(self) -> list[Numbers]:
        counts = self._counts.tolist()
        return [
            Numbers(
                edges=tuple(edges.tolist()),
                counts=tuple(counts[start:end]),
                missing=int(missing),
                mean=float(mean),
                m2=float(m2),
                finite=int(finite),
                minimum=float(low) if finite else None,
                maximum=float(high) if finite else None,
            )
            for edges, start, end, missing, mean, m2, finite, low, high in zip(
                self._edges, self._starts, self._ends, self._missing, self._mean, self._m2, self._finite,
                self._low, self._high, strict=True,
            )
        ]  # fmt: skip

    def take(self) -> list[Numbers]:
        taken = self.counted
        self._clear()
        return taken


class _CategoryCounts:
    """Counts of one feature by the category names of the reference."""

    def __init__(self, reference: Categories) -> None:
        self._names = reference.names
        self._known = frozenset(reference.names)
        self._counts: Counter[str] = Counter()
        self._other = 0
        self._missing = 0

    def add(self, values: Sequence[Any]) -> None:
        """None and NaN are missing."""
        for value, count in Counter(values).items():
            if value is None or value != value:  # the second is NaN
                self._missing += count
            elif (name := plain(value)) in self._known:
                self._counts[name] += count
            else:
                self._other += count

    @property
    def counted(self) -> Categories:
        return Categories(
            names=self._names,
            counts=tuple(self._counts[name] for name in self._names),
            other=self._other,
            missing=self._missing,
        )

    def take(self) -> Categories:
        taken = self.counted
        self._counts, self._other, self._missing = Counter(), 0, 0
        return taken


class _Predictions:
    """What is counted of the answers; a row without a usable prediction counts as missing."""

    def __init__(self, reference: ReferenceProfile) -> None:
        sketch = reference.profile.prediction
        self._classes = _CategoryCounts(sketch) if isinstance(sketch, Categories) else None
        self._line = _NumericCounts([sketch] if isinstance(sketch, Numbers) else [])
        if (self._classes is None) is (reference.task is Task.MULTICLASS):
            raise Unprofiled(f"the profile's predictions do not fit its task, {reference.task.value}")
        self._numbers = predicted_values.scores if reference.task is Task.BINARY else predicted_values.numbers

    def add(self, outputs: Sequence[Output], rows: int) -> None:
        if self._classes is not None:
            labels = predicted_values.labels(outputs)
            self._classes.add(labels if labels is not None and len(labels) == rows else [None] * rows)
        else:
            values = self._numbers(outputs)
            usable = values is not None and len(values) == rows
            self._line.add(values[None, :] if values is not None and usable else np.full((1, rows), np.nan))

    @property
    def counted(self) -> Sketch:
        return self._classes.counted if self._classes is not None else self._line.counted[0]

    def take(self) -> Sketch:
        return self._classes.take() if self._classes is not None else self._line.take()[0]
