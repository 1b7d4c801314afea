"""A small network as exporters of other tools write it, such as PyTorch's."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = np.array([[1.0, -1.0], [0.5, 2.0], [-2.0, 0.3]], np.float32)


def network(*outputs: str, width: int = 3, rows: int | str = "n") -> onnx.ModelProto:
    """Two layers, as exporters write them: a product with weights, then a softmax, and the greatest place."""
    nodes = [
        helper.make_node("MatMul", ["rows", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["odds"], axis=1),
        helper.make_node("ArgMax", ["odds"], ["class"], axis=1, keepdims=0),
        helper.make_node("Cast", ["odds"], ["wide_odds"], to=TensorProto.DOUBLE),
        helper.make_node("Slice", ["odds", "one", "two", "one"], ["odds_of_one"]),
        helper.make_node("Add", ["class", "one"], ["class_from_one"]),
        helper.make_node("Slice", ["logits", "zero", "one", "one"], ["amount"]),
    ]
    shapes = {"class": (TensorProto.INT64, ["n"]), "odds": (TensorProto.FLOAT, ["n", 2])}
    shapes |= {"wide_odds": (TensorProto.DOUBLE, ["n", 2]), "odds_of_one": (TensorProto.FLOAT, ["n", 1])}
    shapes |= {"class_from_one": shapes["class"]}
    shapes |= {"logits": (TensorProto.FLOAT, ["n", 2]), "amount": (TensorProto.FLOAT, ["n", 1])}
    graph = helper.make_graph(
        nodes,
        "exported",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [rows, width])],
        [helper.make_tensor_value_info(name, *shapes[name]) for name in outputs],
        [
            numpy_helper.from_array(WEIGHTS[:width], "weights"),
            numpy_helper.from_array(np.array([0], np.int64), "zero"),
            numpy_helper.from_array(np.array([1], np.int64), "one"),
            numpy_helper.from_array(np.array([2], np.int64), "two"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
