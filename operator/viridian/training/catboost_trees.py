"""CatBoost as ONNX: its own JSON has the trees, the sides for gaps, and the scale.

It rounds numbers to 32 bits before it compares them, and so does the graph.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from viridian.training.ensemble_graph import BoostedModel, Link, SplitColumn
from viridian.training.not_expressible import NotExpressible
from viridian.training.tree_ensemble import Ensemble, Leaf, NumberSplit, TreeNode

ESTIMATORS: Final = ("CatBoostClassifier", "CatBoostRegressor")
_LINKS: Final[Mapping[str, Link]] = {
    "Logloss": Link.LOGISTIC,
    "CrossEntropy": Link.LOGISTIC,
    "MultiClass": Link.SOFTMAX,
    "RMSE": Link.IDENTITY,
    "MAE": Link.IDENTITY,
    "MAPE": Link.IDENTITY,
    "Quantile": Link.IDENTITY,
    "Huber": Link.IDENTITY,
    "LogCosh": Link.IDENTITY,
    "Expectile": Link.IDENTITY,
    "Lq": Link.IDENTITY,
    "Poisson": Link.EXPONENTIAL,
    "Tweedie": Link.EXPONENTIAL,
}
_NUMBER: Final = "FloatFeature"
_RIGHT: Final = "AsTrue"


def boosted(model: Any) -> BoostedModel:
    """The trees of a fitted estimator of CatBoost; NotExpressible says what ONNX cannot express of it."""
    document = _document(model)
    loss = document["model_info"]["params"]["loss_function"]["type"]
    if loss not in _LINKS:
        raise NotExpressible(f"nothing serves CatBoost's loss {loss}: docs/model-kinds.md lists those that are served")
    scale, bias = document["scale_and_bias"]
    numbers = document["features_info"]["float_features"]
    gaps_go_left = [number["nan_value_treatment"] != _RIGHT for number in numbers]
    targets = len(bias)
    ensemble = Ensemble()
    for tree in document.get("oblivious_trees") or document["trees"]:
        nodes = _symmetric(tree, gaps_go_left) if "leaf_values" in tree else _any_shape(tree, gaps_go_left)
        for target in range(targets):
            ensemble.add([_of(node, target, scale) for node in nodes], target)
    return BoostedModel(
        trees=ensemble,
        targets=targets,
        columns=[SplitColumn(number["flat_feature_index"]) for number in numbers],
        baseline=np.asarray(bias, np.float64),
        link=_LINKS[loss],
        single=True,
    )


def _document(model: Any) -> Mapping[str, Any]:
    others = {
        "categories": model.get_cat_feature_indices(),
        "text": model.get_text_feature_indices(),
        "embeddings": model.get_embedding_feature_indices(),
    }
    for kind, places in others.items():
        if places:
            raise NotExpressible(
                f"CatBoost's columns of {kind} have no form in ONNX: encode them in front of it, in a pipeline"
            )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        document: Mapping[str, Any] = json.loads(path.read_bytes())
    return document


_ValuedNode = NumberSplit | Sequence[float]
"""A leaf has a value for each target."""


def _of(node: _ValuedNode, target: int, scale: float) -> TreeNode:
    return node if isinstance(node, NumberSplit) else Leaf(float(node[target]) * scale)


def _symmetric(tree: Mapping[str, Any], gaps_go_left: Sequence[bool]) -> list[_ValuedNode]:
    """All nodes of a level have one split; a leaf's number has a bit for each level, the first level's the lowest."""
    splits, values = tree.get("splits") or [], tree["leaf_values"]
    depth = len(splits)
    width = len(values) >> depth
    nodes: list[_ValuedNode] = [
        _split(splits[level], 2 * place + 1, 2 * place + 2, gaps_go_left)
        for level in range(depth)
        for place in range(2**level - 1, 2 ** (level + 1) - 1)
    ]
    for path in range(2**depth):
        number = sum((path >> (depth - 1 - level) & 1) << level for level in range(depth))
        nodes.append(values[number * width : (number + 1) * width])
    return nodes


def _any_shape(tree: Mapping[str, Any], gaps_go_left: Sequence[bool]) -> list[_ValuedNode]:
    nodes: list[_ValuedNode] = []
    waiting, count = [tree], 1
    while waiting:
        following = []
        for node in waiting:
            if "split" in node:
                nodes.append(_split(node["split"], count, count + 1, gaps_go_left))
                count += 2
                following += [node["left"], node["right"]]
            else:
                value = node["value"]
                nodes.append(value if isinstance(value, list) else [value])
        waiting = following
    return nodes


def _split(split: Mapping[str, Any], left: int, right: int, gaps_go_left: Sequence[bool]) -> NumberSplit:
    """What is above the border goes right."""
    if split["split_type"] != _NUMBER:
        raise NotExpressible(f"CatBoost's splits of the type {split['split_type']} have no form in ONNX")
    feature = int(split["float_feature_index"])
    return NumberSplit(feature, float(np.float32(split["border"])), left, right, gaps_go_left[feature])
