"""What a model takes, and what it refuses: each refusal names the field and the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import models
from viridian.serving.errors import BadInput, ModelFailed, Rejection
from viridian.serving.execution import model
from viridian.serving.execution.model import LoadedModel

FLOWER = models.FLOWER


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Four numbers by name; the second one may be missing."""
    signature = models.iris_columns()
    signature[1]["required"] = False
    directory = models.write_onnx_mlflow(tmp_path_factory.mktemp("flowers"), signature, {"inputs": [FLOWER]})
    return model.load(directory, "flowers", "7", 1)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A number that may be missing, a whole number, a flag and a string."""
    return model.load(models.write_mixed(tmp_path_factory.mktemp("mixed")), "mixed", "1", 1)


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A matrix of four numbers."""
    return model.load(models.write_onnx_alone(tmp_path_factory.mktemp("unnamed")), "unnamed", "", 1)


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Four whole numbers by name."""
    signature = models.columns(*((name, "integer") for name in models.IRIS))
    return model.load(models.write_onnx_mlflow(tmp_path_factory.mktemp("counts"), signature), "counts", "", 1)


def tensor(name: str, data: Any, datatype: str = "FP64", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


def by_column(**changes: Any) -> list[dict[str, Any]]:
    """One row of a flower, an input for each column; None leaves a column out."""
    values: dict[str, Any] = dict(zip(models.IRIS, FLOWER, strict=True))
    given = {**values, **{name.replace("_", " "): value for name, value in changes.items()}}
    return [
        value if isinstance(value, dict) else tensor(name, value if isinstance(value, list) else [value])
        for name, value in given.items()
        if value is not ...
    ]


def infer(served: LoadedModel, inputs: Any, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(served.infer(json.dumps({"inputs": inputs, **more}).encode(), "p-1"))
    return answer


def invoke(served: LoadedModel, **body: Any) -> Any:
    return json.loads(served.invoke(json.dumps(body).encode(), "p-1"))["predictions"]


def refusal(served: LoadedModel, body: bytes, *, invocation: bool) -> BadInput:
    with pytest.raises(BadInput) as raised:
        (served.invoke if invocation else served.infer)(body, "p-1")
    return raised.value


def rows(names: str, table: list[Any]) -> pytest.MarkDecorator:
    """One test for each row of the table; its first cell is the test's name."""
    return pytest.mark.parametrize(names.split(", "), [row[1:] for row in table], ids=[row[0] for row in table])


# --- what is taken -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inputs",
    [
        by_column(),
        list(reversed(by_column())),
        by_column(sepal_length=tensor("sepal length", [[5.1]], shape=[1, 1])),
        by_column(sepal_length=tensor("sepal length", [5.1], shape=[1, 1])),
        by_column(sepal_length=tensor("sepal length", [5], "INT64")),
        [tensor("anything", [FLOWER], "FP32", [1, 4])],
        [tensor("anything", FLOWER, "FP32", [1, 4])],
    ],
    ids=["columns", "another order", "nested", "flat of [1, 1]", "whole number", "matrix", "flat matrix"],
)
def test_one_flower_in_every_form_of_the_inference_protocol(flowers: LoadedModel, inputs: Any) -> None:
    answer = infer(flowers, inputs)
    assert answer["model_name"] == "flowers"
    assert answer["model_version"] == "7"
    assert answer["id"] == "p-1"
    label, probabilities = answer["outputs"]
    assert (label["name"], label["datatype"], label["shape"], label["data"]) == ("label", "INT64", [1], [0])
    assert (probabilities["name"], probabilities["datatype"], probabilities["shape"]) == (
        "probabilities",
        "FP32",
        [1, 3],
    )
    assert sum(probabilities["data"]) == pytest.approx(1)


NAMED = dict(zip(models.IRIS, FLOWER, strict=True))


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": list(models.IRIS), "index": [0], "data": [FLOWER]}},
        {"dataframe_split": {"columns": list(reversed(models.IRIS)), "data": [FLOWER[::-1]]}},
        {"dataframe_split": {"data": [FLOWER]}},
        {"dataframe_records": [NAMED]},
        {"dataframe_records": [dict(reversed(NAMED.items()))], "params": {"ignored": 1}},
        {"instances": [FLOWER]},
        {"instances": [NAMED]},
        {"inputs": [FLOWER]},
        {"inputs": {name: [value] for name, value in NAMED.items()}},
        {"inputs": {name: [[value]] for name, value in NAMED.items()}},
        {"inputs": NAMED},
    ],
)
def test_one_flower_in_every_form_of_invocations(flowers: LoadedModel, body: dict[str, Any]) -> None:
    assert invoke(flowers, **body) == [0]


def test_many_rows_are_answered_in_their_order(flowers: LoadedModel) -> None:
    features, classes = models.iris()
    given = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.7, 2.8, 4.1, 1.3]]
    assert invoke(flowers, inputs=given) == [0, 2, 1]
    right = [a == b for a, b in zip(invoke(flowers, inputs=features.tolist()), classes, strict=True)]
    assert sum(right) > 140


def test_the_clients_own_id_comes_back(flowers: LoadedModel) -> None:
    assert infer(flowers, by_column(), id="mine")["id"] == "mine"


def test_only_the_outputs_that_were_asked_for_come_back(flowers: LoadedModel) -> None:
    outputs = infer(flowers, by_column(), outputs=[{"name": "probabilities"}])["outputs"]
    assert [output["name"] for output in outputs] == ["probabilities"]


def test_optional_numbers_may_be_null_or_left_out(mixed: LoadedModel) -> None:
    row = {"an age": None, "visits": 3, "member": True, "city": "Ulm"}
    rest = {name: value for name, value in row.items() if name != "an age"}
    for given in (row, rest):
        assert invoke(mixed, dataframe_records=[given]) == {"score": [5], "echo": ["Ulm"]}
    assert invoke(mixed, dataframe_records=[{**row, "an age": 41.5}]) == {"score": [4], "echo": ["Ulm"]}
    split = {"columns": list(row), "data": [list(row.values()), [2, 0, False, ""]]}
    assert invoke(mixed, dataframe_split=split) == {"score": [5, 0], "echo": ["Ulm", ""]}


def test_any_optional_column_may_be_null(tmp_path: Path) -> None:
    """A graph has no null: missing text is the empty string to it, and flags and whole numbers cannot be missing."""
    signature = models.columns(
        ("an age", "double", False), ("visits", "long", False), ("member", "boolean", False), ("city", "string", False)
    )
    served = model.load(models.write_mixed(tmp_path, signature), "mixed", "1", 1)
    row = {"an age": 1, "visits": 3, "member": True, "city": None}
    assert invoke(served, dataframe_records=[row, {**row, "city": "Ulm"}]) == {"score": [4, 4], "echo": ["", "Ulm"]}
    given = [tensor("visits", [3], "INT64"), tensor("member", [True], "BOOL"), tensor("city", [None], "BYTES")]
    assert infer(served, given)["outputs"][1]["data"] == [""]
    for name in ("visits", "member"):
        refused = refusal(served, as_body({"dataframe_records": [{**row, name: None}]}), invocation=True)
        assert (refused.reason, refused.field) == (Rejection.MISSING_VALUE, name)


def test_columns_of_all_types_over_the_inference_protocol(mixed: LoadedModel) -> None:
    given = [
        tensor("city", ["Ulm", "Köln"], "BYTES"),
        tensor("member", [True, False], "BOOL"),
        tensor("visits", [3, 4], "INT64"),
        tensor("an age", [None, 20.5], "FP32"),
    ]
    score, echo = infer(mixed, given)["outputs"]
    assert (score["data"], echo["datatype"], echo["data"]) == ([5, 4], "BYTES", ["Ulm", "Köln"])


def test_whole_numbers_may_be_written_as_floats(counts: LoadedModel) -> None:
    assert invoke(counts, inputs=[[5.0, 3, 1, 0]]) == invoke(counts, inputs=[[5, 3, 1, 0]])


def test_metadata_tells_inputs_and_outputs(flowers: LoadedModel, mixed: LoadedModel, unnamed: LoadedModel) -> None:
    told = json.loads(flowers.metadata)
    assert told["versions"] == ["7"]
    assert told["platform"] == "onnxruntime_onnx"
    assert told["inputs"][0] == {"name": "sepal length", "datatype": "FP64", "shape": [-1]}
    assert told["outputs"] == [
        {"name": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
    ]
    assert [column["datatype"] for column in json.loads(mixed.metadata)["inputs"]] == ["FP64", "INT64", "BOOL", "BYTES"]
    assert json.loads(unnamed.metadata)["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}]


# --- what is refused -----------------------------------------------------------------------------------------------

R = Rejection

BAD_INFERENCE: list[tuple[str, Any, Rejection, str, str]] = [
    ("no JSON", b"{", R.MALFORMED, "", "the body is not JSON"),
    ("not UTF-8", b'{"inputs": "\xff"}', R.MALFORMED, "", "the body is not"),
    ("NaN", b'{"inputs": [NaN]}', R.MALFORMED, "", "NaN and Infinity are not JSON"),
    ("empty", b"", R.MALFORMED, "", "the body is not JSON"),
    ("deep", b'{"inputs": ' + b"[" * 100_000, R.MALFORMED, "", "the body is not"),
    ("no inputs", {}, R.MALFORMED, "", "missing required field inputs"),
    ("inputs of another type", {"inputs": 1}, R.MALFORMED, "", "at $.inputs"),
    ("no data", {"inputs": [{"name": "a", "shape": [1], "datatype": "FP32"}]}, R.MALFORMED, "a", "'a' has no data"),
    ("inputs empty", {"inputs": []}, R.WRONG_SHAPE, "inputs", "there are no inputs"),
    ("unknown", by_column(colour=1.0), R.UNKNOWN_COLUMN, "colour", "the model has no column 'colour'"),
    ("missing", by_column(sepal_length=...), R.MISSING_COLUMN, "sepal length", "'sepal length' is missing"),
    ("twice", [*by_column(), *by_column()], R.WRONG_SHAPE, "inputs", "is there twice"),
    ("string", by_column(petal_width="wide"), R.WRONG_TYPE, "petal width", "row 0: expected a number, got a string"),
    ("digits", by_column(petal_width="0.2"), R.WRONG_TYPE, "petal width", "expected a number, got a string"),
    ("flag", by_column(petal_width=True), R.WRONG_TYPE, "petal width", "expected a number, got true or false"),
    ("object", by_column(petal_width=[{}]), R.WRONG_TYPE, "petal width", "expected a number, got an object"),
    ("null", by_column(petal_width=[None]), R.MISSING_VALUE, "petal width", "row 0: null, but"),
    (
        "datatype",
        by_column(petal_width=tensor("petal width", [1], "BYTES")),
        R.WRONG_TYPE,
        "petal width",
        "the datatype is BYTES, but the column holds FP64",
    ),
    (
        "made-up datatype",
        by_column(petal_width=tensor("petal width", [1], "FLOAT")),
        R.WRONG_TYPE,
        "petal width",
        "the datatype is FLOAT",
    ),
    (
        "count",
        by_column(petal_width=tensor("petal width", [1.0, 2.0], shape=[1])),
        R.WRONG_SHAPE,
        "petal width",
        "needs 1 values, not 2",
    ),
    ("ragged columns", by_column(petal_width=[1.0, 2.0]), R.WRONG_SHAPE, "petal width", "[1] or [1, 1] is needed"),
    (
        "wide column",
        by_column(petal_width=tensor("petal width", [1.0, 2.0], shape=[1, 2])),
        R.WRONG_SHAPE,
        "petal width",
        "[1] or [1, 1] is needed",
    ),
    ("no rows", by_column(sepal_length=tensor("sepal length", [], shape=[0])),
     R.WRONG_SHAPE, "sepal length", "no rows"),
    ("no shape", by_column(sepal_length={"name": "sepal length", "shape": [], "datatype": "FP32", "data": []}),
     R.WRONG_SHAPE, "sepal length", "is no shape"),
    ("negative shape", [tensor("x", FLOWER, shape=[-1, 4])], R.WRONG_SHAPE, "x", "is no shape"),
    ("scalar data", by_column(petal_width={"name": "petal width", "shape": [1], "datatype": "FP32", "data": 1}),
     R.WRONG_SHAPE, "petal width", "data is not a list"),
    ("narrow matrix", [tensor("x", [1, 2, 3], shape=[1, 3])], R.WRONG_SHAPE, "x", "has 4 columns, not 3"),
    ("ragged matrix", [tensor("x", [FLOWER, [1, 2]], shape=[2, 4])], R.WRONG_SHAPE, "x", "row 1 has 2 values, but 4"),
    ("short matrix", [tensor("x", FLOWER, shape=[2, 4])], R.WRONG_SHAPE, "x", "needs 8 values, not 4"),
    ("no rows in the matrix", [tensor("x", [], shape=[0, 4])], R.WRONG_SHAPE, "x", "there are no rows"),
    ("matrix of strings", [tensor("x", ["a"] * 4, "BYTES", [1, 4])], R.WRONG_TYPE, "x", "BYTES holds no numbers"),
    ("string in the matrix", [tensor("x", [[1, 2, 3, "a"]], shape=[1, 4])], R.WRONG_TYPE, "petal width", "row 0"),
    ("string in the flat matrix", [tensor("x", [1, 2, 3, "a"], shape=[1, 4])], R.WRONG_TYPE, "x", "row 3"),
    ("null in the matrix", [tensor("x", [[1, 2, None, 4]], shape=[1, 4])],
     R.MISSING_VALUE, "petal length", "row 0: null"),
    ("three dimensions", [tensor("x", FLOWER, shape=[1, 4, 1])], R.UNKNOWN_COLUMN, "x", "has no column"),
    ("too large", by_column(petal_width=[1e300]), R.OUT_OF_RANGE, "", "too large for the 32-bit numbers"),
    ("beyond any float", b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP64","data":[1,2,3,1e999]}]}',
     R.OUT_OF_RANGE, "x", "Number out of range"),
    ("output", {"inputs": by_column(), "outputs": [{"name": "logit"}]}, R.UNKNOWN_OUTPUT, "logit", "it has 'label', "),
]  # fmt: skip


def as_body(given: Any, key: str = "inputs") -> bytes:
    if isinstance(given, bytes):
        return given
    return json.dumps(given if isinstance(given, dict) else {key: given}).encode()


@rows("given, reason, field, words", BAD_INFERENCE)
def test_bad_inference_requests(flowers: LoadedModel, given: Any, reason: Rejection, field: str, words: str) -> None:
    refused = refusal(flowers, as_body(given), invocation=False)
    assert (refused.reason, refused.field) == (reason, field)
    assert words in refused.message


BAD_INVOCATIONS: list[tuple[str, Any, Rejection, str, str]] = [
    ("nothing", {}, R.MALFORMED, "", "send exactly one of"),
    ("two forms", {"inputs": [FLOWER], "instances": [FLOWER]}, R.MALFORMED, "", "found instances and inputs"),
    ("a list", b"[1]", R.MALFORMED, "", "is not an invocation"),
    ("split of another type", {"dataframe_split": [1]}, R.WRONG_SHAPE, "dataframe_split", "Expected object"),
    ("split without data", {"dataframe_split": {"columns": []}},
     R.WRONG_SHAPE, "dataframe_split", "required field data"),
    ("unknown", {"dataframe_records": [{**NAMED, "colour": 1}]}, R.UNKNOWN_COLUMN, "colour", "no column 'colour'"),
    ("missing", {"dataframe_split": {"columns": list(models.IRIS[1:]), "data": [[1, 2, 3]]}},
     R.MISSING_COLUMN, "sepal length", "is missing"),
    ("column twice", {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}},
     R.WRONG_SHAPE, "dataframe_split", "twice"),
    ("short row", {"dataframe_split": {"data": [FLOWER, [1]]}}, R.WRONG_SHAPE, "dataframe_split", "row 1 has 1 values"),
    ("long row", {"inputs": [[*FLOWER, 9]]}, R.WRONG_SHAPE, "inputs", "row 0 has 5 values, but 4 are needed"),
    ("no rows", {"inputs": []}, R.WRONG_SHAPE, "inputs", "there are no rows"),
    ("no records", {"dataframe_records": []}, R.WRONG_SHAPE, "dataframe_records", "there are no rows"),
    ("one flat row", {"inputs": FLOWER}, R.WRONG_SHAPE, "inputs", "row 0 is a number, but a list is needed"),
    ("uneven records", {"dataframe_records": [NAMED, {"sepal length": 1}]},
     R.WRONG_SHAPE, "petal length", "row 1 and row 0"),
    ("uneven columns", {"inputs": {**NAMED, "petal width": [1, 2]}}, R.WRONG_SHAPE, "petal width", "has 2 values"),
    ("string", {"inputs": [[1, 2, 3, "x"]]}, R.WRONG_TYPE, "petal width", "row 0: expected a number, got a string"),
    ("string in a record", {"dataframe_records": [{**NAMED, "petal width": "x"}]},
     R.WRONG_TYPE, "petal width", "got a string"),
    ("null", {"dataframe_records": [NAMED, {**NAMED, "petal width": None}]},
     R.MISSING_VALUE, "petal width", "row 1: null"),
    ("null in a row", {"inputs": [FLOWER, [1, 2, 3, None]]}, R.MISSING_VALUE, "petal width", "row 1: null"),
    ("text", {"inputs": "hello"}, R.WRONG_SHAPE, "inputs", "is not a list of rows"),
]  # fmt: skip


@rows("given, reason, field, words", BAD_INVOCATIONS)
def test_bad_invocations(flowers: LoadedModel, given: Any, reason: Rejection, field: str, words: str) -> None:
    refused = refusal(flowers, as_body(given), invocation=True)
    assert (refused.reason, refused.field) == (reason, field)
    assert words in refused.message


MIXED = {"an age": 1, "visits": 3, "member": True, "city": "Ulm"}

BAD_MIXED: list[tuple[str, Any, Rejection, str, str]] = [
    ("fraction", {**MIXED, "visits": 1.5}, R.WRONG_TYPE, "visits", "expected a whole number, got a fraction"),
    ("no exact float64", {**MIXED, "visits": 2**60}, R.OUT_OF_RANGE, "visits", "too large for INT64"),
    ("not even int64", {**MIXED, "visits": 2**70}, R.OUT_OF_RANGE, "visits", "too large for INT64"),
    ("number for a flag", {**MIXED, "member": 1}, R.WRONG_TYPE, "member", "expected true or false, got a number"),
    ("number for a string", {**MIXED, "city": 89}, R.WRONG_TYPE, "city", "expected a string, got a number"),
    ("null for a string", {**MIXED, "city": None}, R.MISSING_VALUE, "city", "null, but this column must have a value"),
    ("null for a whole number", {**MIXED, "visits": None}, R.MISSING_VALUE, "visits", "null"),
    ("list for a string", {**MIXED, "city": ["a", "b"]}, R.WRONG_TYPE, "city", "got a list"),
]


@rows("given, reason, field, words", BAD_MIXED)
def test_bad_values_of_other_types(mixed: LoadedModel, given: Any, reason: Rejection, field: str, words: str) -> None:
    refused = refusal(mixed, as_body({"dataframe_records": [given]}), invocation=True)
    assert (refused.reason, refused.field) == (reason, field)
    assert words in refused.message


def test_a_matrix_cannot_carry_strings(mixed: LoadedModel) -> None:
    refused = refusal(mixed, as_body([tensor("x", [1, 2, 3, 4], shape=[1, 4])]), invocation=False)
    assert "send one input for each column" in refused.message


BAD_UNNAMED: list[tuple[str, Any, bool, str]] = [
    ("records", {"dataframe_records": [{"a": 1}]}, True, "the model's columns have no names"),
    ("columns", {"inputs": {"a": [1]}}, True, "the model's columns have no names"),
    ("width", {"inputs": [[1, 2]]}, True, "each row needs 4 numbers, but these have 2"),
    ("two tensors", [tensor("a", [1]), tensor("b", [1])], False, "one input is needed, not 2"),
    ("vector", [tensor("a", FLOWER)], False, "the shape is [rows, columns], not [4]"),
    ("null", [tensor("a", [1, 2, 3, None], shape=[1, 4])], False, "expected a number, got null"),
]


@rows("given, invocation, words", BAD_UNNAMED)
def test_bad_matrices(unnamed: LoadedModel, given: Any, invocation: bool, words: str) -> None:
    assert words in refusal(unnamed, as_body(given), invocation=invocation).message


@pytest.mark.parametrize(
    ("row", "words"), [([1.5, 1, 1, 1], "got a fraction"), ([2**31, 1, 1, 1], "too large for INT32")]
)
def test_whole_numbers_are_whole_and_fit(counts: LoadedModel, row: list[float], words: str) -> None:
    refused = refusal(counts, as_body({"inputs": [row]}), invocation=True)
    assert refused.field == "sepal length"
    assert words in refused.message


def test_a_made_up_number_of_rows_costs_nothing(mixed: LoadedModel) -> None:
    """The optional column is absent: nothing may be filled in for rows that are only claimed."""
    given = [tensor("visits", [1], "INT64", [10**15]), tensor("member", [True], "BOOL"), tensor("city", ["a"], "BYTES")]
    assert "needs 1000000000000000 values, not 1" in refusal(mixed, as_body(given), invocation=False).message


def test_no_refusal_quotes_a_value(flowers: LoadedModel) -> None:
    """Messages are logged by clients and proxies: they say what kind of value it was, never which."""
    for given in ("s3cret", ["s3cret"], {"s3cret": "s3cret"}):
        body = as_body({"dataframe_records": [{**NAMED, "petal width": given}]})
        assert "s3cret" not in refusal(flowers, body, invocation=True).message


def test_the_picky_model_raises(tmp_path: Path) -> None:
    """The support model does what other tests rely on."""
    picky = model.load(models.write_picky(tmp_path), "picky", "", 1)
    assert invoke(picky, inputs=[[models.PICKY_MOST]]) == [9]
    with pytest.raises(ModelFailed, match="InvalidArgument"):
        invoke(picky, inputs=[[models.PICKY_MOST + 1]])
