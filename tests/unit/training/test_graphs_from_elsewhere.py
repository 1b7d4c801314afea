"""ONNX graphs that other tools made, such as PyTorch's exporter: judged and packed as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.support.exported_network import WEIGHTS, network
from tests.unit.training.conftest import Stage
from viridian import training
from viridian.api.profile import Task
from viridian.serving.execution import model as serving
from viridian.training import onnx_estimator
from viridian.training.holdout import holdout_of
from viridian.training.packing import Packed, pack
from viridian.training.reference import Learnt, reference
from viridian.training.scores import classifies, predict, scores

ROWS = np.random.default_rng(4).normal(size=(80, 3)).astype(np.float32)
TARGET = (ROWS @ WEIGHTS).argmax(axis=1)
NAMES = ["age", "income", "visits"]


def packed(graph: onnx.ModelProto, target: Any, folder: Path) -> tuple[Any, Packed]:
    holdout = holdout_of(ROWS, target, NAMES)
    model = onnx_estimator.as_estimator(graph, holdout.rows)
    expected = predict(model, ROWS)
    learnt = Learnt(holdout.rows, holdout.target)
    return model, pack(folder, model, holdout, expected, lambda answer: reference(model, learnt, holdout, answer))


def test_a_network_that_classifies_is_judged_profiled_and_served(tmp_path: Path) -> None:
    model, found = packed(network("class", "odds"), TARGET, tmp_path)
    assert classifies(model)
    assert scores(TARGET, predict(model, ROWS), classifier=True)["accuracy"] == 1.0
    assert found.payload == "onnx"
    profile = json.loads((found.directory / "viridian" / "profile.json").read_text())
    assert (profile["task"], profile["classes"]) == (Task.BINARY, ["0", "1"])
    served = serving.load(found.directory, "churn", "1", threads=1)
    body = json.dumps({"dataframe_split": {"columns": NAMES, "data": ROWS.tolist()}}).encode()
    assert json.loads(served.invoke(body, ""))["predictions"] == TARGET.tolist()


def test_a_network_may_count_in_64_bits(tmp_path: Path) -> None:
    model, found = packed(network("class", "wide_odds"), TARGET, tmp_path)
    assert found.payload == "onnx"
    assert scores(TARGET, predict(model, ROWS), classifier=True)["accuracy"] == 1.0


def test_a_network_that_gives_a_number_is_a_regressor(tmp_path: Path) -> None:
    model, found = packed(network("amount"), (ROWS @ WEIGHTS)[:, 0], tmp_path)
    assert not classifies(model)
    assert found.payload == "onnx"


def test_training_log_takes_a_graph(stage: Stage) -> None:
    logged = training.log(network("class", "odds"), (ROWS, TARGET), feature_names=NAMES)
    assert (logged.payload, logged.metrics["accuracy"]) == ("onnx", 1.0)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (network("logits"), r"one number for each row, or its label .*; this one gives prediction \[2, 2\]"),
        (network("odds", "class"), "or its label"),
        (network("class", "logits"), "the second output of this one does not add up to 1: put a softmax at its end"),
        (network("class", "odds_of_one"), r"this one gives label \[2\], probabilities \[2\] for 2 rows"),
        (network("class_from_one", "odds"), "the labels of this one go from 1 to 2, for 2 probabilities"),
        (network("class", "odds", rows=1), "for 2 rows: export it with a first dimension that is free"),
        (network("class", "odds", width=2), "the signature has 3 columns, but the ONNX graph takes"),
    ],
    ids=[
        "logits",
        "in another order",
        "logits beside labels",
        "one class",
        "labels from one",
        "one row",
        "another width",
    ],
)
def test_what_nobody_can_judge_is_refused_in_words(graph: onnx.ModelProto, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        onnx_estimator.as_estimator(graph, holdout_of(ROWS, TARGET, NAMES).rows)
