"""Decision trees and forests as ONNX, exactly: where gaps go, and thresholds as scikit-learn compares with them.

skl2onnx writes the trees. It leaves out where gaps go, which ONNX's operator has an attribute for, and in graphs of 64
bits its thresholds are meant for numbers that nobody has rounded. scikit-learn rounds to 32 bits before it compares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from onnx.helper import make_node
from skl2onnx.common._registration import get_converter, register_converter

_FAMILIES: Final = ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees")
_TRACKS: Final = "nodes_missing_value_tracks_true"
_LEAF: Final = "LEAF"
_OPERATORS: Final = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")

Convert = Callable[[Any, Any, Any], None]


def register() -> None:
    """Make skl2onnx write them so, alone and inside other estimators."""
    for family in _FAMILIES:
        for task in ("Classifier", "Regressor"):
            alias = f"Sklearn{family}{task}"
            known = get_converter(alias)
            if not isinstance(known._fct, _Exact):
                register_converter(alias, _Exact(known._fct), overwrite=True, options=known.get_allowed_options())


def round_before_trees(graph: ModelProto) -> None:
    """In a graph of 64 bits, what goes into trees has 32; what comes out of them has 64 again where it is to."""
    wide = {one.name for one in graph.graph.output if one.type.tensor_type.elem_type == TensorProto.DOUBLE}
    nodes = []
    for node in graph.graph.node:
        if node.op_type not in _OPERATORS:
            nodes.append(node)
            continue
        given, found = node.input[0], node.output[-1]
        node.input[0] = f"{given}_for_{node.name}"
        nodes += [_cast(given, node.input[0], TensorProto.FLOAT), node]
        if found in wide:
            node.output[-1] = f"{found}_of_{node.name}"
            nodes.append(_cast(node.output[-1], found, TensorProto.DOUBLE))
    graph.graph.ClearField("node")
    graph.graph.node.extend(nodes)


def _cast(given: str, made: str, element: int) -> Any:
    return make_node("Cast", [given], [made], name=f"Cast_{made}", to=element)


def next_single(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The greatest numbers of 32 bits that are not above these."""
    single = thresholds.astype(np.float32)
    return np.where(single > thresholds, np.nextafter(single, np.float32(-np.inf)), single)


class _Exact:
    """A converter of skl2onnx, whose nodes are corrected on their way into the graph."""

    def __init__(self, convert: Convert) -> None:
        self._convert = convert

    def __call__(self, scope: Any, operator: Any, container: Any) -> None:
        self._convert(scope, operator, _Corrected(container, operator.raw_operator))


class _Corrected:
    """What a converter puts nodes into."""

    def __init__(self, container: Any, model: Any) -> None:
        self._container = container
        self._trees = [estimator.tree_ for estimator in getattr(model, "estimators_", [model])]

    def add_node(self, kind: str, *arguments: Any, **attributes: Any) -> Any:
        if _TRACKS in attributes:
            numbers = zip(attributes["nodes_treeids"], attributes["nodes_nodeids"], strict=True)
            places = [(self._trees[tree], node) for tree, node in numbers]
            inner = np.array([mode != _LEAF for mode in attributes["nodes_modes"]])
            thresholds = np.array([tree.threshold[node] for tree, node in places], np.float64)
            gaps_go_left = np.array([tree.missing_go_to_left[node] for tree, node in places], np.bool_)
            attributes["nodes_values"] = np.where(inner, next_single(thresholds), np.float32(0))
            attributes[_TRACKS] = (inner & gaps_go_left).astype(int).tolist()
        return self._container.add_node(kind, *arguments, **attributes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)
