"""What clients leave out, write in odd ways, or make up: answered as one would expect, or refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.support import models
from viridian.serving.errors import BadInput, Rejection
from viridian.serving.execution import model
from viridian.serving.execution.model import LoadedModel, ModelOutput, RequestLimits
from viridian.serving.protocols import binary_tensors
from viridian.serving.protocols.prediction_request import CSV, Dialect, Request

R = Rejection
ROWS = 1000


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Four columns of four types, of which the age is optional."""
    signature = models.columns(
        ("an age", "double", False), ("visits", "long"), ("member", "boolean"), ("city", "string")
    )
    directory = models.write_mixed(tmp_path_factory.mktemp("mixed"), signature)
    return model.load(directory, "mixed", "1", 1, RequestLimits(rows=ROWS, extra=("customer",)))


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """One optional number, and its answer to null is null's own."""
    directory = models.write_onnx_mlflow(
        tmp_path_factory.mktemp("gaps"),
        models.columns(("x", "double", False)),
        {"inputs": [[1.0]]},
        payload=models.logarithm_bytes(),
    )
    return model.load(directory, "gaps", "1", 1, RequestLimits(rows=ROWS, extra=("customer",)))


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return model.load(models.write_onnx_alone(tmp_path_factory.mktemp("unnamed")), "unnamed", "", 1)


def ask(served: LoadedModel, body: Any, dialect: Dialect = Dialect.INVOCATION, **more: Any) -> ModelOutput:
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    [answer] = served.answer([Request(dialect, content, "p", **more)])
    if isinstance(answer, Exception):
        raise answer
    return answer


def vectors(answer: ModelOutput, name: str) -> list[Any]:
    """What the model was asked, one value a row."""
    if answer.batch.columns is not None:
        return list(np.asarray(answer.batch.columns[name]).tolist())
    assert answer.batch.matrix is not None
    return list(answer.batch.matrix[:, 0].tolist())


# ---- what is left out ----

FULL = {"an age": 41.5, "visits": 3, "member": True, "city": "Ulm"}
SHORT = {name: value for name, value in FULL.items() if name != "an age"}


def column(name: str, *values: Any) -> dict[str, Any]:
    datatype = {"visits": "INT64", "member": "BOOL", "city": "BYTES"}.get(name, "FP64")
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": list(values)}


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [SHORT, SHORT]},
        {"instances": [SHORT, SHORT]},
        {"dataframe_records": [{**SHORT, "an age": None}, SHORT]},
        {"dataframe_records": [SHORT, {**SHORT, "an age": None}]},
        {"dataframe_split": {"columns": list(SHORT), "data": [list(SHORT.values())] * 2}},
        {"inputs": {name: [value] * 2 for name, value in SHORT.items()}},
        "visits,member,city\n3,true,Ulm\n3,true,Ulm\n",
        'an age,visits,member,city\n,3,true,Ulm\n"",3,true,Ulm\n',
        {"tensors": [column(name, value, value) for name, value in SHORT.items()]},
    ],
    ids=["records", "instances", "null and left out", "left out and null", "split", "inputs", "CSV", "CSV null", "v2"],
)  # fmt: skip
def test_an_optional_column_that_is_left_out_is_null(mixed: LoadedModel, body: Any) -> None:
    if isinstance(body, str):
        answer = ask(mixed, body, media=CSV)
    elif "tensors" in body:
        answer = ask(mixed, {"inputs": body["tensors"]}, Dialect.INFERENCE)
    else:
        answer = ask(mixed, body)
    assert np.isnan(vectors(answer, "an age")).all()
    assert vectors(answer, "city") == ["Ulm", "Ulm"]


def test_each_record_may_leave_out_what_is_optional(mixed: LoadedModel) -> None:
    records = [FULL, SHORT, {**FULL, "customer": "c"}]
    answer = ask(mixed, {"instances": records})
    assert [None if np.isnan(age) else age for age in vectors(answer, "an age")] == [41.5, None, 41.5]
    assert list(answer.batch.extras["customer"]) == [None, None, "c"]
    with pytest.raises(BadInput, match="row 1 and row 0 do not both have the column 'city'"):
        ask(mixed, {"instances": [FULL, {name: value for name, value in FULL.items() if name != "city"}]})
    with pytest.raises(BadInput, match="the model has no column 'colour'"):
        ask(mixed, {"instances": [FULL, {**FULL, "colour": "red"}]})


def test_rows_that_say_nothing_are_rows(gaps: LoadedModel) -> None:
    bodies: list[Any] = [{"instances": [{}, {}]}, {"dataframe_records": [{}, {"x": None}]}]
    for body in bodies:
        assert np.isnan(vectors(ask(gaps, body), "x")).tolist() == [True, True]


# ---- numbers in CSV ----

GOOD = {"3": 3.0, "-3": -3.0, "0": 0.0, "1.50": 1.5, "2e3": 2000.0, "2E+3": 2000.0, "25e-1": 2.5, "": None}
NO_NUMBERS = ["3_0", "٣", "３", "0x10", "1e", "nan", "NaN", "inf", "-inf", "Infinity", " 3", "3 ", "\t3", "+3", "03",
              ".5", "5.", "1,5", "--3", "3-", "null", "true", "1d", "1f", "½", "1e5e5", "0b1", "1'000"]  # fmt: skip


def cell(text: str) -> str:
    return '"' + text + '"'


@pytest.mark.parametrize(("text", "value"), GOOD.items(), ids=repr)
def test_numbers_that_json_has(gaps: LoadedModel, text: str, value: float | None) -> None:
    [found] = vectors(ask(gaps, f"x\n{cell(text)}\n", media=CSV), "x")
    assert found == value or (value is None and np.isnan(found))


@pytest.mark.parametrize("text", NO_NUMBERS, ids=ascii)
def test_numbers_that_json_does_not_have(gaps: LoadedModel, unnamed: LoadedModel, text: str) -> None:
    for served, body in ((gaps, f"x\n{cell(text)}\n"), (unnamed, f"a,b,c,d\n1,2,3,{cell(text)}\n")):
        with pytest.raises(BadInput) as refused:
            ask(served, body, media=CSV)
        assert refused.value.reason is R.WRONG_TYPE
        assert "row 0: expected a number, got a string" in refused.value.message


def test_numbers_that_no_float_holds(gaps: LoadedModel, unnamed: LoadedModel) -> None:
    for served, body in ((gaps, "x\n1e400\n"), (unnamed, "a,b,c,d\n1,2,3,-1e400\n")):
        with pytest.raises(BadInput, match="out of range") as refused:
            ask(served, body, media=CSV)
        assert refused.value.reason is R.OUT_OF_RANGE


# ---- blank lines ----


def test_a_blank_line_of_one_column_is_a_row(gaps: LoadedModel) -> None:
    found = vectors(ask(gaps, "x\n1\n\n3\n\n", media=CSV), "x")
    assert [None if np.isnan(value) else value for value in found] == [1.0, None, 3.0, None]


def test_a_blank_line_among_rows_of_several_columns_is_refused(mixed: LoadedModel) -> None:
    with pytest.raises(BadInput, match="line 3 is blank"):
        ask(mixed, "visits,member,city\n3,true,Ulm\n\n\n4,true,Ulm\n", media=CSV)
    answer = ask(mixed, "visits,member,city\n3,true,Ulm\n4,true,Ulm\n\n\n", media=CSV)
    assert vectors(answer, "visits") == [3.0, 4.0]


def test_blank_lines_do_not_fill_the_memory(gaps: LoadedModel, mixed: LoadedModel) -> None:
    with pytest.raises(BadInput, match=f"{ROWS} rows at most"):
        ask(gaps, b"x\n" + b"\n" * 2_000_000, media=CSV)
    with pytest.raises(BadInput, match="there are no rows"):
        ask(mixed, b"visits,member,city\n" + b"\n" * 2_000_000, media=CSV)


# ---- tensors ----


def test_strings_are_read_as_far_as_the_shape_goes() -> None:
    raw = memoryview(b"\x01\0\0\0a" + b"\xff" * 100)
    with pytest.raises(BadInput, match="needs 1 values, not 2 or more") as refused:
        binary_tensors.strings("x", [1], raw)
    assert refused.value.reason is R.WRONG_SHAPE
    with pytest.raises(BadInput, match="needs 3 values, not 2"):
        binary_tensors.strings("x", [3], memoryview(b"\0" * 8))


def test_rows_that_are_too_many_are_not_even_looked_at(mixed: LoadedModel) -> None:
    """The bytes are no strings at all."""
    told = {**column("city"), "shape": [2_000_000], "parameters": {"binary_data_size": 8_000_000}}
    del told["data"]
    text = json.dumps({"inputs": [told]}).encode()
    with pytest.raises(BadInput) as refused:
        ask(mixed, text + b"\xff" * 8_000_000, Dialect.INFERENCE, json_length=str(len(text)).encode())
    assert refused.value.reason is R.TOO_MANY_ROWS


def whole(*data: Any, shape: Any = (1, 4), datatype: str = "FP64") -> dict[str, Any]:
    return {"name": "rows", "shape": list(shape), "datatype": datatype, "data": list(data)}


def pathological() -> Iterator[tuple[str, Any, Rejection]]:
    """A name, the inputs of an inference request, and the reason that is given."""
    digits = "1" * 4000
    yield "negative", [column("visits") | {"shape": [-1]}], R.WRONG_SHAPE
    yield "nothing", [column("visits")], R.MISSING_COLUMN
    yield "no dimension", [column("visits") | {"shape": []}], R.WRONG_SHAPE
    yield "many dimensions", [column("visits", 3) | {"shape": [1] * 100_000}], R.WRONG_SHAPE
    yield "product of thousands of digits", [column("visits", 3) | {"shape": [10**4000] * 2}], R.WRONG_SHAPE
    yield "product beyond 64 bits", [column("visits", 3) | {"shape": [2**40, 2**40]}], R.MISSING_COLUMN
    yield "one dimension beyond 64 bits", [column("visits", 3) | {"shape": [2**64]}], R.WRONG_SHAPE
    yield "only what is no input", [{**column("customer"), "shape": [10**12]}], R.MISSING_COLUMN
    yield "digits", f'[{{"name":"visits","shape":[1],"datatype":"INT64","data":[{digits}]}}]', R.MISSING_COLUMN
    yield "digits in a shape", f'[{{"name":"visits","shape":[{digits * 5}],"datatype":"INT64","data":[]}}]', R.MALFORMED
    yield "deep", '[{"name":"visits","shape":[1],"datatype":"INT64","data":' + "[" * 50_000 + "}]", R.MALFORMED
    yield "a hundred thousand columns", [column(str(n), 1) for n in range(100_000)], R.UNKNOWN_COLUMN
    yield "the same column twice", [column("visits", 1), column("visits", 1)], R.WRONG_SHAPE
    rest = [column("member", True), column("city", "Ulm")]
    yield "unequal", [column("visits", 1, 2), *rest], R.WRONG_SHAPE
    yield "nested", [column("visits", [[1]]), *rest], R.WRONG_TYPE
    yield "unequal lists", [column("visits", [1, 2], [3]) | {"shape": [2, 1]}, *rest], R.WRONG_TYPE
    yield "null", [column("visits", None), *rest], R.MISSING_VALUE
    yield (
        "fraction of a whole type",
        [column("an age", 1.5) | {"datatype": "INT8"}, column("visits", 1), *rest],
        R.WRONG_TYPE,
    )
    yield "beyond its type", [column("visits", 300) | {"datatype": "UINT8"}, *rest], R.OUT_OF_RANGE
    yield "below its type", [column("visits", -1) | {"datatype": "UINT64"}, *rest], R.OUT_OF_RANGE
    yield "another type", [column("visits", "3") | {"datatype": "BYTES"}, *rest], R.WRONG_TYPE
    yield "no type", [column("visits", 3) | {"datatype": "FP128"}, *rest], R.WRONG_TYPE


CASES = list(pathological())


@pytest.mark.parametrize(("inputs", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_pathological_tensors_are_refused(mixed: LoadedModel, inputs: Any, reason: Rejection) -> None:
    body = f'{{"inputs": {inputs if isinstance(inputs, str) else json.dumps(inputs)}}}'
    with pytest.raises(BadInput) as refused:
        ask(mixed, body, Dialect.INFERENCE)
    assert refused.value.reason is reason
    assert len(refused.value.message) < 1000


def test_a_shape_that_only_an_extra_column_claims_costs_nothing(gaps: LoadedModel) -> None:
    with pytest.raises(BadInput, match="needs 1000000000000 values, not 1"):
        ask(gaps, {"inputs": [column("customer", 1.0) | {"shape": [10**12]}]}, Dialect.INFERENCE)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "[" + "1" * 5000 + "]", "[[1e400]]", '[{"x":1e400}]', '[["\\ud800"]]',
     '{"x":[NaN]}', "[[" + "1," * 100_000 + "1]]", "[" + "[]," * 100_000 + "[]]",
     '{"x":[[1],[2,3]]}', '[{"x":{"x":1}}]', "1", '"x"'],
    ids=lambda text: text[:12],
)  # fmt: skip
@pytest.mark.parametrize("form", ["instances", "inputs", "dataframe_records", "dataframe_split"])
def test_pathological_invocations_are_refused(gaps: LoadedModel, form: str, text: str) -> None:
    rows = f'{{"columns":["x"],"data":{text}}}' if form == "dataframe_split" else text
    with pytest.raises(BadInput):
        ask(gaps, f'{{"{form}": {rows}}}')


def test_of_a_key_that_is_there_twice_the_last_counts(gaps: LoadedModel) -> None:
    """As with every JSON parser that people use."""
    assert vectors(ask(gaps, '{"instances": [{"x": 1, "x": 2}]}'), "x") == [2.0]
