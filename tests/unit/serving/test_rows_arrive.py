"""Whatever a server may answer, the real collector stores it, or the row is counted and its reason is told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from tests.support.collecting import START, regression, served
from tests.support.listening_collector import Listening, listening
from tests.support.server_process import running
from viridian.api.feedback import SCORE_ROUNDING, Served, Unstored
from viridian.api.privacy import Rules, plain
from viridian.api.profile import Task
from viridian.feedback.storage import tables
from viridian.serving.bundle.signature import Column, ColumnKind, Table
from viridian.serving.data.batch import TableReader
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES, Output, probabilities
from viridian.serving.observation.collector_client import CollectorAddress
from viridian.serving.observation.feedback_sender import FeedbackSender
from viridian.serving.observation.live_profile import PredictedRows
from viridian.serving.observation.observers import sink
from viridian.serving.observation.shared_rows import Redactor
from viridian.training.holdout import holdout_of
from viridian.training.packing import pack
from viridian.training.reference import Learnt, reference
from viridian.training.scores import predict

TABLE = Table(
    (
        Column("größe", ColumnKind.FLOAT, "FP64", required=False),
        Column("visits", ColumnKind.INTEGER, "INT64", required=False),
        Column("member", ColumnKind.BOOLEAN, "BOOL", required=False),
        Column("name\0", ColumnKind.STRING, "BYTES", required=False),
        Column("secret", ColumnKind.STRING, "BYTES", required=False),
    )
)
RULES = Rules(hash=("secret",), subject="whom")
NOTHING: dict[str, Any] = dict.fromkeys([column.name for column in TABLE.columns] + ["whom"])
WHOLE = 2**53
TEXT = st.text(max_size=20) | st.text(min_size=300, max_size=400)
ROWS = st.fixed_dictionaries(
    {
        "größe": st.none() | st.floats(allow_nan=False),
        "visits": st.none() | st.integers(-WHOLE, WHOLE - 1),
        "member": st.none() | st.booleans(),
        "name\0": st.none() | TEXT,
        "secret": st.none() | TEXT,
        "whom": st.none() | TEXT | st.integers() | st.floats(allow_nan=False),
    }
)
NUMBERS = st.floats() | st.floats(width=32) | st.sampled_from([-0.0, 5e-324, 1e308])
NEAR = st.sampled_from([0.0, 1.0]).flatmap(lambda edge: st.floats(edge - 2**-10, edge + 2**-10, width=32))
SCORES = st.floats(0, 1) | NEAR | st.floats() | st.sampled_from([1.0000001, -1.19e-07, 1.0000002384185791])
CLASSES = st.sampled_from(
    [("0", "1"), ("false", "true"), (" no", "no"), ("NEIN", "nein"), ("1.5", "größer"), ("", "x")]
)
ASKED = 100
_ids = count()


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(tmp_path_factory.mktemp("collector")) as found:
        yield found


def sent(collector: Listening, token: Path, by: Served, rows: list[dict[str, Any]], outputs: list[Output]) -> Sent:
    """All the way: reader, rules, encoder, HTTP, decoder, checks and database are the real ones."""
    name = f"p{next(_ids)}"
    batch = TableReader(TABLE, ["whom"]).from_columns({key: [row[key] for row in rows] for key in rows[0]}, "")
    sender = FeedbackSender(CollectorAddress(collector.url), token, by, "pod", 3600.0)
    sink(sender, Redactor(RULES, b"key", TABLE, by.task))([PredictedRows(batch, outputs, name, START)])
    sender.start()
    sender.close(60)
    return Sent(sender, collector, [name, *(f"{name}-{row}" for row in range(1, len(rows)))])


class Sent:
    """What became of some rows."""

    def __init__(self, sender: FeedbackSender, collector: Listening, names: list[str]) -> None:
        self.counts = (sender.sent, sender.refused, sender.dropped, sender.failures)
        self.reasons = {reason for reason in Unstored if sender.refused_for(reason)}
        table = tables.predictions
        query = sa.select(table.c.id, table.c.predicted, table.c.score).where(table.c.id.in_(names))
        with collector.stand.collector.engine.connect() as connection:
            found = {row.id: (row.predicted, row.score) for row in connection.execute(query)}
        self.stored = [found.get(name) for name in names]


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text("server")
    return path


COMMON = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@COMMON
@given(st.lists(st.tuples(ROWS, NUMBERS), min_size=1, max_size=4), st.sampled_from([np.float64, np.float32]))
def test_numbers(collector: Listening, token: Path, told: list[tuple[Any, float]], width: Any) -> None:
    with np.errstate(over="ignore"):
        values = np.array([value for _, value in told], dtype=width)
    found = sent(collector, token, regression(), [row for row, _ in told], [Output(PREDICTION, values)])
    fine = np.isfinite(values)
    assert found.counts == (fine.sum(), (~fine).sum(), 0, 0)
    assert found.stored == [(float(value), None) if math.isfinite(value) else None for value in values]
    assert found.reasons == (set() if fine.all() else {Unstored.PREDICTION})


@COMMON
@given(st.lists(st.tuples(ROWS, st.booleans(), SCORES), min_size=1, max_size=4), CLASSES, st.booleans())
@example([(NOTHING, True, 1.0000001)], ("0", "1"), True)
def test_scores_and_classes(
    collector: Listening, token: Path, told: list[tuple[Any, bool, float]], classes: tuple[str, str], narrow: bool
) -> None:
    width = np.float32 if narrow else np.float64
    with np.errstate(over="ignore"):
        odds = np.array([[1 - score, score] for *_, score in told], dtype=width)
    labels = np.array([classes[label] for _, label, _ in told], dtype=object)
    outputs = [Output(LABEL, labels), Output(PROBABILITIES, probabilities(odds))]
    found = sent(collector, token, served(classes=classes), [row for row, *_ in told], outputs)
    given = odds[:, 1].astype(float)
    excess = np.maximum(-given, given - 1)
    fine = ~np.isfinite(given) | (excess <= SCORE_ROUNDING)
    assert found.counts == (fine.sum(), (~fine).sum(), 0, 0)
    assert found.reasons == (set() if fine.all() else {Unstored.SCORE})
    for (_, label, _), score, stored, well in zip(told, given, found.stored, fine, strict=True):
        clipped = min(1.0, max(0.0, score)) if math.isfinite(score) else None
        assert stored == ((float(label), clipped) if well else None)


LABELS = [
    np.array([0, 1]),
    np.array([0, 1], np.int8),
    np.array([False, True]),
    np.array([0.0, 1.0]),
    np.array([0.0, 1.0], np.float32),
    np.array(["0", "1"]),
    np.array(["0", "1"], object),
    np.array([np.int64(0), np.str_("1")], object),
]


@pytest.mark.parametrize("labels", LABELS, ids=lambda labels: str(labels.dtype))
def test_labels_of_every_type(collector: Listening, token: Path, labels: Any) -> None:
    classes = tuple(plain(label) for label in labels.tolist())
    by = served(task=Task.MULTICLASS, classes=classes)
    found = sent(collector, token, by, [NOTHING, NOTHING], [Output(LABEL, labels)])
    assert (found.counts, found.stored) == ((2, 0, 0, 0), [(0.0, None), (1.0, None)])


def test_answers_that_name_no_prediction_are_counted(collector: Listening, token: Path) -> None:
    found = sent(
        collector, token, regression(), [NOTHING, NOTHING], [Output("a", np.zeros(2)), Output("b", np.zeros(2))]
    )
    assert (found.counts, found.reasons) == ((0, 2, 0, 0), {Unstored.PREDICTION})


async def test_the_surest_rows_of_a_forest_arrive(collector: Listening, token: Path, tmp_path: Path) -> None:
    """Its 32-bit sums end at 1.0000001 and -1.19e-07: the user is given probabilities, and the collector every row."""
    features, target = load_breast_cancer(return_X_y=True)
    forest = RandomForestClassifier(10, random_state=0).fit(features, target)
    holdout = holdout_of(features, target)
    packed = pack(
        tmp_path / "model",
        forest,
        holdout,
        predict(forest, features),
        lambda answered: reference(forest, Learnt(holdout.rows, holdout.target), holdout, answered),
    )
    assert packed.payload == "onnx"
    settings = {"collector_url": collector.url, "collector_token_file": str(token), "feedback": "{}"}
    named = {"namespace": "ml", "deployment": "tumours", "pod": "pod-1"}
    async with running(packed.directory, tmp_path, **settings, **named) as server, aiohttp.ClientSession() as http:
        for row in features[:: len(features) // ASKED][:ASKED].tolist():
            rows = {"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": row}
            async with http.post(f"{server.url}/v2/models/the%20flowers/infer", json={"inputs": [rows]}) as answer:
                (_, odds) = (await answer.json())["outputs"]
            assert all(0 <= chance <= 1 for chance in odds["data"])
        server.terminate()
        assert await server.process.wait() == 0
    assert await asyncio.to_thread(stored_of, collector, "tumours") == ASKED


def stored_of(collector: Listening, deployment: str) -> int:
    rows = sa.select(sa.func.count()).select_from(
        tables.predictions.join(tables.served, tables.served.c.key == tables.predictions.c.served)
    )
    with collector.stand.collector.engine.connect() as connection:
        return connection.scalar(rows.where(tables.served.c.deployment == deployment)) or 0
