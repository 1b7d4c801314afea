"""Whatever bytes a client sends, in whatever form: an answer, or a refusal; and work in proportion to their size."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support import models
from tests.support.mutations import mutated
from viridian.serving.errors import BadInput
from viridian.serving.execution import model
from viridian.serving.execution.model import LoadedModel, RequestLimits
from viridian.serving.protocols.prediction_request import CSV, Dialect, Request

AGES = ("an age", "double", False)
INFERENCE = json.dumps(
    {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": models.FLOWER}], "id": "1"}
).encode()
SPLIT = json.dumps(
    {"dataframe_split": {"columns": ["an age", "visits", "member", "city"], "data": [[1.5, 2, True, "a"]]}}
).encode()
RECORDS = b'{"dataframe_records": [{"an age": null, "visits": 3, "member": false, "city": "K\\u00f6ln"}]}'
TABLE = 'an age,visits,member,city\n41.5,3,true,Köln\n,1,false,"a""b"\n'.encode()
HOSTILE = [
    b"NaN",
    b"1e999",
    b"9" * 400,
    b"9" * 5000,
    b"[" * 100,
    b'"',
    b"\\ud800",
    b"-0",
    b"[],",
    b"{},",
    b"\n",
    b",",
    b"\r",
]
TENSOR = struct.pack("<d", 41.5) + struct.pack("<q", 3) + b"\x01" + struct.pack("<I", 4) + b"Koln"
TOLD = json.dumps(
    {
        "inputs": [
            {"name": name, "datatype": datatype, "shape": [1], "parameters": {"binary_data_size": size}}
            for name, datatype, size in (
                ("an age", "FP64", 8),
                ("visits", "INT64", 8),
                ("member", "BOOL", 1),
                ("city", "BYTES", 8),
            )
        ]
    }
).encode()


@pytest.fixture(scope="module", params=["flowers", "mixed", "unnamed"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    directory: Path = tmp_path_factory.mktemp(request.param)
    limits = RequestLimits(rows=50)
    if request.param == "flowers":
        return model.load(models.write_onnx_mlflow(directory), "flowers", "7", 1, limits)
    if request.param == "mixed":
        signature = models.columns(AGES, ("visits", "long"), ("member", "boolean"), ("city", "string"))
        return model.load(models.write_mixed(directory, signature), "mixed", "1", 1, limits)
    return model.load(models.write_onnx_alone(directory), "unnamed", "", 1, limits)


def answered(served: LoadedModel, *requests: Request) -> None:
    for answer in served.answer(requests):
        assert isinstance(answer, BadInput) or not isinstance(answer, Exception), answer


@given(body=mutated(INFERENCE, TOLD, SPLIT, RECORDS, pieces=HOSTILE))
def test_any_json(served: LoadedModel, body: bytes) -> None:
    answered(served, Request(Dialect.INFERENCE, body, "p"), Request(Dialect.INVOCATION, body, "p"))


@given(body=mutated(TABLE, pieces=HOSTILE) | st.binary(max_size=40))
@example(body=b"an age,visits,member,city\n" + b"9" * 5000 + b",1,true,a\n")
def test_any_csv(served: LoadedModel, body: bytes) -> None:
    answered(served, Request(Dialect.INVOCATION, body, "p", media=CSV))


LENGTHS = st.one_of(
    st.integers(0, 400).map(str), st.sampled_from(["", "-1", "+1", "1_0", "9" * 5000, "1e2", " 12", str(len(TOLD))])
).map(str.encode)


@settings(max_examples=150)
@given(
    head=mutated(TOLD, pieces=HOSTILE) | st.just(TOLD),
    tail=mutated(TENSOR) | st.just(TENSOR),
    length=st.none() | LENGTHS,
)
@example(head=TOLD, tail=TENSOR, length=b"9" * 5000)
def test_any_tensors(served: LoadedModel, head: bytes, tail: bytes, length: bytes | None) -> None:
    told = str(len(head)).encode() if length is None else length
    answered(served, Request(Dialect.INFERENCE, head + tail, "p", json_length=told))


def calls(work: Callable[[], None]) -> int:
    """How many Python functions are called: a measure of work that no clock and no other process disturbs."""
    found = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal found
        found += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def many(form: str, rows: int) -> Request:
    if form == "csv":
        return Request(Dialect.INVOCATION, b"a,b,c,d\n" + b"1,2,3,4\n" * rows, "p", media=CSV)
    if form == "tensor":
        raw = np.zeros((rows, 4), "<f8").tobytes()
        head = {"name": "x", "datatype": "FP64", "shape": [rows, 4], "parameters": {"binary_data_size": len(raw)}}
        text = json.dumps({"inputs": [head]}).encode()
        return Request(Dialect.INFERENCE, text + raw, "p", json_length=str(len(text)).encode())
    body = {
        "instances": [[1, 2, 3, 4]] * rows,
        "empty objects": [{}] * rows,
        "empty lists": [[]] * rows,
        "records": [{"x": 1}] * rows,
    }
    key = {"instances": "instances", "empty lists": "instances"}.get(form, "dataframe_records")
    return Request(Dialect.INVOCATION, json.dumps({key: body[form]}).encode(), "p")


@pytest.mark.parametrize("form", ["csv", "tensor", "instances", "empty objects", "empty lists", "records"])
def test_the_work_grows_with_the_size_and_no_faster(tmp_path: Path, form: str) -> None:
    served = model.load(models.write_onnx_alone(tmp_path), "unnamed", "", 1, RequestLimits(rows=10**6))
    few, more = (calls(lambda rows=rows: answered(served, many(form, rows))) for rows in (200, 800))  # type: ignore[misc]
    assert more < 6 * few + 1000
