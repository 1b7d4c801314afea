"""Rows and windows on their way to the collector: privacy first, nothing lost unseen, and never without an end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.scripted_collector import ScriptedCollector, scripted_collector
from viridian.api.feedback import Block, Prediction, Served, Unstored, Value
from viridian.api.privacy import Rules, keyed_hash
from viridian.api.profile import Numbers, Profile, Task
from viridian.serving.bundle.signature import Column, ColumnKind, Matrix, Table
from viridian.serving.data.batch import Batch
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES, Output
from viridian.serving.errors import ServingError
from viridian.serving.observation import feedback_sender as sending
from viridian.serving.observation.collector_client import CollectorAddress
from viridian.serving.observation.feedback_sender import BATCH_ROWS, FeedbackSender
from viridian.serving.observation.live_profile import PredictedRows
from viridian.serving.observation.recorder import CountedSpan
from viridian.serving.observation.shared_rows import Redactor, read_key

KEY = b"key"
TABLE = Table(
    (
        Column("an age", ColumnKind.FLOAT, "FP64", required=False),
        Column("visits", ColumnKind.INTEGER, "INT64", required=False),
        Column("e-mail", ColumnKind.STRING, "BYTES", required=False),
    )
)
PLANTED = "someone@example.org"


def redacted(rules: Rules, answered: PredictedRows, task: Task = Task.BINARY) -> list[Prediction]:
    return list(Redactor(rules, KEY, TABLE, task).redacted([answered]).block.rows())


def two_rows(**extras: list[Any]) -> PredictedRows:
    columns = {
        "an age": np.array([41.5, math.nan]),
        "visits": np.array([3.0, math.nan]),
        "e-mail": np.array([PLANTED, None], dtype=object),
    }
    outputs = [Output(LABEL, np.array(["no", "yes"])), Output(PROBABILITIES, np.array([[0.9, 0.1], [0.25, 0.75]]))]
    return PredictedRows(Batch(2, columns=columns, extras=extras), outputs, "p", 7.0)


def test_rows_carry_values_as_they_were_and_ids_of_their_own() -> None:
    first: dict[str, Value] = {"an age": 41.5, "visits": 3, "e-mail": PLANTED}
    second: dict[str, Value] = {"an age": None, "visits": None, "e-mail": None}
    assert redacted(Rules(), two_rows()) == [
        Prediction(id="p", time=7.0, features=first, prediction="no", score=0.1),
        Prediction(id="p-1", time=7.0, features=second, prediction="yes", score=0.75),
    ]


@pytest.mark.parametrize(
    ("rules", "features", "subject"),
    [
        (Rules(deny=("e-mail",)), {"an age": 41.5, "visits": 3}, ""),
        (Rules(hash=("e-mail",)), {"an age": 41.5, "visits": 3, "e-mail": keyed_hash(KEY, PLANTED)}, ""),
        (Rules(subject="e-mail"), {"an age": 41.5, "visits": 3}, keyed_hash(KEY, PLANTED)),
        (Rules(subject="customer", deny=("e-mail",)), {"an age": 41.5, "visits": 3}, keyed_hash(KEY, 17)),
        (Rules(deny=("e-mail",), hash=("e-mail",), subject="e-mail"), {"an age": 41.5, "visits": 3}, ""),
    ],
    ids=["deny", "hash", "subject", "subject beside the features", "deny before anything else"],
)
def test_what_leaves_is_what_the_rules_allow(rules: Rules, features: dict[str, Any], subject: str) -> None:
    first, second = redacted(rules, two_rows(customer=[17, None]))
    assert (first.features, first.subject) == (features, subject)
    assert second.subject == "", "nobody is not hashed"
    if rules.deny or rules.hash or rules.subject == "e-mail":
        assert PLANTED not in msgspec.json.encode([first, second]).decode()


@given(st.integers(0, 100))
def test_the_sample_follows_from_the_ids(percent: int) -> None:
    answered = PredictedRows(Batch(300, matrix=np.zeros((300, 3))), [Output(PREDICTION, np.zeros(300))], "p", 0.0)
    rows = redacted(Rules(sampling=percent), answered, Task.REGRESSION)
    assert [row.id for row in rows] == [row.id for row in redacted(Rules(sampling=percent), answered, Task.REGRESSION)]
    assert abs(len(rows) - 3 * percent) < 45
    assert {row.id for row in rows} <= {row.id for row in redacted(Rules(), answered, Task.REGRESSION)}


def test_rows_without_a_prediction_are_not_sent() -> None:
    matrix = Batch(2, matrix=np.zeros((2, 3)))
    spoilt = PredictedRows(matrix, [Output(PREDICTION, np.array([math.nan, 1.0]))], "p", 0.0)
    assert [row.id for row in redacted(Rules(), spoilt, Task.REGRESSION)] == ["p-1"]
    assert redacted(Rules(), PredictedRows(matrix, [Output("a", np.zeros(2)), Output("b", np.zeros(2))], "p")) == []
    unnamed = Redactor(Rules(), KEY, Matrix(3), Task.REGRESSION).redacted([spoilt])
    assert [row.features for row in unnamed.block.rows()] == [{"0": 0.0, "1": 0.0, "2": 0.0}]
    assert unnamed.unpredicted == 1, "it is counted instead"


def test_a_key_where_one_is_needed(tmp_path: Path) -> None:
    assert read_key(None, Rules()) == b""
    assert read_key(tmp_path / "key", Rules()) == b"", "nobody asks for a key that nothing needs"
    with pytest.raises(ServingError, match="names no key"):
        read_key(None, Rules(subject="x"))
    with pytest.raises(ServingError, match="cannot be read"):
        read_key(tmp_path / "key", Rules(subject="x"))
    (tmp_path / "key").write_bytes(b" \n")
    with pytest.raises(ServingError, match="is empty"):
        read_key(tmp_path / "key", Rules(subject="x"))
    (tmp_path / "key").write_bytes(b"abc\n")
    assert read_key(tmp_path / "key", Rules(subject="x")) == b"abc"


@pytest.mark.parametrize("url", ["collector:8090", "ftp://collector", "http://", "http://a:b@c", "http://c?x=1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ServingError, match="VIRIDIAN_COLLECTOR_URL is no address"):
        CollectorAddress(url)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedCollector]:
    """Pauses are short here: what is tested is what happens after them."""
    monkeypatch.setattr(sending, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(sending, "BATCH_SECONDS", 0.01)
    with scripted_collector() as collector:
        yield collector


SERVED = Served(
    namespace="ml", deployment="churn", model="churn", version="7", revision="r", slot="blue", task=Task.REGRESSION
)


def client(scripted: ScriptedCollector, token: Path | None = None, seconds: float = 3600.0) -> FeedbackSender:
    return FeedbackSender(CollectorAddress(f"{scripted.url}/base/"), token, SERVED, "pod-1", seconds)


def rows(*numbers: int) -> Block:
    return Block(
        ids=[f"p-{number}" for number in numbers],
        times=[0.0] * len(numbers),
        columns=["x"],
        numbers=np.full(len(numbers), 0.5).tobytes(),
        predictions=[1.0] * len(numbers),
    )


@pytest.mark.parametrize(
    "script",
    [
        [(429, {"retry-after": "0"}), (503, {"retry-after": "0"})],
        [(500, {}), (401, {}), (403, {})],
        [(404, {"retry-after": "0"}), (507, {"retry-after": "0"})],
        [(0, {}), (0, {})],
    ],
    ids=["later", "trouble", "not known yet, or no room", "broken connections"],
)
def test_a_batch_is_sent_until_it_is_stored(
    scripted: ScriptedCollector, script: list[tuple[int, dict[str, str]]]
) -> None:
    scripted.script = list(script)
    sender = client(scripted)
    sender.start()
    sender.offer(rows(1, 2))
    scripted.wait_for(lambda: len(scripted.seen) > len(script))
    sender.close(60)
    assert not sender.is_alive()
    assert [[one.id for one in batch.rows] for batch in scripted.batches] == [["p-1", "p-2"]] * (len(script) + 1)
    assert (sender.sent, sender.dropped, sender.refused, sender.failures) == (2, 0, 0, len(script))
    assert {path for path, *_ in scripted.seen} == {"/base/v1/predictions"}


def test_what_the_collector_will_never_take_does_not_stop_the_rest(scripted: ScriptedCollector) -> None:
    scripted.script = [(400, {})]
    sender = client(scripted)
    sender.offer(rows(*range(BATCH_ROWS + 1)))
    sender.start()
    sender.close(60)
    assert [len(batch.rows) for batch in scripted.batches] == [BATCH_ROWS, 1]
    assert (sender.sent, sender.refused) == (1, BATCH_ROWS)


def test_rows_without_room_are_dropped_counted_and_told(
    scripted: ScriptedCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "CHUNK_ROWS", 1)
    monkeypatch.setattr(sending, "MOST_BYTES", 3 * len(msgspec.json.encode(rows(1))))
    sender = client(scripted)
    sender.offer(rows(*range(5)))
    assert sender.dropped == 2
    sender.start()
    sender.close(60)
    assert [(len(batch.rows), batch.dropped) for batch in scripted.batches] == [(3, 2)]
    sender.families((), ())
    told = {
        (sample.name, sample.labels.get("outcome")): sample.value
        for family in sender.families((), ())
        for sample in family.samples
    }
    assert told["viridian_feedback_rows_total", "dropped"] == 2
    assert told["viridian_feedback_rows_total", "sent"] == 3
    assert told["viridian_feedback_rows_waiting", None] == 0


def test_a_new_token_is_taken_up(scripted: ScriptedCollector, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    sender = client(scripted, token)
    sender.start()
    sender.offer(rows(1))
    scripted.wait_for(lambda: len(scripted.seen) == 1)
    token.write_text("new\n")
    sender.offer(rows(2))
    scripted.wait_for(lambda: len(scripted.seen) == 2)
    sender.close(60)
    assert [shown for *_, shown in scripted.seen] == ["Bearer old", "Bearer new"]


def test_windows_have_numbers_and_are_sent_again_as_they_were(scripted: ScriptedCollector) -> None:
    counted = Profile(features={}, prediction=Numbers(edges=(), counts=(1,)), rows=1, sampled=1)
    spans = iter([CountedSpan(0.0, 1.0, counted), CountedSpan(1.0, 2.0, counted)])
    scripted.script = [(503, {"retry-after": "0"}), (200, {})]
    sender = client(scripted, seconds=0.001)
    sender.window = lambda: next(spans, None)
    sender.start()
    scripted.wait_for(lambda: len(scripted.seen) == 3)
    sender.close(60)
    assert [(window.pod, window.sequence, window.start, window.end) for window in scripted.windows] == [
        ("pod-1", 1, 0.0, 1.0),
        ("pod-1", 1, 0.0, 1.0),
        ("pod-1", 2, 1.0, 2.0),
    ]
    assert sender.windows_sent == 2


def test_a_collector_that_is_away_ends_with_the_server(caplog: pytest.LogCaptureFixture) -> None:
    away = FeedbackSender(CollectorAddress("http://127.0.0.1:1"), None, SERVED, "pod-1", 3600.0)
    away.offer(rows(1))
    away.start()
    away.close(0.05)
    away.join(60)
    assert not away.is_alive()
    assert away.sent == 0
    last = caplog.records[-1]
    assert (last.getMessage(), last.fields) == ("the collector did not take everything", {"rows": 1})  # type: ignore[attr-defined]
    assert json.dumps([record.getMessage() for record in caplog.records]).count("p-1") == 0


def figures(sender: FeedbackSender) -> dict[tuple[str, str], float]:
    """As Prometheus reads them, by name and the value of the last label."""
    return {
        (sample.name, next(iter(reversed(sample.labels.values())), "")): sample.value
        for family in sender.families((), ())
        for sample in family.samples
    }


def test_rows_that_a_200_refuses_are_counted_by_reason_and_told(
    scripted: ScriptedCollector, caplog: pytest.LogCaptureFixture
) -> None:
    refused = [
        {"row": 0, "problem": "a score is a probability: 0 to 1", "reason": "Score"},
        {"row": 2, "problem": "a score is a probability: 0 to 1", "reason": "Score"},
        {"row": 1, "problem": "of a later version", "reason": "Unheard"},
    ]
    scripted.stored = [msgspec.json.encode({"stored": 2, "refused": refused})]
    sender = client(scripted)
    sender.offer(rows(*range(5)))
    sender.start()
    sender.close(60)
    assert (sender.sent, sender.refused) == (2, 3)
    told = figures(sender)
    assert told["viridian_feedback_rows_total", "refused"] == 3
    reasons = {label: value for (name, label), value in told.items() if name == "viridian_feedback_refused_rows_total"}
    assert {reason for reason, count in reasons.items() if count} == {"Score", "Other"}
    assert set(reasons) == set(Unstored), "every reason has its series from the start, and there is no other"
    said = [vars(record)["fields"] for record in caplog.records]
    assert {"reason": "Score", "rows": 2, "problem": refused[0]["problem"], "more_since_last": 0} in said


def test_a_batch_that_is_too_large_is_sent_in_parts_and_only_a_row_that_is_too_large_is_refused(
    scripted: ScriptedCollector, caplog: pytest.LogCaptureFixture
) -> None:
    wide = Block(ids=["wide"], times=[0.0], columns=["x"], others={"x": ["y" * 5_000]}, predictions=[1.0])
    scripted.most_bytes = 2_000
    sender = client(scripted)
    for block in (rows(*range(100)), wide, rows(*range(100, 200))):
        sender.offer(block)
    sender.lose(7)
    sender.start()
    sender.close(60)
    taken = [len(body) <= 2_000 for _, body, _ in scripted.seen]
    stored = [batch for batch, small in zip(scripted.batches, taken, strict=True) if small]
    assert [row.id for batch in stored for row in batch.rows] == [f"p-{number}" for number in range(200)]
    assert (sender.sent, sender.refused, sender.dropped) == (200, 1, 7)
    assert sum(batch.dropped for batch in stored) == 7, "the loss is told once"
    assert vars(caplog.records[-1])["fields"]["reason"] == "TooLarge"


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>Welcome</html>", b"\xff"])
def test_a_200_that_is_no_answer_of_a_collector_stores_nothing(scripted: ScriptedCollector, body: bytes) -> None:
    scripted.stored = [body]
    sender = client(scripted)
    sender.offer(rows(1))
    sender.start()
    scripted.wait_for(lambda: len(scripted.seen) == 2)
    sender.close(60)
    assert (sender.sent, sender.failures) == (1, 1)


def test_rows_that_were_lost_before_are_told_even_when_no_others_come(scripted: ScriptedCollector) -> None:
    sender = client(scripted)
    sender.lose(3)
    sender.start()
    sender.close(60)
    assert [(batch.rows, batch.dropped) for batch in scripted.batches] == [([], 3)]


def test_a_window_that_is_refused_does_not_count_as_sent(scripted: ScriptedCollector) -> None:
    counted = Profile(features={}, prediction=Numbers(edges=(), counts=(1,)), rows=1, sampled=1)
    spans = iter([CountedSpan(1.0, 0.0, counted), CountedSpan(1.0, 2.0, counted)])
    scripted.script = [(400, {})]
    sender = client(scripted, seconds=0.001)
    sender.window = lambda: next(spans, None)
    sender.start()
    scripted.wait_for(lambda: len(scripted.seen) == 2)
    sender.close(60)
    assert (sender.windows_sent, sender.windows_refused) == (1, 1)


def test_a_window_that_the_collector_fails_on_keeps_no_row_here(scripted: ScriptedCollector) -> None:
    counted = Profile(features={}, prediction=Numbers(edges=(), counts=(1,)), rows=1, sampled=1)
    spans = iter([CountedSpan(1.0, 2.0, counted)])
    scripted.fail = "/base/v1/profiles"
    sender = client(scripted, seconds=0.001)
    sender.window = lambda: next(spans, None)
    sender.start()
    scripted.wait_for(lambda: len(scripted.windows) >= 1)  # it is sent again and again
    sender.offer(rows(1))
    scripted.wait_for(lambda: len(scripted.batches) == 1)
    scripted.fail = ""
    sender.close(60)
    assert (sender.sent, sender.windows_sent) == (1, 1)


def test_a_fault_of_ours_does_not_end_the_sending(
    scripted: ScriptedCollector, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [RuntimeError(PLANTED)]

    def window() -> None:
        if faults:
            raise faults.pop()

    sender = client(scripted, seconds=0.001)
    sender.window = window
    sender.start()
    sender.offer(rows(1))
    scripted.wait_for(lambda: len(scripted.seen) == 1)
    sender.close(60)
    assert (sender.sent, faults) == (1, [])
    assert "RuntimeError" in str([vars(record)["fields"] for record in caplog.records])
    assert PLANTED not in caplog.text
