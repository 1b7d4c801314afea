"""Registers two bad versions, made as bad ones are really made. Nothing on the server is tampered with.

    python broken.py --model churn                     # registers both, serves none
    python broken.py --model churn --only raises --alias candidate

`raises` looks a factor up in a table that ends where its author's own rows ended: about 30 % of real rows lie beyond
it, and the runtime raises. `slow` refines its score in a loop that nobody measured: about 350 ms of CPU for each
prediction. Both pass the one example that they ship with, so a smoke test does not find them. Canary steps do.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import numpy as np
import onnx
import onnxruntime
from mlflow.exceptions import MlflowException
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from viridian.api.registry import TAG_DIGEST
from viridian.training import bundle, tracking
from viridian.training.holdout import Holdout, holdout_of
from viridian.training.payload import Payload, as_onnx

AREA_COLUMN = 3
AREA_PER_ENTRY = 100.0
TABLE_ENTRIES = 7
"""Areas below 700, which is where 70 % of the rows are."""
SMALL_AREA = 400.0
SIDE = 32
"""Rows and columns of the matrix of each round: too small for the runtime to share it among threads."""
FIRST_ROUNDS = 20_000


def rows() -> Holdout:
    """All rows of the data set, one with a small area first: the first row becomes the bundle's example."""
    data = load_breast_cancer()
    order = np.argsort(data.data[:, AREA_COLUMN] > SMALL_AREA, kind="stable")
    return holdout_of(data.data[order], data.target[order], names=data.feature_names)


def honest() -> Payload:
    """A sound model, which the two below spoil."""
    data = load_breast_cancer()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(data.data, data.target)
    return as_onnx(model, rows().columns)


def raises() -> Payload:
    """Each score times a factor from a table by area, which has no entry for the areas that its author never saw."""
    return spoilt(
        honest(),
        constants={
            "area_column": np.array([AREA_COLUMN], dtype=np.int64),
            "area_per_entry": np.array(AREA_PER_ENTRY, dtype=np.float32),
            "table": np.ones((TABLE_ENTRIES, 1), dtype=np.float32),
            "flat": np.array([-1], dtype=np.int64),
        },
        nodes=[
            helper.make_node("Gather", ["input", "area_column"], ["area"], axis=1),
            helper.make_node("Div", ["area", "area_per_entry"], ["steps"]),
            helper.make_node("Cast", ["steps"], ["whole_steps"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["whole_steps", "flat"], ["entry"]),
            helper.make_node("Gather", ["table", "entry"], ["factor"], axis=0),
            helper.make_node("Mul", ["sound_probabilities", "factor"], ["probabilities"]),
        ],
    )


def slow(milliseconds: float) -> Payload:
    """The score after as many rounds of refinement as take that long on one CPU of this computer."""
    rounds = FIRST_ROUNDS
    for _ in range(2):  # the first guess is measured on too short a time
        rounds = max(1, round(rounds * milliseconds / milliseconds_of(slow_by(rounds))))
    return slow_by(rounds)


def slow_by(rounds: int) -> Payload:
    """Each round averages a state that starts from the input, so that no optimiser can work it out beforehand."""
    averaging = helper.make_graph(
        [
            helper.make_node("MatMul", ["state_before", "averages"], ["state_after"]),
            helper.make_node("Identity", ["go_on_before"], ["go_on_after"]),
        ],
        "refinement",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on_before", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_before", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
        [
            helper.make_tensor_value_info("go_on_after", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_after", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
    )
    return spoilt(
        honest(),
        constants={
            "rounds": np.array(rounds, dtype=np.int64),
            "go_on": np.array(True),
            "averages": np.full((SIDE, SIDE), 1 / SIDE, dtype=np.float32),
            "zero": np.array(0, dtype=np.float32),
            "side": np.array([SIDE, SIDE], dtype=np.int64),
        },
        nodes=[
            helper.make_node("ReduceMean", ["input"], ["start"], keepdims=0),
            helper.make_node("Expand", ["start", "side"], ["state"]),
            helper.make_node("Loop", ["rounds", "go_on", "state"], ["refined"], body=averaging),
            helper.make_node("ReduceMean", ["refined"], ["refined_mean"], keepdims=0),
            helper.make_node("Mul", ["refined_mean", "zero"], ["correction"]),
            helper.make_node("Add", ["sound_probabilities", "correction"], ["probabilities"]),
        ],
    )


def spoilt(payload: Payload, constants: dict[str, np.ndarray], nodes: Sequence[NodeProto]) -> Payload:
    """The payload's graph with these nodes between its own probabilities and those that it answers."""
    model: ModelProto = onnx.load_from_string(payload.content)
    for node in model.graph.node:
        node.output[:] = ["sound_probabilities" if name == "probabilities" else name for name in node.output]
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return replace(payload, content=model.SerializeToString())


def milliseconds_of(payload: Payload) -> float:
    """CPU time of one prediction on one thread: the shortest of three, since other programs can only lengthen it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(payload.content, options, providers=["CPUExecutionProvider"])
    row = rows().matrix[:1].astype(np.float32)
    times = []
    for _ in range(3):
        start = time.process_time()
        session.run(None, {"input": row})
        times.append((time.process_time() - start) * 1000)
    return min(times)


def register(name: str, payload: Payload, story: str) -> str:
    """A version of the model with a manifest and its digest, as a careless but honest author would register it."""
    client = mlflow.MlflowClient()
    with tempfile.TemporaryDirectory() as scratch, mlflow.start_run(run_name=story) as run:
        directory = Path(scratch) / "bundle"
        bundle.write(directory, payload, rows(), {"story": story})
        digest = bundle.seal(directory)
        source = tracking.log_model(run.info.run_id, directory, name, {TAG_DIGEST: digest})
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        name, source, run.info.run_id, tags={TAG_DIGEST: digest}, model_id=source.rpartition("/")[2]
    )
    return str(version.version)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Register bad versions of a model.")
    parser.add_argument("--model", default="churn", help="the registered model (default: churn)")
    parser.add_argument("--only", choices=("raises", "slow"), help="register this one alone")
    parser.add_argument("--alias", help="point this alias at the version registered last, which ships it")
    parser.add_argument("--milliseconds", type=float, default=350.0, help="CPU time of a slow prediction")
    chosen = parser.parse_args(arguments)
    makers: dict[str, Callable[[], Payload]] = {"raises": raises, "slow": lambda: slow(chosen.milliseconds)}
    for kind, make in makers.items():
        if chosen.only in (None, kind):
            version = register(chosen.model, make(), kind)
            print(json.dumps({"model": chosen.model, "version": version, "kind": kind}))
            if chosen.alias:
                mlflow.MlflowClient().set_registered_model_alias(chosen.model, chosen.alias, version)


if __name__ == "__main__":
    main()
