"""The sample of predictions that people look at: drawn by a hash of the id, spread over strata, the doubtful first."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from viridian.api.feedback import Source, Value
from viridian.api.profile import Task
from viridian.feedback.ingest.outcomes import RANKS
from viridian.feedback.ingest.predictions import SAMPLING_KEY_BITS
from viridian.feedback.storage import tables
from viridian.feedback.storage.catalog import Known, servers_of

_CANDIDATES: Final = 10_000
_UNCERTAIN: Final = 0.1
"""Scores so near to one half are uncertain."""
_BINS: Final = 10
DISAGREEMENT: Final = "disagreement"
UNCERTAIN: Final = "uncertain"


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction for a person to judge. The answer is an Outcome with this id and the source `human`."""

    prediction_id: str
    time: float
    version: str
    revision: str
    classes: tuple[str, ...]
    """What the answer may be; empty where it is a number."""
    features: dict[str, Value]
    prediction: str | float
    score: float | None
    outcome: str | float | None
    """The outcome from events or users so far."""
    stratum: str
    """Why it was drawn."""


@dataclass(frozen=True)
class Sample:
    """Which predictions are looked at: those of a time, and of these the share whose ids have the lowest lots."""

    namespace: str
    deployment: str
    start: float
    end: float
    rate: float


def reviews(engine: sa.Engine, sample: Sample, wanted: Callable[[str], bool], count: int) -> list[Review]:
    """The first that nobody has answered and that are wanted: one of each stratum, then the second of each."""
    with engine.connect() as connection, connection.begin():
        servers = {known.key: known for known in servers_of(connection, sample.namespace, sample.deployment)}
        candidates = _candidates(connection, servers, sample)
        chosen: list[tuple[str, Any]] = []
        for stratum, row in _in_turn(_strata(candidates, servers)):
            if len(chosen) == count:
                break
            if wanted(row.id):
                chosen.append((stratum, row))
        features = _features(connection, [row.key for _, row in chosen])
    return [_review(servers[row.served], row, stratum, features[row.key]) for stratum, row in chosen]


def _candidates(connection: sa.Connection, servers: dict[int, Known], sample: Sample) -> Sequence[Any]:
    predictions, outcomes = tables.predictions, tables.outcomes
    drawn = (
        sa.select(
            predictions.c.key,
            predictions.c.served,
            predictions.c.time,
            predictions.c.predicted,
            predictions.c.score,
            predictions.c.lot,
            outcomes.c.actual,
        )
        .outerjoin(outcomes, outcomes.c.prediction == predictions.c.key)
        .where(
            predictions.c.served.in_(sorted(servers)),
            predictions.c.time >= sample.start,
            predictions.c.time < sample.end,
            predictions.c.lot < int(sample.rate * (1 << SAMPLING_KEY_BITS)),
            sa.or_(outcomes.c.rank.is_(None), outcomes.c.rank < RANKS[Source.HUMAN]),
        )
        .order_by(predictions.c.lot)
        .limit(_CANDIDATES)
        .subquery()
    )
    ids = sa.select(drawn, predictions.c.id).join(predictions, predictions.c.key == drawn.c.key)
    return connection.execute(ids.order_by(drawn.c.lot, drawn.c.key)).all()


def _strata(candidates: Sequence[Any], servers: dict[int, Known]) -> dict[str, list[Any]]:
    """The candidates by what makes them interesting; within a stratum by lot."""
    values = sorted(row.predicted for row in candidates)
    found: dict[str, list[Any]] = defaultdict(list)
    for row in candidates:
        found[_stratum(row, servers[row.served], values)].append(row)
    return found


def _stratum(row: Any, known: Known, values: list[float]) -> str:
    regression = known.served.task is Task.REGRESSION
    if not regression and row.actual is not None and row.actual != row.predicted:
        return DISAGREEMENT
    if regression:
        return f"value, tenth {_tenth(row.predicted, values) + 1}"
    if row.score is None or known.served.task is Task.MULTICLASS:
        return f"class {int(row.predicted)}"
    if abs(row.score - 0.5) <= _UNCERTAIN:
        return UNCERTAIN
    return f"score, tenth {min(_BINS - 1, max(0, int(row.score * _BINS))) + 1}"


def _tenth(value: float, values: list[float]) -> int:
    return min(_BINS - 1, bisect_left(values, value) * _BINS // len(values))


def _in_turn(strata: dict[str, list[Any]]) -> Iterator[tuple[str, Any]]:
    """The first of each, then the second of each; disagreement and doubt before the rest."""
    order = sorted(strata, key=lambda name: (name != DISAGREEMENT, name != UNCERTAIN, name))
    for turn in range(max(map(len, strata.values()), default=0)):
        for stratum in order:
            if turn < len(strata[stratum]):
                yield stratum, strata[stratum][turn]


def _features(connection: sa.Connection, keys: Sequence[int]) -> dict[int, dict[str, Value]]:
    table = tables.predictions
    query = sa.select(table.c.key, table.c.features).where(table.c.key.in_(keys))
    return {key: msgspec.json.decode(features) for key, features in connection.execute(query)}


def _review(known: Known, row: Any, stratum: str, features: dict[str, Value]) -> Review:
    return Review(
        prediction_id=row.id,
        time=row.time,
        version=known.served.version,
        revision=known.served.revision,
        classes=known.served.classes,
        features=features,
        prediction=known.labels.text(row.predicted),
        score=row.score,
        outcome=None if row.actual is None else known.labels.text(row.actual),
        stratum=stratum,
    )
