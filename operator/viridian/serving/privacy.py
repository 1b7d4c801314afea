"""Answered rows as the collector gets them: sampled, without what is denied, and with keyed hashes for what is hashed.

Runs before anything leaves the process, and before anything waits for the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from viridian.api.feedback import Prediction, Value
from viridian.api.privacy import Rules, keyed_hash
from viridian.api.profile import Task
from viridian.api.refusals import Refusal
from viridian.serving import predicted
from viridian.serving.errors import ServingError
from viridian.serving.live_profile import Answered
from viridian.serving.shadow import sampled
from viridian.serving.signature import Kind, Signature, Table


class Redactor:
    """Makes rows for the collector from answers of one model."""

    def __init__(self, rules: Rules, key: bytes, signature: Signature, task: Task) -> None:
        self._rules = rules
        self._key = key
        self._task = task
        columns = signature.columns if isinstance(signature, Table) else ()
        self._named = bool(columns)
        self._whole = {column.name for column in columns if column.kind is Kind.INTEGER}
        self._columns = [column.name for column in columns]
        self._hidden = {*rules.deny, rules.subject}
        self._hashed = frozenset(rules.hash)

    def rows(self, answered: Answered) -> Iterator[Prediction]:
        """One for each row that the sample names and whose answer says what was predicted."""
        count = answered.batch.rows
        identifiers = [answered.prediction, *(f"{answered.prediction}-{row}" for row in range(1, count))]
        places = [row for row, name in enumerate(identifiers) if sampled(name, self._rules.sampling)]
        told = self._predictions(answered)
        if not places or told is None or len(told) != count:
            return
        scores = predicted.scores(answered.outputs) if self._task is Task.BINARY else None
        features = self._features(answered)
        subjects = self._subjects(answered)
        for row in places:
            value = told[row]
            if isinstance(value, float) and not math.isfinite(value):
                continue
            yield Prediction(
                id=identifiers[row],
                time=answered.time,
                features={name: values[row] for name, values in features},
                prediction=value,
                score=None if scores is None or not math.isfinite(scores[row]) else float(scores[row]),
                subject=subjects(row),
            )

    def _predictions(self, answered: Answered) -> Sequence[float | str] | None:
        if self._task is not Task.REGRESSION:
            return predicted.labels(answered.outputs)
        values = predicted.numbers(answered.outputs)
        return None if values is None else values.tolist()

    def _features(self, answered: Answered) -> list[tuple[str, list[Value]]]:
        """What may leave, column by column. Inputs without names are called by their places."""
        names = self._columns if self._named else [str(place) for place in range(_width(answered))]
        return [(name, self._shown(name, _column(answered, place, name))) for place, name in enumerate(names)
                if name not in self._hidden]  # fmt: skip

    def _shown(self, name: str, values: list[Any]) -> list[Value]:
        if name in self._whole:
            values = [None if _missing(value) else int(value) for value in values]
        if name in self._hashed:
            return [None if _missing(value) else keyed_hash(self._key, value) for value in values]
        return [None if _missing(value) else value for value in values]

    def _subjects(self, answered: Answered) -> Callable[[int], str]:
        """Gives the hash of whom a row is about; what is denied is not even hashed."""
        subject = self._rules.subject
        if not subject or subject in self._rules.deny:
            return lambda _: ""
        if subject in answered.batch.extras:
            values = list(answered.batch.extras[subject])
        elif subject in self._columns:
            values = _column(answered, self._columns.index(subject), subject)
        else:
            return lambda _: ""
        return lambda row: "" if _missing(values[row]) else keyed_hash(self._key, values[row])


def read_key(path: Path | None, rules: Rules, secret: str = "") -> bytes:
    """The key of the hashes, from a file that the Secret brings; ServingError where it is needed and missing."""
    if not rules.needs_key:
        return b""
    if path is None:
        raise ServingError(
            "VIRIDIAN_FEEDBACK asks for hashes, but VIRIDIAN_FEEDBACK_KEY_FILE names no key", Refusal.NO_HASH_KEY
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
    return ServingError(f"the key of the hashes {problem}{advice if secret else ''}", Refusal.NO_HASH_KEY)


def _width(answered: Answered) -> int:
    return 0 if answered.batch.matrix is None else answered.batch.matrix.shape[1]


def _column(answered: Answered, place: int, name: str) -> list[Any]:
    batch = answered.batch
    values = batch.matrix[:, place] if batch.matrix is not None else (batch.columns or {})[name]
    return values.tolist()  # type: ignore[no-any-return]


def _missing(value: Any) -> bool:
    return value is None or value != value
