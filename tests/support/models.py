"""Small real models in the directories that users have: MLflow models, and payloads alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import skops.io
import yaml
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from viridian.api import manifest
from viridian.training.holdout import holdout_of
from viridian.training.packing import Packed, pack
from viridian.training.reference import Learnt, reference
from viridian.training.scores import predict

IRIS = ("sepal length", "sepal width", "petal length", "petal width")
FLOWER = [5.1, 3.5, 1.4, 0.2]

PICKY_MOST = 9
"""The largest number that the picky model answers."""


def iris() -> tuple[Any, Any]:
    """Features and classes of the flowers."""
    data = load_iris()
    return data.data, data.target


def logistic() -> Any:
    """A pipeline that tells flowers apart."""
    features, classes = iris()
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(features, classes)


def columns(*specs: tuple[str, str] | tuple[str, str, bool]) -> list[dict[str, Any]]:
    """A signature as MLflow writes it, from (name, type[, required])."""
    return [{"type": spec[1], "name": spec[0], "required": spec[2] if len(spec) > 2 else True} for spec in specs]


def iris_columns() -> list[dict[str, Any]]:
    """The signature of the flowers."""
    return columns(*((name, "double") for name in IRIS))


def write_mlmodel(
    directory: Path,
    flavors: dict[str, Any],
    signature: Sequence[dict[str, Any]] | None = None,
    example: dict[str, Any] | None = None,
) -> None:
    """MLmodel and, where there is one, the input example."""
    document: dict[str, Any] = {"flavors": flavors, "mlflow_version": "3.17.2"}
    if signature is not None:
        document["signature"] = {"inputs": json.dumps(list(signature)), "outputs": None, "params": None}
    if example is not None:
        (directory / "serving_input_example.json").write_text(json.dumps(example))
        document["saved_input_example_info"] = {
            "artifact_path": "input_example.json",
            "serving_input_path": "serving_input_example.json",
            "type": "dataframe",
        }
    (directory / "MLmodel").write_text(yaml.safe_dump(document))


def onnx_bytes(estimator: Any, width: int, *, zipmap: bool = False) -> bytes:
    """The estimator as a graph that takes one matrix."""
    options = None if zipmap else {id(estimator): {"zipmap": False}}
    graph = to_onnx(estimator, initial_types=[("X", FloatTensorType([None, width]))], options=options)
    return bytes(graph.SerializeToString())


def write_onnx_alone(directory: Path) -> Path:
    """Just model.onnx."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.onnx").write_bytes(onnx_bytes(logistic(), len(IRIS)))
    return directory


def write_onnx_mlflow(
    directory: Path,
    signature: Sequence[dict[str, Any]] | None = None,
    example: dict[str, Any] | None = None,
    payload: bytes | None = None,
) -> Path:
    """An MLflow model with an ONNX payload; the flowers unless told otherwise."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.onnx").write_bytes(payload or onnx_bytes(logistic(), len(IRIS)))
    write_mlmodel(directory, {"onnx": {"data": "model.onnx"}}, signature or iris_columns(), example)
    return directory


def write_skops_mlflow(
    directory: Path,
    estimator: Any,
    signature: Sequence[dict[str, Any]] | None = None,
    example: dict[str, Any] | None = None,
    **flavor: Any,
) -> Path:
    """An MLflow model with a skops payload."""
    directory.mkdir(parents=True, exist_ok=True)
    skops.io.dump(estimator, directory / "model.skops")
    sklearn = {
        "pickled_model": "model.skops",
        "serialization_format": "skops",
        "sklearn_version": "1.9.1",
        "skops_trusted_types": None,
        **flavor,
    }
    write_mlmodel(directory, {"sklearn": sklearn}, signature, example)
    return directory


def write_mixed(directory: Path, signature: Sequence[dict[str, Any]] | None = None) -> Path:
    """A graph with one input for each column: a number that may be missing, a whole number, a flag and a string."""
    inputs = [
        helper.make_tensor_value_info("an_age", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("visits", TensorProto.INT64, [None, 1]),
        helper.make_tensor_value_info("member", TensorProto.BOOL, [None, 1]),
        helper.make_tensor_value_info("city", TensorProto.STRING, [None, 1]),
    ]
    nodes = [
        helper.make_node("IsNaN", ["an_age"], ["unknown"]),
        helper.make_node("Cast", ["unknown"], ["unknown_float"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["visits"], ["visits_float"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["member"], ["member_float"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["unknown_float", "visits_float"], ["sum"]),
        helper.make_node("Add", ["sum", "member_float"], ["score"]),
        helper.make_node("Identity", ["city"], ["echo"]),
    ]
    outputs = [
        helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("echo", TensorProto.STRING, [None, 1]),
    ]
    usual = columns(("an age", "double", False), ("visits", "long"), ("member", "boolean"), ("city", "string"))
    return write_onnx_mlflow(directory, signature or usual, payload=graph_bytes(nodes, inputs, outputs))


def write_picky(directory: Path, work: int = 0) -> Path:
    """A graph that raises for numbers above 9, and multiplies large matrices `work` times before it answers."""
    nodes = [
        helper.make_node("Cast", ["X"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["picked"], axis=0),
        helper.make_node("ReduceSum", ["X"], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "size"], ["m0"]),
        *(helper.make_node("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"]) for i in range(work)),
        helper.make_node("ReduceMin", [f"m{work}"], ["least"], keepdims=0),
        helper.make_node("Mul", ["least", "nothing"], ["zero"]),
        helper.make_node("Add", ["picked", "zero"], ["answer"]),
    ]
    constants = [
        helper.make_tensor("table", TensorProto.FLOAT, [10], [float(i) for i in range(10)]),
        helper.make_tensor("size", TensorProto.INT64, [2], [1200, 1200] if work else [1, 1]),
        helper.make_tensor("nothing", TensorProto.FLOAT, [], [0.0]),
    ]
    payload = graph_bytes(
        nodes,
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, 1])],
        constants,
    )
    return write_onnx_mlflow(directory, columns(("X", "double")), payload=payload)


def logarithm_bytes() -> bytes:
    """A graph that answers the logarithm of its only column: infinite at 0, NaN below."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("X", "answer")]
    return graph_bytes([helper.make_node("Log", ["X"], ["answer"])], ends[:1], ends[1:])


def graph_bytes(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: Sequence[Any] = ()) -> bytes:
    """A graph of our own."""
    graph = helper.make_graph(nodes, "test", inputs, outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_named_onnx(directory: Path, estimator: Any, names: Sequence[str]) -> Path:
    """A converted estimator with one input for each column, whose names skl2onnx rewrites."""
    graph = to_onnx(
        estimator,
        initial_types=[(name, FloatTensorType([None, 1])) for name in names],
        options={id(estimator): {"zipmap": False}},
    )
    return write_onnx_mlflow(
        directory, columns(*((name, "double") for name in names)), payload=bytes(graph.SerializeToString())
    )


def add_manifest(directory: Path) -> str:
    """Writes the directory's manifest and gives its digest."""
    files = [
        (path.relative_to(directory).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in directory.rglob("*")
        if path.is_file()
    ]
    document = manifest.render(files)
    (directory / "viridian").mkdir(exist_ok=True)
    (directory / manifest.MANIFEST_PATH).write_bytes(document)
    return manifest.digest(document)


def write_sealed(directory: Path) -> Packed:
    """The flowers as the trainer library bundles them: with a reference profile and a manifest."""
    features, classes = iris()
    model, holdout = logistic(), holdout_of(features, classes, IRIS)
    learnt = Learnt(holdout.rows, holdout.target)
    return pack(
        directory, model, holdout, predict(model, features), lambda said: reference(model, learnt, holdout, said)
    )


def rows(count: int) -> Any:
    """Flowers to ask about."""
    return np.asarray(iris()[0][:count])
