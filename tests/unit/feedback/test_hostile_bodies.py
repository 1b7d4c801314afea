"""Bodies that are small and stand for much, or that are no body at all: refused in words, at little cost."""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.collecting import START, Stand, batch, prediction, profile, profile_window, served
from tests.support.collector_process import CollectorProcess, launched, reviewing
from tests.support.costs import Memory
from tests.support.parquet_files import long_texts, lying, parquet
from viridian.api.feedback import Block, PredictionBatch
from viridian.api.profile import Numbers, Profile
from viridian.feedback.ingest import outcome_decoding
from viridian.feedback.ingest.csv_reader import MAX_ROW_CHARACTERS
from viridian.feedback.ingest.json_amounts import MAX_VALUES
from viridian.feedback.ingest.parquet import columns
from viridian.feedback.ingest.parquet_footer import TooMuch, UnreadableFooter, footer
from viridian.feedback.number_texts import number
from viridian.feedback.problems import HttpProblem
from viridian.feedback.storage import hourly_profiles

MIB = 1 << 20
PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
JSON = "application/json"
LINES = "application/x-ndjson"
FORM = "application/x-www-form-urlencoded"
OWNERS = {"server": "system:serviceaccount:ml:server"}
HEADERS = {"Authorization": "Bearer server"}
GOOD = parquet({"prediction_id": ["a", "b"], "outcome": ["yes", "no"], "time": [START, START]})


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[CollectorProcess]:
    async with reviewing(OWNERS) as api, launched(api, tmp_path, "") as collector:
        yield collector


async def refused(
    process: CollectorProcess, path: str, kind: str, body: bytes, growth: int = 100 * MIB
) -> httpx.Response:
    """What the process answers; its peak grows by less."""
    async with httpx.AsyncClient(base_url=process.url, headers=HEADERS, timeout=60) as http:
        with Memory(process.process.pid).growth_of_at_most(growth):
            answer = await http.post(path, content=body, headers={"Content-Type": kind})
    assert set(answer.json()) == {"error"}
    return answer


@pytest.mark.parametrize("rows", [2_000, 20_000])
async def test_long_texts_in_a_small_parquet_file_are_refused(process: CollectorProcess, rows: int) -> None:
    body = long_texts(rows, 200_000, dictionary=False)
    assert len(body) < MIB
    answer = await refused(process, "/v1/outcomes", PARQUET, body)
    assert answer.status_code == 413
    assert "Parquet" in answer.json()["error"]


async def test_a_footer_that_lies_about_its_columns_helps_nobody(process: CollectorProcess) -> None:
    body = long_texts(2_000, 200_000, dictionary=False)
    size = footer(body).uncompressed["outcome"] // 10
    lie = lying(body, size, 1_000)
    assert footer(lie).bytes_of(["prediction_id", "outcome"]) < MIB
    answer = await refused(process, "/v1/outcomes", PARQUET, lie)
    assert answer.status_code in (400, 413)


async def test_a_list_of_nothing_is_not_unfolded(process: CollectorProcess) -> None:
    for path, body in (
        ("/v1/outcomes", b"[" + b"0," * 4_000_000 + b"0]"),
        ("/v1/predictions", b'{"blocks":[{"times":[' + b"1e1," * 4_000_000 + b"0]}]}"),
        ("/v1/profiles", b'{"profile":{"features":{"a":{"edges":[' + b"1e1," * 4_000_000 + b"0]}}}}"),
    ):
        answer = await refused(process, path, JSON, body, growth=70 * MIB)
        assert answer.status_code == 413
        assert str(MAX_VALUES) in answer.json()["error"]


async def test_names_of_features_are_not_multiplied_by_the_rows(stand: Stand) -> None:
    rows = 20_000
    block = Block(
        ids=[f"prediction-{row}" for row in range(rows)],
        times=[START] * rows,
        columns=["x" * 10_000],
        numbers=struct.pack("<d", 1.0) * rows,
        predictions=["stays"] * rows,
    )
    body = msgspec.json.encode(PredictionBatch(served=served(), blocks=[block]))
    answer = await stand.server.send("POST", "/v1/predictions", content=body)
    assert answer.status_code == 413
    assert "at most" in answer.json()["error"]


async def test_a_batch_has_a_bounded_number_of_rows(stand: Stand) -> None:
    rows = 60_000
    block = Block(ids=[""] * rows, times=[0.0] * rows, columns=[], predictions=[0.0] * rows)
    body = msgspec.json.encode(PredictionBatch(served=served(), blocks=[block]))
    answer = await stand.server.send("POST", "/v1/predictions", content=body)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "parts",
    [
        {"counts": (1, 2, 3)},
        {"counts": (1,)},
        {"counts": (2**63, 1)},
        {"counts": (-1, 1)},
        {"finite": 2**70},
        {"missing": -1},
        {"edges": tuple(map(float, range(2_000))), "counts": (0,) * 2_001},
    ],
    ids=str,
)
async def test_a_profile_that_cannot_be_added_up_is_not_stored(stand: Stand, parts: dict[str, Any]) -> None:
    sketch = msgspec.structs.replace(Numbers(edges=(0.5,), counts=(1, 1), finite=2), **parts)
    window = profile_window(0, Profile(features={"age": sketch}, prediction=sketch, rows=2, sampled=2))
    answer = await stand.server.send("POST", "/v1/profiles", content=msgspec.json.encode(window))
    assert answer.status_code == 400


async def test_one_step_that_fails_does_not_end_the_sweeps(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ArithmeticError("stored by an earlier version")

    for sequence in range(3):
        window = profile_window(sequence, profile((3, 1), (2, 2)))
        await stand.server.ok("POST", "/v1/profiles", content=msgspec.json.encode(window))
    await stand.server.predict(batch([prediction(1)]))
    stand.clock.now += 91 * 86_400
    monkeypatch.setattr(hourly_profiles, "merged", fail)
    monkeypatch.setattr(stand.collector.database.__class__, "bytes", fail)
    await stand.collector.sweeper.sweep()
    assert await stand.count("prediction", "expired") == 1


def test_a_text_of_a_dictionary_is_cut_where_it_is_unpacked() -> None:
    found = columns(long_texts(2_000, 200_000, dictionary=True), ("prediction_id", "outcome"), 50_000, 257, 64 * MIB)
    assert {len(text) for text in found["outcome"]} == {257}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (413, lambda: parquet({"prediction_id": ["a"] * 50_001, "outcome": [1] * 50_001})),
        (400, lambda: parquet({"prediction_id": ["a"], "outcome": [["a", "b"]]})),
        (400, lambda: parquet({"prediction_id": ["a"], "outcome": [{"a": {"b": 1}}]})),
        (400, lambda: parquet({"prediction_id": ["a"]})),
        (
            413,
            lambda: parquet({"prediction_id": ["a"], "outcome": [1], **{f"c{number}": [1] for number in range(2_000)}}),
        ),
        (413, lambda: parquet({"prediction_id": ["a"] * 6_000, "outcome": [1] * 6_000}, row_group_size=1)),
        (413, lambda: b"PAR1" + b"\0" * 1_100_000 + struct.pack("<I", 1_100_000) + b"PAR1"),
        (400, lambda: b"PAR1" + struct.pack("<I", 2**32 - 1) + b"PAR1"),
        (400, lambda: b"PAR1" + b"\x1c" * 1000 + struct.pack("<I", 1000) + b"PAR1"),
        (400, lambda: GOOD[:-12] + b"PAR1"),
        (400, lambda: b"PAR1" + b"\0" * 200 + GOOD[204:] if len(GOOD) > 300 else b""),
        (400, lambda: b""),
    ],
    ids=[
        "rows",
        "list",
        "structure",
        "missing",
        "columns",
        "groups",
        "footer",
        "length",
        "nesting",
        "cut",
        "holes",
        "empty",
    ],
)
def test_a_parquet_file_that_is_none_is_refused(status: int, body: Callable[[], bytes]) -> None:
    with pytest.raises(HttpProblem) as problem:
        outcome_decoding.outcomes(PARQUET, body(), START)
    assert problem.value.status == status


def test_ordinary_types_of_parquet_are_understood() -> None:
    frame = pl.DataFrame(
        {
            "prediction_id": pl.Series(["a", "b"], dtype=pl.Categorical),
            "outcome": pl.Series(["1.5", "2.5"]).cast(pl.Decimal(10, 2)),
            "time": pl.Series([START * 1e6] * 2).cast(pl.Datetime("us", "UTC")),
        }
    )
    told, bad = outcome_decoding.outcomes(PARQUET, written(frame), START)
    assert not bad
    assert [(one.prediction_id, one.outcome, one.time) for one in told] == [("a", 1.5, START), ("b", 2.5, START)]


def written(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (413, lambda: b"a," * 4_000 + b"\n"),
        (413, lambda: b"prediction_id,outcome\n" + b'"' + b"x\n" * MAX_ROW_CHARACTERS),
        (413, lambda: b"prediction_id,outcome\n" + b'"\n",' * MAX_ROW_CHARACTERS),
        (413, lambda: b"," * 32 * MIB),
        (400, lambda: b'prediction_id,outcome\n"a,b\n'),
        (400, lambda: b"prediction_id,outcome\na,b,c\n"),
        (400, lambda: b"prediction_id,prediction_id\na,b\n"),
        (400, lambda: b"prediction_id\na\n"),
        (400, lambda: "prediction_id,outcome\nä,ö\n".encode("utf-16")),
        (400, lambda: b"\n" * MIB),
        (400, lambda: b""),
    ],
    ids=["columns", "quote", "quotes", "commas", "open", "wide", "twice", "missing", "utf-16", "blank", "empty"],
)
def test_csv_that_is_none_is_refused(status: int, body: Callable[[], bytes]) -> None:
    with pytest.raises(HttpProblem) as problem:
        outcome_decoding.outcomes(CSV, body(), START)
    assert problem.value.status == status


def test_what_spreadsheets_write_is_understood() -> None:
    body = '\ufeffprediction_id,outcome,note\r\n"a","ye""s","two\r\nlines"\r\n\r\nb,\r\nc\r\nd,no,\x00\r\n'.encode()
    told, bad = outcome_decoding.outcomes(CSV, body, START)
    assert [(one.prediction_id, one.outcome) for one in told] == [("a", 'ye"s'), ("d", "no")]
    assert [row["row"] for row in bad] == [1, 2]


@pytest.mark.parametrize("text", ["1" * 100_000 + "x", "1." + "0" * 100_000 + "x", "1e" + "9" * 100_000])
def test_a_number_of_many_digits_is_none(text: str) -> None:
    assert number(text) is None


ROW = st.fixed_dictionaries(
    {
        "prediction_id": st.text(max_size=70) | st.integers(),
        "outcome": st.text(max_size=300) | st.floats() | st.integers(),
    },
    optional={
        "time": st.floats() | st.text(max_size=70) | st.none(),
        "source": st.text(max_size=9),
        "x": st.integers(),
    },
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda more: st.lists(more) | st.dictionaries(st.text(), more),
    max_leaves=10,
)


def understood(kind: str, body: bytes) -> None:
    """Rows and refused rows, or a problem of a documented kind."""
    try:
        told, bad = outcome_decoding.outcomes(kind, body, START)
    except HttpProblem as problem:
        if problem.status not in (400, 413):
            raise
        return
    assert all(set(row) == {"row", "problem"} for row in bad)
    assert len({*(one.row for one in told), *(row["row"] for row in bad)}) == len(told) + len(bad)


@settings(max_examples=150)
@given(st.sampled_from([JSON, LINES, CSV, FORM, PARQUET]), st.binary(max_size=400))
def test_any_bytes_are_understood_or_refused(kind: str, body: bytes) -> None:
    understood(kind, body)


@settings(max_examples=100)
@given(st.sampled_from([JSON, LINES]), st.lists(ROW | DOCUMENTS, max_size=5), st.sampled_from([b",", b"\n"]))
def test_any_json_is_understood_or_refused(kind: str, rows: list[Any], between: bytes) -> None:
    parts = between.join(spelt(row) for row in rows)
    understood(kind, b"[" + parts + b"]")
    understood(kind, parts)


def spelt(row: Any) -> bytes:
    """As Python spells it, with NaN and numbers of any length."""
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")


@settings(max_examples=100)
@given(st.lists(st.lists(st.text(max_size=20), max_size=6), max_size=5), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_table_is_understood_or_refused(rows: list[list[str]], end: str) -> None:
    text = end.join(["prediction_id,outcome,time", *(",".join(row) for row in rows)])
    understood(CSV, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_footer_is_read_to_its_end_or_refused(place: int, bytes_: bytes) -> None:
    damaged = GOOD[:place] + bytes_ + GOOD[place + len(bytes_) :]
    with contextlib.suppress(UnreadableFooter, TooMuch):
        footer(damaged)


@settings(max_examples=8, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_damaged_parquet_file_is_understood_or_refused(chance: random.Random) -> None:
    damaged = bytearray(GOOD)
    for _ in range(3):
        damaged[chance.randrange(4, len(damaged) - 8)] = chance.randrange(256)
    understood(PARQUET, bytes(damaged))


@pytest.mark.parametrize(
    ("kind", "part"),
    [(LINES, b"\n"), (LINES, b"{}\n"), (CSV, b"\n"), (CSV, b"a,b\n"), (CSV, b'"a",'), (JSON, b"["), (JSON, b" ")],
)
def test_twice_the_body_takes_at_most_twice_the_steps(kind: str, part: bytes) -> None:
    before = b"prediction_id,outcome\n" if kind == CSV else b""
    few, many = (steps(kind, before + part * number) for number in (4_000, 8_000))
    assert many <= 2 * few + 100


def steps(kind: str, body: bytes) -> int:
    """Calls and lines of Python that reading takes."""
    count = 0

    def trace(*_: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        understood(kind, body)
    finally:
        sys.settrace(former)
    return count
