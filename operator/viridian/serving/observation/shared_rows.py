"""Answered rows as the collector gets them: sampled, without what is denied, and with keyed hashes for what is hashed.

Runs before anything leaves the process, and before anything waits for the network. Column by column: with every row
sent, a model of a tenth of a millisecond cannot afford a loop over the values of each row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from viridian.api.feedback import Block, Value
from viridian.api.privacy import Rules, keyed_hash
from viridian.api.profile import Task
from viridian.api.rejections import ModelRejection
from viridian.serving.bundle.signature import ColumnKind, Signature, Table
from viridian.serving.data import predicted_values
from viridian.serving.data.batch import Batch, join_batches
from viridian.serving.data.outputs import Output, join
from viridian.serving.errors import ServingError
from viridian.serving.observation.live_profile import PredictedRows
from viridian.serving.shadow.mirror import sampled

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Redacted:
    """What leaves of some answered rows."""

    block: Block
    unpredicted: int
    """Rows of the sample that stay here, because their answer names no prediction that can be stored."""


class Redactor:
    """Makes blocks for the collector from answers of one model."""

    def __init__(self, rules: Rules, key: bytes, signature: Signature, task: Task) -> None:
        self._rules = rules
        self._key = key
        self._task = task
        columns = signature.columns if isinstance(signature, Table) else ()
        self._named = bool(columns)
        self._whole = {column.name for column in columns if column.kind is ColumnKind.INTEGER}
        self._columns = [column.name for column in columns]
        self._hidden = {*rules.deny, rules.subject}
        self._hashed = frozenset(rules.hash)

    def redacted(self, portion: Sequence[PredictedRows]) -> Redacted:
        """The rows that the sample names and whose answers say what was predicted."""
        outputs = join([answered.outputs for answered in portion])
        identifiers = [identifier for answered in portion for identifier in _identifiers(answered)]
        drawn = self._drawn(identifiers)
        predictions, usable = self._predictions(outputs, len(identifiers))
        places = None if drawn.all() and usable.all() else np.flatnonzero(drawn & usable).tolist()
        times = [time for answered in portion for time in [answered.time] * answered.batch.rows]
        names, numbers, others = self._features(join_batches([answered.batch for answered in portion]), places)
        block = Block(
            ids=_at(identifiers, places),
            times=_at(times, places),
            columns=names,
            numbers=numbers.astype("<f8", copy=False).tobytes(),
            whole=[name for name in names if name in self._whole and name not in others],
            others=others,
            predictions=_at(predictions, places),
            scores=_at(self._scores(outputs), places),
            subjects=self._subjects(portion, places),
        )
        return Redacted(block, int((drawn & ~usable).sum()))

    def _drawn(self, identifiers: Sequence[str]) -> NDArray[np.bool_]:
        """Which rows the sample names."""
        share = self._rules.sampling
        if share >= 100:
            return np.ones(len(identifiers), np.bool_)
        return np.fromiter((sampled(name, share) for name in identifiers), np.bool_, len(identifiers))

    def _predictions(self, outputs: Sequence[Output], rows: int) -> tuple[list[Any], NDArray[np.bool_]]:
        """What was predicted, and for which rows that can be stored."""
        usable = np.ones(rows, np.bool_)
        if self._task is not Task.REGRESSION:
            predictions = predicted_values.labels(outputs)
        else:
            values = predicted_values.numbers(outputs)
            predictions = None if values is None else values.tolist()
            usable = usable if values is None or len(values) != rows else np.isfinite(values)
        if predictions is None or len(predictions) != rows:
            return [None] * rows, np.zeros(rows, np.bool_)
        return predictions, usable

    def _scores(self, outputs: Sequence[Output]) -> list[float | None]:
        scores = predicted_values.scores(outputs) if self._task is Task.BINARY else None
        if scores is None:
            return []
        return _without(scores, ~np.isfinite(scores))

    def _features(
        self, batch: Batch, places: list[int] | None
    ) -> tuple[list[str], NDArray[np.float64], dict[str, list[Value]]]:
        """What may leave: the columns, those that are numbers as a matrix, and all others as lists. Inputs without
        names are called by their places."""
        if batch.matrix is None:
            return self._of_columns(batch.columns or {}, places)
        matrix = batch.matrix if places is None else batch.matrix[places]
        names = self._columns if self._named else list(map(str, range(matrix.shape[1])))
        shown = [name for name in names if name not in self._hidden]
        numeric = [name not in self._hidden and name not in self._hashed for name in names]
        others = {
            name: self._hashes(values)
            for name, values in zip(names, matrix.T, strict=True)
            if name in self._hashed and name not in self._hidden
        }
        return shown, matrix if all(numeric) else matrix[:, np.flatnonzero(numeric)], others

    def _of_columns(
        self, columns: Mapping[str, NDArray[Any]], places: list[int] | None
    ) -> tuple[list[str], NDArray[np.float64], dict[str, list[Value]]]:
        shown = {
            name: columns[name] if places is None else columns[name][places]
            for name in self._columns
            if name not in self._hidden
        }
        others: dict[str, list[Value]] = {
            name: self._hashes(values) if name in self._hashed else values.tolist()
            for name, values in shown.items()
            if name in self._hashed or values.dtype.kind != "f"
        }
        numeric = [values for name, values in shown.items() if name not in others]
        return list(shown), np.column_stack(numeric) if numeric else np.empty((0, 0)), others

    def _hashes(self, values: NDArray[Any]) -> list[Value]:
        return [None if _missing(value) else keyed_hash(self._key, value) for value in values.tolist()]

    def _subjects(self, portion: Sequence[PredictedRows], places: list[int] | None) -> list[str]:
        """The hash of whom each row is about; what is denied is not even hashed."""
        subject = self._rules.subject
        if not subject or subject in self._rules.deny:
            return []
        values = [value for answered in portion for value in self._about(answered.batch, subject)]
        return ["" if _missing(value) else keyed_hash(self._key, value) for value in _at(values, places)]

    def _about(self, batch: Batch, subject: str) -> Sequence[Any]:
        if subject in batch.extras:
            return batch.extras[subject]
        if subject not in self._columns:
            return [None] * batch.rows
        if batch.matrix is not None:
            return batch.matrix[:, self._columns.index(subject)].tolist()  # type: ignore[no-any-return]
        return (batch.columns or {})[subject].tolist()  # type: ignore[no-any-return]


def read_key(path: Path | None, rules: Rules, secret: str = "") -> bytes:
    """The key of the hashes, from a file that the Secret brings; ServingError where it is needed and missing."""
    if not rules.needs_key:
        return b""
    if path is None:
        raise ServingError(
            "VIRIDIAN_FEEDBACK asks for hashes, but VIRIDIAN_FEEDBACK_KEY_FILE names no key", ModelRejection.NO_HASH_KEY
        )
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise _no_key(f"cannot be read from {path} ({error.strerror})", path, secret) from error
    if not key:
        raise _no_key(f"in {path} is empty", path, secret)
    return key


def _no_key(problem: str, path: Path, secret: str) -> ServingError:
    """With what to do, where a Secret was to bring it."""
    advice = (
        f": the Secret {secret!r}, which spec.feedback.hashKeySecretRef names, is missing or has no key {path.name!r}; "
        f"make it: kubectl create secret generic {secret} --from-literal={path.name}=$(openssl rand -hex 32)"
    )
    return ServingError(f"the key of the hashes {problem}{advice if secret else ''}", ModelRejection.NO_HASH_KEY)


def _identifiers(answered: PredictedRows) -> list[str]:
    """The id of the answer for its first row; row n > 0 has `-n` after it."""
    first = answered.prediction
    return [first, *(f"{first}-{row}" for row in range(1, answered.batch.rows))]


def _at(values: list[T], places: list[int] | None) -> list[T]:
    """Those at the places, or all."""
    return values if places is None or not values else [values[place] for place in places]


def _without(values: NDArray[Any], nothing: NDArray[np.bool_]) -> list[Any]:
    """The values, None where there is nothing."""
    if not nothing.any():
        return values.tolist()  # type: ignore[no-any-return]
    return [None if missing else value for value, missing in zip(values.tolist(), nothing.tolist(), strict=True)]


def _missing(value: Any) -> bool:
    return value is None or value != value
