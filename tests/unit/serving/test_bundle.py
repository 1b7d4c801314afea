"""A model's directory is read as data; what is not served is refused in words."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import models
from viridian.api.rejections import ModelRejection
from viridian.serving.bundle import contents, signature
from viridian.serving.bundle.contents import Format
from viridian.serving.bundle.signature import Column, ColumnKind, Matrix, Table
from viridian.serving.errors import BundleRefused, SmokeFailed
from viridian.serving.execution import model
from viridian.serving.runtimes import loader


def refused(directory: Path) -> str:
    """Why this directory is not served."""
    with pytest.raises(BundleRefused) as raised:
        model.load(directory, "m", "1", 1)
    return str(raised.value)


def test_an_mlflow_model_is_read(tmp_path: Path) -> None:
    example = {"dataframe_split": {"columns": list(models.IRIS), "data": [[float("nan"), 3.5, 1.4, 0.2]]}}
    found = contents.read(models.write_onnx_mlflow(tmp_path, example=example))
    assert found.format is Format.ONNX
    assert found.payload == tmp_path / "model.onnx"
    assert isinstance(found.signature, Table)
    assert [column.name for column in found.signature.columns] == list(models.IRIS)
    assert found.example is not None
    assert json.loads(found.example)["dataframe_split"]["data"] == [[None, 3.5, 1.4, 0.2]], "NaN became null"


@pytest.mark.parametrize(("kind", "envelope"), [("dataframe", "dataframe_split"), ("ndarray", "inputs")])
def test_the_example_of_an_older_mlflow_is_wrapped(tmp_path: Path, kind: str, envelope: str) -> None:
    models.write_onnx_mlflow(tmp_path)
    document = yaml.safe_load((tmp_path / "MLmodel").read_text())
    document["saved_input_example_info"] = {"artifact_path": "input_example.json", "type": kind}
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(document))
    rows: Any = [models.FLOWER] if kind == "ndarray" else {"columns": list(models.IRIS), "data": [models.FLOWER]}
    (tmp_path / "input_example.json").write_text(json.dumps(rows))
    example = contents.read(tmp_path).example
    assert example is not None
    assert json.loads(example) == {envelope: rows}
    assert model.load(tmp_path, "m", "1", 1).metadata


def test_a_payload_alone_is_served(tmp_path: Path) -> None:
    assert contents.read(models.write_onnx_alone(tmp_path)).signature is None
    assert json.loads(model.load(tmp_path, "m", "", 1).invoke(b'{"inputs":[[5.1,3.5,1.4,0.2]]}', "")) == {
        "predictions": [0]
    }


def test_a_config_map_with_links_inside_is_served(tmp_path: Path) -> None:
    models.write_onnx_alone(tmp_path / "..2026")
    (tmp_path / "model.onnx").symlink_to("..2026/model.onnx")
    assert model.load(tmp_path, "m", "", 1).metadata


@pytest.mark.parametrize("serialization", ["pickle", "cloudpickle", None])
def test_pickles_in_an_mlflow_model_are_refused(tmp_path: Path, serialization: str | None) -> None:
    """Also where MLmodel does not say: that is how MLflow reads it itself."""
    flavor: dict[str, Any] = {"pickled_model": "model.pkl", "sklearn_version": "1.9.1"}
    if serialization:
        flavor["serialization_format"] = serialization
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({}))
    models.write_mlmodel(tmp_path, {"sklearn": flavor}, models.iris_columns())
    assert refused(tmp_path).startswith("model.pkl is a pickle, which runs code when it is loaded: refused")


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.pickle", "model.joblib", "model.pkl.gz", "MODEL.PKL", "a.joblib.z"]
)
def test_pickles_alone_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({}))
    assert f"{name} is a pickle" in refused(tmp_path)


PACKINGS = [bytes, gzip.compress, zlib.compress, bz2.compress, lzma.compress, lambda plain: b"\x04\x22\x4d\x18" + plain]
PACKED = pytest.mark.parametrize("pack", PACKINGS, ids=["raw", "gzip", "zlib", "bz2", "xz", "lz4"])


@PACKED
@pytest.mark.parametrize("protocol", [0, 1, 2, 5])
@pytest.mark.parametrize("name", ["model.onnx", "model.skops"])
def test_a_pickle_by_another_name_is_refused(tmp_path: Path, name: str, protocol: int, pack: Any) -> None:
    (tmp_path / name).write_bytes(pack(pickle.dumps({"a": [1.5, "x", b"y"]}, protocol)))
    with pytest.raises(BundleRefused, match=f"{name} is a pickle, which runs code") as raised:
        model.load(tmp_path, "m", "1", 1)
    assert raised.value.reason is ModelRejection.PICKLE


@pytest.mark.parametrize("name", ["model.onnx", "model.skops"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"just text\n" * 10, b"PK\x03\x04 cut", b"\x08\x0a\x12\x05skl2"]
)
def test_what_is_neither_is_not_called_a_pickle(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BundleRefused) as raised:
        model.load(tmp_path, "m", "1", 1)
    assert raised.value.reason is ModelRejection.MALFORMED


def hostile(document: dict[str, Any]) -> dict[str, Any]:
    """MLmodel of the flowers, with changes."""
    return {"flavors": {"onnx": {"data": "model.onnx"}}, **document}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "MLmodel is not YAML"),
        ("!!python/object/apply:os.system ['true']", "MLmodel is not YAML"),
        ("just text", "MLmodel names no flavors"),
        ("flavors: {pytorch: {}, python_function: {}}", "the flavors python_function, pytorch are not served"),
        (hostile({"flavors": {"onnx": {"data": "../outside.onnx"}}}), "leads out of the model's directory"),
        (hostile({"flavors": {"onnx": {"data": "/etc/passwd"}}}), "leads out of the model's directory"),
        (hostile({"flavors": {"onnx": {"data": "link.onnx"}}}), "leads out of the model's directory"),
        (hostile({"flavors": {"onnx": {"data": "gone.onnx"}}}), "'gone.onnx', which is not there"),
        (hostile({"saved_input_example_info": {"serving_input_path": "../x"}}), "leads out of"),
        (hostile({"saved_input_example_info": {"serving_input_path": "model.onnx"}}), "model.onnx is not JSON"),
        (hostile({"signature": {"inputs": "["}}), "the signature in MLmodel is not JSON"),
        (hostile({"signature": {"inputs": "[]"}}), "names no inputs"),
        (hostile({"signature": {"inputs": "[1]"}}), "names no inputs"),
        (
            hostile({"signature": {"inputs": '[{"type": "datetime", "name": "day"}]'}}),
            "input 'day' has the type 'datetime'",
        ),
        (hostile({"signature": {"inputs": '[{"type": {}, "name": "a"}]'}}), "input 'a' has the type {}"),
        (hostile({"signature": {"inputs": '[{"type": "double"}]'}}), "input None has the type"),
        (
            hostile({"signature": {"inputs": json.dumps(models.columns(("a", "double"), ("a", "long")))}}),
            "names a column twice",
        ),
        (hostile({"signature": {"inputs": '[{"type": "tensor", "tensor-spec": 1}]'}}), "tensors that are not served"),
        (
            hostile(
                {"signature": {"inputs": '[{"type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1,28,28]}}]'}}
            ),
            "tensors that are not served",
        ),
        (
            hostile({"signature": {"inputs": json.dumps(models.columns(("a", "double")))}}),
            "the signature has 1 columns, but the ONNX graph takes X",
        ),
        (
            hostile({"signature": {"inputs": json.dumps(models.columns(("a", "string")))}}),
            "column 'a' is a string in MLmodel, but not in the ONNX graph",
        ),
    ],
)
def test_what_mlmodel_may_not_say(tmp_path: Path, document: Any, words: str) -> None:
    directory = models.write_onnx_alone(tmp_path / "model")
    (tmp_path / "outside.onnx").write_bytes((directory / "model.onnx").read_bytes())
    (directory / "link.onnx").symlink_to(tmp_path / "outside.onnx")
    (directory / "MLmodel").write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    assert words in refused(directory)


def test_a_huge_mlmodel_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "MLmodel").open("wb") as file:
        file.truncate(contents.MAX_MLMODEL_BYTES + 1)
    assert "MLmodel is larger than" in refused(tmp_path)


def test_an_empty_directory_is_told_from_a_missing_one(tmp_path: Path) -> None:
    assert "holds neither MLmodel nor model.onnx nor model.skops" in refused(tmp_path)
    assert "there is no model directory" in refused(tmp_path / "gone")


def test_signatures_of_mlflow() -> None:
    assert signature.parse('[{"type":"tensor","tensor-spec":{"dtype":"float64","shape":[-1,30]}}]') == Matrix(
        30, "FP64"
    )
    assert signature.parse('[{"type":"tensor","name":"x","tensor-spec":{"dtype":"int32","shape":[-1,-1]}}]') == Matrix(
        None, "INT32", "x"
    )
    given = models.columns(("a", "double", False), ("b c", "long"), ("d", "string"), ("e", "boolean"), ("f", "float"))
    assert signature.parse(json.dumps(given)) == Table(
        (
            Column("a", ColumnKind.FLOAT, "FP64", required=False),
            Column("b c", ColumnKind.INTEGER, "INT64"),
            Column("d", ColumnKind.STRING, "BYTES"),
            Column("e", ColumnKind.BOOLEAN, "BOOL"),
            Column("f", ColumnKind.FLOAT, "FP32"),
        )
    )


def test_names_that_the_converter_rewrote_are_found(tmp_path: Path) -> None:
    """skl2onnx turns `sepal length` into `sepal_length`; people send what they trained with."""
    served = model.load(models.write_named_onnx(tmp_path, models.logistic(), models.IRIS), "m", "1", 1)
    named = dict(zip(models.IRIS, models.FLOWER, strict=True))
    assert json.loads(served.invoke(json.dumps({"dataframe_records": [named]}).encode(), "")) == {"predictions": [0]}


def test_a_lone_column_needs_no_name_in_the_graph(tmp_path: Path) -> None:
    models.write_onnx_mlflow(tmp_path, models.columns(("dose", "double")), {"inputs": [[1]]}, models.logarithm_bytes())
    served = model.load(tmp_path, "m", "1", 1)
    assert served.invoke(b'{"dataframe_records": [{"dose": 1}]}', "") == b'{"predictions":[0.0]}'


def test_a_graph_with_other_columns_is_refused(tmp_path: Path) -> None:
    models.write_named_onnx(tmp_path, models.logistic(), models.IRIS)
    payload = (tmp_path / "model.onnx").read_bytes()
    for names, words in (
        (("sepal length", "colour"), "no input for the column 'colour'"),
        (models.IRIS[:3], "takes 'petal_width', which the signature does not have"),
    ):
        models.write_onnx_mlflow(tmp_path, models.columns(*((name, "double") for name in names)), payload=payload)
        assert words in refused(tmp_path)


def test_a_classifier_that_ends_in_maps_answers_like_any_other(tmp_path: Path) -> None:
    payload = models.onnx_bytes(models.logistic(), 4, zipmap=True)
    served = model.load(models.write_onnx_mlflow(tmp_path, payload=payload), "m", "1", 1)
    outputs = json.loads(served.metadata)["outputs"]
    assert [(output["name"], output["shape"]) for output in outputs] == [("label", [-1]), ("probabilities", [-1, 3])]


# --- smoke predictions ---------------------------------------------------------------------------------------------


def smoke_failure(directory: Path) -> str:
    with pytest.raises(SmokeFailed) as raised:
        model.load(directory, "m", "1", 1)
    return str(raised.value)


def test_the_authors_own_example_must_fit(tmp_path: Path) -> None:
    models.write_onnx_mlflow(tmp_path, example={"inputs": [[1, 2, 3]]})
    assert smoke_failure(tmp_path) == (
        "smoke prediction failed: its own input example does not fit the signature: "
        "row 0 has 3 values, but 4 are needed"
    )


def test_a_model_that_raises_on_its_example_is_not_served(tmp_path: Path) -> None:
    models.write_picky(tmp_path)
    models.write_onnx_mlflow(
        tmp_path, models.columns(("X", "double")), {"inputs": [[99]]}, (tmp_path / "model.onnx").read_bytes()
    )
    assert (
        smoke_failure(tmp_path) == "smoke prediction failed: the model raised InvalidArgument on its own input example"
    )


def test_a_model_that_answers_nan_is_not_served(tmp_path: Path) -> None:
    payload = models.logarithm_bytes()
    models.write_onnx_mlflow(tmp_path, models.columns(("X", "double")), payload=payload)
    assert "answered a row made up from its signature with NaN or an infinite number" in smoke_failure(tmp_path)
    models.write_onnx_mlflow(tmp_path, models.columns(("X", "double")), {"inputs": [[1]]}, payload)
    assert model.load(tmp_path, "m", "1", 1).invoke(b'{"inputs": [[1]]}', "") == b'{"predictions":[0.0]}'


def test_infinite_answers_later_on_are_still_json(tmp_path: Path) -> None:
    payload = models.logarithm_bytes()
    models.write_onnx_mlflow(tmp_path, models.columns(("X", "double")), {"inputs": [[1]]}, payload)
    assert model.load(tmp_path, "m", "1", 1).invoke(b'{"inputs": [[-1]]}', "") == b'{"predictions":[null]}'


def test_the_runtime_of_the_payload_alone_is_imported(tmp_path: Path) -> None:
    """scikit-learn takes seconds to import; a server of ONNX must never pay for it."""
    loaded = loader.load(contents.read(models.write_onnx_alone(tmp_path)), 1)
    assert loaded.platform == "onnxruntime_onnx"
