"""Whether a payload answers as the estimator does: on the holdout, on rows of the training, and on probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree._tree import Tree

from viridian.serving.bundle.signature import Table
from viridian.serving.data import dataframe
from viridian.serving.execution import model as serving
from viridian.serving.runtimes.trees import parts
from viridian.training.boosting_libraries import library_of, with_categories, with_known_categories
from viridian.training.bundle import signature_of
from viridian.training.holdout import Holdout
from viridian.training.parity import difference, differing, spread_of
from viridian.training.partial_predictions import Asked, asked
from viridian.training.probes import Probe, Probes, as_rows, changed, combined, named, some_of
from viridian.training.rows import DatasetColumn, Rows
from viridian.training.scores import Predicted, predict
from viridian.training.served_model import LoadedVersion, batch_of

MOST_LOOKED_AT: Final = 50_000
"""Rows whose values the probes are made from."""
MOST_LISTED: Final = 1000
"""Values of a column that a version can list as the only ones it answers for."""
ROOM: Final = 10.0
"""Numbers so many times as large as the known ones are answered as the estimator does, or there is no graph."""
LEAST_ROOM: Final = 1e6
SEEN: Final = "rows of the training"


@dataclass(frozen=True, slots=True)
class ExaminationVerdict:
    """Of a payload's answers."""

    doubt: str | None = None
    """What keeps a server with these answers from being the estimator, in words."""
    largest: float | None = None
    """There is no doubt, if greater numbers than this are refused."""


@dataclass(frozen=True, slots=True)
class Examination:
    """Questions, and what the estimator itself answers."""

    holdout: Holdout
    """Columns for which the estimator knows some values alone say so."""
    expected: Predicted
    probes: Probes
    outputs: Asked
    """By the estimator about the probes."""
    greatest: float
    """Of the known numbers, whatever their signs."""

    @property
    def count(self) -> int:
        return len(self.holdout.rows) + len(self.probes)

    def verdict(self, answers: Predicted, outputs: Asked) -> ExaminationVerdict:
        doubt = difference(self.expected, answers)
        if doubt is not None:
            return ExaminationVerdict(doubt)
        problems = [(rows, words) for rows, words in self._problems(outputs) if rows.any()]
        if not problems:
            return ExaminationVerdict()
        largest = self._largest(np.logical_or.reduce([rows for rows, _ in problems]))
        if largest is not None:
            return ExaminationVerdict(largest=largest)
        rows, words = problems[0]
        return ExaminationVerdict(f"{self._what(rows)}: {words or self._difference(rows, outputs)}")

    def _problems(self, outputs: Asked) -> list[tuple[NDArray[np.bool_], str]]:
        """Kinds of problems, and the probes that have them."""
        differs = both = outputs.answered & self.outputs.answered
        if both.any():
            differs = both.copy()
            differs[both] = differing(self.outputs.of(both), outputs.of(both), spread_of(self.expected))
        return [
            (outputs.failed, "the graph raises"),
            (outputs.answered & ~self.outputs.answered, "the estimator raises, and a server would answer"),
            (
                self.outputs.answered & ~outputs.answered & ~outputs.failed & ~outputs.too_large,
                "a server would refuse it",
            ),
            (differs, ""),
        ]

    def _largest(self, wrong: NDArray[np.bool_]) -> float | None:
        """Up to which number all is well, where that is far beyond what is known."""
        least = self.probes.size[wrong].min()
        fine = self.probes.size[self.probes.size < least].max(initial=0.0)
        return float(fine) if fine >= max(ROOM * self.greatest, LEAST_ROOM) else None

    def _difference(self, wrong: NDArray[np.bool_], outputs: Asked) -> str:
        alike = wrong & np.array([what == self._what(wrong) for what in self.probes.what])
        return difference(self.outputs.of(alike), outputs.of(alike), spread_of(self.expected)) or ""

    def _what(self, rows: NDArray[np.bool_]) -> str:
        return self.probes.what[int(np.flatnonzero(rows)[0])]


def examination(model: Any, holdout: Holdout, expected: Predicted, learnt: Rows | None) -> Examination:
    """Asks the estimator. Without the rows that it was fitted on, the probes are made from the holdout alone."""
    seen = holdout.rows if learnt is None else holdout.rows.followed_by(learnt)
    known = some_of(_finite(seen), MOST_LOOKED_AT)
    if library_of(model) is not None:
        holdout = replace(holdout, features=with_known_categories(holdout.features, seen.values))
    bases = some_of(known if learnt is None else _finite(learnt)) if len(known) else known
    single = changed(known, len(bases), _edges(model, holdout.columns)) if len(bases) else []
    answered = _Estimator(model, holdout).asked(as_rows(single, bases)).answered
    narrow = _narrowed(model, holdout, known, bases, single, answered)
    several = combined([probe for probe, fine in zip(single, answered, strict=True) if fine], len(bases))
    untouched = [Probe(base, {}, SEEN) for base in range(len(bases))]
    probes = named([*untouched, *single, *several], replace(bases, columns=narrow.columns))
    outputs = _Estimator(model, narrow).asked(probes.rows)
    return Examination(narrow, expected, probes, outputs, _greatest(known))


def answers(directory: Path, holdout: Rows, probes: Rows) -> tuple[Predicted, Asked]:
    """What a server with this bundle answers."""
    served = LoadedVersion(directory)
    return served.predict(holdout), served.asked(probes)


class _Estimator:
    """The fitted estimator, asked with what it was fitted on: a data frame or a matrix."""

    def __init__(self, model: Any, holdout: Holdout) -> None:
        self._model = model
        self._like = holdout.features
        self._by_category = library_of(model) is not None
        signature = signature_of(holdout.columns)
        self._reader = serving.reader(signature)
        none = frozenset(column.name for column in holdout.columns if column.none)
        self._table = dataframe.maker(signature.columns, none) if isinstance(signature, Table) else None

    def asked(self, rows: Rows) -> Asked:
        return asked(lambda chosen: predict(self._model, self._features(rows.take(chosen))), len(rows))

    def _features(self, rows: Rows) -> Any:
        batch = batch_of(rows, self._reader)
        if isinstance(self._like, pd.DataFrame) and self._table is not None:
            frame = self._table(batch)
            frame.columns = self._like.columns
            return with_categories(frame, self._like) if self._by_category else frame
        like = np.asarray(self._like).dtype
        return rows.matrix.astype(np.int64 if like.kind in "iu" else like)


def _narrowed(
    model: Any, holdout: Holdout, known: Rows, bases: Rows, single: Sequence[Probe], answered: NDArray[np.bool_]
) -> Holdout:
    """Columns for which the estimator raises at each value that is not known list those that it answers for."""
    columns = []
    for column in holdout.columns:
        values = set(known.values[column.name].tolist())
        unknown = np.array(
            [_changes(probe, column.name) and probe.changes[column.name] not in values for probe in single]
        )
        listed = None
        if column.type != "boolean" and unknown.any() and not answered[unknown].any():
            listed = _answered_for(model, holdout, column, values, bases)
        columns.append(replace(column, known=listed))
    return replace(holdout, rows=replace(holdout.rows, columns=tuple(columns)))


def _changes(probe: Probe, name: str) -> bool:
    return list(probe.changes) == [name] and probe.changes[name] is not None


def _answered_for(
    model: Any, holdout: Holdout, column: DatasetColumn, values: set[Any], bases: Rows
) -> tuple[Any, ...] | None:
    """Which of the known values, and of those that encoders list, the estimator answers for."""
    kinds: tuple[type, ...] = (str,) if column.type == "string" else (int, float)
    listed = [value for part in parts(model) for value in _categories(part)]
    candidates = sorted(
        {_plain(column, value) for value in (*values, *listed) if isinstance(value, kinds) and value == value}
    )
    if len(candidates) > MOST_LISTED:
        return None
    probes = [Probe(0, {column.name: value}, "") for value in candidates]
    answered = _Estimator(model, holdout).asked(as_rows(probes, bases)).answered
    return tuple(value for value, fine in zip(candidates, answered.tolist(), strict=True) if fine)


def _plain(column: DatasetColumn, value: Any) -> Any:
    return int(value) if column.type == "long" and float(value).is_integer() else value


def _categories(part: Any) -> list[Any]:
    found = getattr(part, "categories_", None)
    return [value for values in found for value in np.asarray(values).tolist()] if isinstance(found, list) else []


def _greatest(rows: Rows) -> float:
    numbers = [np.abs(rows.values[column.name]) for column in rows.columns if column.numeric]
    return max((float(np.nanmax(one, initial=0.0)) for one in numbers), default=0.0)


def _finite(rows: Rows) -> Rows:
    """Without those that hold an infinite number: no request can."""
    fine = np.ones(len(rows), np.bool_)
    for column in rows.columns:
        if column.numeric:
            fine &= ~np.isinf(rows.values[column.name])
    return rows if fine.all() else rows.take(np.flatnonzero(fine))


def _edges(model: Any, columns: Sequence[DatasetColumn]) -> Mapping[str, NDArray[np.float64]]:
    """The thresholds of trees over as many features as there are columns: mostly they are these columns."""
    trees = [part for part in parts(model) if isinstance(part, Tree) and part.n_features == len(columns)]
    if not trees:
        return {}
    feature = np.concatenate([tree.feature for tree in trees])
    threshold = np.concatenate([tree.threshold for tree in trees])
    return {column.name: threshold[feature == place] for place, column in enumerate(columns)}
