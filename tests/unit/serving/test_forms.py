"""Rows as bytes and as CSV, extra columns, several requests in one call: the same answers as to JSON."""

from __future__ import annotations

import contextlib
import json
import math
import struct
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import models
from viridian.serving.data.datatypes import LAYOUTS
from viridian.serving.endpoints import docs_page, openapi
from viridian.serving.errors import BadInput, ModelFailed, Rejection
from viridian.serving.execution import model
from viridian.serving.execution.model import LoadedModel, ModelOutput, RequestLimits
from viridian.serving.protocols import binary_tensors
from viridian.serving.protocols.prediction_request import CSV, Dialect, Request

R = Rejection
AGES = ("an age", "double", False)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    directory = models.write_onnx_mlflow(tmp_path_factory.mktemp("flowers"))
    return model.load(directory, "the flowers", "7", 1, RequestLimits(rows=3))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    signature = models.columns(AGES, ("visits", "long"), ("member", "boolean"), ("city", "string"))
    directory = models.write_mixed(tmp_path_factory.mktemp("mixed"), signature)
    return model.load(directory, "mixed", "1", 1, RequestLimits(extra=("customer",)))


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return model.load(models.write_onnx_alone(tmp_path_factory.mktemp("unnamed")), "unnamed", "", 1)


def ask(served: LoadedModel, request: Request) -> ModelOutput:
    [answer] = served.answer([request])
    if isinstance(answer, Exception):
        raise answer
    return answer


def binary(inputs: list[tuple[str, str, list[int], bytes]], **more: Any) -> Request:
    """An inference request with its tensors behind the JSON."""
    told = [
        {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(raw)}}
        for name, datatype, shape, raw in inputs
    ]
    text = json.dumps({"inputs": told, **more}).encode()
    body = text + b"".join(raw for *_, raw in inputs)
    return Request(Dialect.INFERENCE, body, "p", json_length=str(len(text)).encode())


def texts(*values: str) -> bytes:
    return b"".join(struct.pack("<I", len(value.encode())) + value.encode() for value in values)


def mixed_row(**changes: Any) -> list[tuple[str, str, list[int], bytes]]:
    raw = {
        "an age": ("FP32", np.array([41.5], "<f4").tobytes()),
        "visits": ("INT64", np.array([3], "<i8").tobytes()),
        "member": ("BOOL", b"\x01"),
        "city": ("BYTES", texts("Köln")),
        **{name.replace("_", " "): value for name, value in changes.items()},
    }
    return [(name, datatype, [1], data) for name, (datatype, data) in raw.items()]


@pytest.mark.parametrize("code", ["<f2", "<f4", "<f8"])
def test_a_matrix_as_bytes_is_answered_like_json(flowers: LoadedModel, code: str) -> None:
    rows = np.array([models.FLOWER, [6.3, 3.3, 6.0, 2.5]], code)
    answer = ask(flowers, binary([("x", f"FP{8 * rows.itemsize}", [2, 4], rows.tobytes())]))
    assert answer.json_length is None
    assert json.loads(answer.body)["outputs"][0]["data"] == [0, 2]


def test_columns_of_all_types_as_bytes(mixed: LoadedModel) -> None:
    score, echo = json.loads(ask(mixed, binary(mixed_row())).body)["outputs"]
    assert (score["data"], echo["data"]) == ([4], ["Köln"])
    missing = mixed_row(an_age=("FP32", np.array([math.nan], "<f4").tobytes()))
    assert json.loads(ask(mixed, binary(missing)).body)["outputs"][0]["data"] == [5], "NaN is null"


def test_outputs_come_back_as_bytes_where_they_are_wanted(mixed: LoadedModel, flowers: LoadedModel) -> None:
    answer = ask(mixed, binary(mixed_row(), parameters={"binary_data_output": True}))
    assert answer.json_length is not None
    head, tail = json.loads(answer.body[: answer.json_length]), answer.body[answer.json_length :]
    assert [output["parameters"] for output in head["outputs"]] == [{"binary_data_size": 4}, {"binary_data_size": 9}]
    assert tail == struct.pack("<f", 4.0) + texts("Köln")
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    inputs = [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": models.FLOWER}]
    body = json.dumps({"inputs": inputs, "outputs": wanted}).encode()
    one = ask(flowers, Request(Dialect.INFERENCE, body, "p"))
    assert one.json_length is not None
    first, second = json.loads(one.body[: one.json_length])["outputs"]
    assert "data" not in first
    assert second["data"] == [0]
    assert np.frombuffer(one.body[one.json_length :], "<f4").sum() == pytest.approx(1)


BAD_BYTES: list[tuple[str, Any, Rejection, str, str]] = [
    ("short", mixed_row(visits=("INT64", b"\0" * 7)), R.WRONG_SHAPE, "visits", "needs 1 values, not 0.875"),
    ("flag", mixed_row(member=("BOOL", b"\x02")), R.WRONG_TYPE, "member", "true is the byte 1"),
    ("text", mixed_row(city=("BYTES", b"\xff\0\0\0a")), R.MALFORMED, "city", "longer than the data"),
    ("length", mixed_row(city=("BYTES", b"\x01\0")), R.MALFORMED, "city", "longer than the data"),
    ("UTF-8", mixed_row(city=("BYTES", b"\x01\0\0\0\xff")), R.WRONG_TYPE, "city", "not UTF-8"),
    ("two texts", mixed_row(city=("BYTES", texts("a", "b"))), R.WRONG_SHAPE, "city", "not 2"),
    ("infinite", mixed_row(an_age=("FP32", np.array([np.inf], "<f4").tobytes())), R.OUT_OF_RANGE, "an age", "infinite"),
    ("NaN", mixed_row(visits=("FP64", np.array([np.nan], "<f8").tobytes())), R.MISSING_VALUE, "visits", "row 0: null"),
    ("fraction", mixed_row(visits=("FP64", np.array([1.5], "<f8").tobytes())), R.WRONG_TYPE, "visits", "a fraction"),
    ("other type", mixed_row(visits=("BYTES", texts("3"))), R.WRONG_TYPE, "visits", "the datatype is BYTES"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "reason", "field", "words"), [c[1:] for c in BAD_BYTES], ids=[c[0] for c in BAD_BYTES]
)
def test_bad_tensors(mixed: LoadedModel, inputs: Any, reason: Rejection, field: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        ask(mixed, binary(inputs))
    assert (refused.value.reason, refused.value.field) == (reason, field)
    assert words in refused.value.message


@pytest.mark.parametrize("length", [b"x", b"-1", b"99999", b""])
def test_a_length_that_is_none(mixed: LoadedModel, length: bytes) -> None:
    with pytest.raises(BadInput, match="Inference-Header-Content-Length"):
        ask(mixed, Request(Dialect.INFERENCE, b"{}", "p", json_length=length))


@pytest.mark.parametrize("size", [-1, 10**9, "4", True, None])
def test_a_tensor_that_is_not_in_the_body(flowers: LoadedModel, size: Any) -> None:
    tensor = {"name": "x", "datatype": "FP64", "shape": [1, 4], "parameters": {"binary_data_size": size}}
    text = json.dumps({"inputs": [tensor]}).encode()
    with pytest.raises(BadInput, match="binary_data_size is no size"):
        ask(flowers, Request(Dialect.INFERENCE, text, "p", json_length=str(len(text)).encode()))
    surplus = binary([("x", "FP64", [1, 4], np.array(models.FLOWER).tobytes())])
    surplus.body += b"\0"
    with pytest.raises(BadInput, match="1 bytes behind the JSON belong to no input"):
        ask(flowers, surplus)


@given(st.lists(st.text(max_size=5), max_size=5))
def test_texts_there_and_back(values: list[str]) -> None:
    raw = binary_tensors.write(np.array(values, dtype=object))
    assert binary_tensors.strings("x", [len(values)], memoryview(raw)) == values


@given(st.binary(max_size=40), st.sampled_from(["FP16", "FP32", "INT64", "UINT8"]), st.integers(0, 9))
def test_any_bytes_are_numbers_or_refused(raw: bytes, datatype: str, rows: int) -> None:
    fits = len(raw) == rows * LAYOUTS[datatype].itemsize
    with contextlib.suppress(BadInput):
        assert binary_tensors.numbers("x", datatype, [rows], memoryview(raw)).shape == (rows,)
        assert fits


def csv(served: LoadedModel, text: str) -> Any:
    return json.loads(ask(served, Request(Dialect.INVOCATION, text.encode(), "p", CSV)).body)["predictions"]


def test_csv(mixed: LoadedModel, flowers: LoadedModel, unnamed: LoadedModel) -> None:
    names = ",".join(models.IRIS)
    assert csv(flowers, f"{names}\r\n5.1,3.5,1.4,0.2\r\n6.3,3.3,6.0,2.5\r\n\r\n") == [0, 2]
    assert csv(unnamed, "\ufeffa,b,c,d\n5.1,3.5,1.4,0.2\n") == [0]
    rows = 'city,member,visits,an age\n"Ulm, old",TRUE,3,\n,false,5.0,41.5\n'
    assert csv(mixed, rows) == {"score": [5, 5], "echo": ["Ulm, old", ""]}


BAD_CSV: list[tuple[str, str, Rejection, str, str]] = [
    ("empty", "", R.MALFORMED, "", "its first line names the columns"),
    ("no rows", "city,member,visits\n", R.WRONG_SHAPE, "csv", "there are no rows"),
    ("ragged", "city,member,visits\na,true\n", R.WRONG_SHAPE, "csv", "row 0 has 2 values, but 3 are needed"),
    ("unknown", "city,member,visits,colour\na,true,1,red\n", R.UNKNOWN_COLUMN, "colour", "no column 'colour'"),
    ("missing", "city,member\na,true\n", R.MISSING_COLUMN, "visits", "is missing"),
    ("text for a number", "city,member,visits\na,true,many\n", R.WRONG_TYPE, "visits", "got a string"),
    ("number for a flag", "city,member,visits\na,7,1\n", R.WRONG_TYPE, "member", "expected true or false"),
    ("infinite", "city,member,visits,an age\na,true,1,inf\n", R.WRONG_TYPE, "an age", "got a string"),
    ("null", "city,member,visits\na,true,\n", R.MISSING_VALUE, "visits", "row 0: null"),
    ("quote", 'city,member,visits\n"a,true,1\n', R.MALFORMED, "", "not CSV"),
]


@pytest.mark.parametrize(("text", "reason", "field", "words"), [c[1:] for c in BAD_CSV], ids=[c[0] for c in BAD_CSV])
def test_bad_csv(mixed: LoadedModel, text: str, reason: Rejection, field: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        csv(mixed, text)
    assert (refused.value.reason, refused.value.field) == (reason, field)
    assert words in refused.value.message


MIXED = {"an age": 1.0, "visits": 3, "member": True, "city": "Ulm"}
ROW = ["c-1", *MIXED.values()]


@pytest.mark.parametrize(
    "request_",
    [
        Request(Dialect.INVOCATION, json.dumps({"dataframe_records": [{**MIXED, "customer": "c-1"}]}).encode(), "p"),
        Request(
            Dialect.INVOCATION,
            json.dumps({"dataframe_split": {"columns": ["customer", *MIXED], "data": [ROW]}}).encode(),
            "p",
        ),
        Request(Dialect.INVOCATION, b"customer,city,member,visits\nc-1,Ulm,true,3\n", "p", CSV),
        binary([*mixed_row(), ("customer", "BYTES", [1], texts("c-1"))]),
    ],
    ids=["records", "split", "csv", "tensors"],
)  # fmt: skip
def test_an_extra_column_comes_with_the_rows_and_does_not_reach_the_model(
    mixed: LoadedModel, request_: Request
) -> None:
    answer = ask(mixed, request_)
    assert list(answer.batch.extras["customer"]) == ["c-1"]
    assert "customer" not in (answer.batch.columns or {})


def test_an_extra_column_holds_plain_values(mixed: LoadedModel) -> None:
    body = json.dumps({"dataframe_records": [{**MIXED, "customer": {"id": 1}}]}).encode()
    with pytest.raises(BadInput, match="'customer', row 0: expected a string, got an object"):
        ask(mixed, Request(Dialect.INVOCATION, body, "p"))


def test_too_many_rows(flowers: LoadedModel) -> None:
    with pytest.raises(BadInput, match="a request has 3 rows at most, not 4") as refused:
        ask(flowers, Request(Dialect.INVOCATION, json.dumps({"inputs": [models.FLOWER] * 4}).encode(), "p"))
    assert refused.value.reason is R.TOO_MANY_ROWS


def test_several_requests_in_one_call_get_each_its_own(flowers: LoadedModel, mixed: LoadedModel) -> None:
    bodies: list[Any] = [
        {"inputs": [models.FLOWER]},
        {"inputs": [["x", 1, 2, 3]]},
        {"inputs": [[6.3, 3.3, 6.0, 2.5], [5.7, 2.8, 4.1, 1.3]]},
    ]
    requests = [Request(Dialect.INVOCATION, json.dumps(body).encode(), "p") for body in bodies]
    first, refused, third = flowers.answer(requests)
    assert isinstance(first, ModelOutput)
    assert isinstance(third, ModelOutput)
    assert isinstance(refused, BadInput)
    assert [json.loads(answer.body)["predictions"] for answer in (first, third)] == [[0], [2, 1]]
    texts_ = [binary(mixed_row(city=("BYTES", texts(city)))) for city in ("Ulm", "Bonn")]
    echoed = [json.loads(answer.body) for answer in mixed.answer(texts_) if isinstance(answer, ModelOutput)]
    assert [told["outputs"][1]["data"] for told in echoed] == [["Ulm"], ["Bonn"]]


def test_nobody_fails_for_the_sake_of_another(tmp_path: Path) -> None:
    picky = model.load(models.write_picky(tmp_path), "picky", "", 1)
    requests = [Request(Dialect.INVOCATION, b'{"inputs": [[%d]]}' % value, "p") for value in (3, models.PICKY_MOST + 1)]
    good, bad = picky.answer(requests)
    assert isinstance(good, ModelOutput)
    assert json.loads(good.body) == {"predictions": [3.0]}
    assert isinstance(bad, ModelFailed)


@pytest.mark.parametrize("name", ["flowers", "mixed", "unnamed"])
def test_the_description_holds_for_what_is_really_taken_and_answered(name: str, request: pytest.FixtureRequest) -> None:
    served: LoadedModel = request.getfixturevalue(name)
    document = json.loads(json.dumps(openapi.document(served)))
    schemas = document["components"]["schemas"]

    def check(value: Any, schema: str) -> None:
        # Under the same path as in the document, so that its references hold.
        jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **document}).validate(value)

    invocation, inference = schemas["Invocation"]["examples"][0], schemas["InferRequest"]["examples"][0]
    check(invocation, "Invocation")
    check(inference, "InferRequest")
    told = ask(served, Request(Dialect.INVOCATION, json.dumps(invocation).encode(), "p"))
    check(json.loads(told.body), "Predictions")
    check(
        json.loads(ask(served, Request(Dialect.INFERENCE, json.dumps(inference).encode(), "p")).body), "InferResponse"
    )
    for wrong in ({}, {"inputs": "x"}, {"dataframe_records": [{"colour": 1}]}):
        with pytest.raises(jsonschema.ValidationError):
            check(wrong, "Invocation")
    shown = docs_page.render(document).decode()
    assert served.name in shown
    assert "https:" not in shown
    assert "http:" not in shown


def test_the_page_shows_names_as_they_are(tmp_path: Path) -> None:
    signature = models.columns(("<script>alert(1)</script>", "double"))
    served = model.load(
        models.write_onnx_mlflow(tmp_path, signature, payload=models.logarithm_bytes(), example={"inputs": [[1.0]]}),
        "a & b", "", 1,
    )  # fmt: skip
    shown = docs_page.render(openapi.document(served)).decode()
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "a &amp; b" in shown
