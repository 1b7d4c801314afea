"""LightGBM as ONNX: thresholds and leaves in the 64 bits that it compares and adds with, and splits by categories."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viridian.training.ensemble_graph import BoostedModel, Link, SplitColumn
from viridian.training.not_expressible import NotExpressible
from viridian.training.tree_ensemble import CategorySplit, Ensemble, Leaf, NumberSplit, TreeNode

ESTIMATORS: Final = ("LGBMClassifier", "LGBMRegressor")
_LINKS: Final[Mapping[str, Link]] = {
    "binary": Link.LOGISTIC,
    "cross_entropy": Link.LOGISTIC,
    "multiclass": Link.SOFTMAX,
    "regression": Link.IDENTITY,
    "regression_l1": Link.IDENTITY,
    "huber": Link.IDENTITY,
    "fair": Link.IDENTITY,
    "quantile": Link.IDENTITY,
    "mape": Link.IDENTITY,
    "poisson": Link.EXPONENTIAL,
    "gamma": Link.EXPONENTIAL,
    "tweedie": Link.EXPONENTIAL,
}
_ZERO: Final = float(np.float32(1e-35))
_STEEPNESS: Final = re.compile(r"^sigmoid:([0-9.eE+-]{1,30})$")
_BY_CATEGORY: Final = re.compile(r"^\[categorical_feature: ([0-9,]*)\]$", re.MULTILINE)


def boosted(model: Any) -> BoostedModel:
    """The trees of a fitted estimator of LightGBM; NotExpressible says what ONNX cannot express of it."""
    booster = model.booster_
    found = booster.dump_model()
    link, steepness = _link(found["objective"])
    trees, targets = found["tree_info"], int(found["num_tree_per_iteration"])
    rounds = max(1, len(trees) // targets)
    weight = steepness / rounds if found["average_output"] else steepness
    flat = [list(_flat(tree["tree_structure"])) for tree in trees]
    columns = _columns(found, booster.model_to_string(num_iteration=1), flat)
    ensemble = Ensemble()
    for place, nodes in enumerate(flat):
        ensemble.add(_nodes(nodes, columns, weight), place % targets)
    return BoostedModel(
        trees=ensemble, targets=targets, columns=columns, baseline=np.zeros(targets, np.float64), link=link
    )


def _link(objective: str) -> tuple[Link, float]:
    """And by how much the sums are multiplied in front of it."""
    name, *parameters = objective.split()
    if name not in _LINKS or "sqrt" in parameters:
        raise NotExpressible(
            f"nothing serves LightGBM's objective {objective}: docs/model-kinds.md lists those that are served"
        )
    steep = [match[1] for match in map(_STEEPNESS.match, parameters) if match]
    return _LINKS[name], float(steep[0]) if steep else 1.0


def _flat(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The nodes, each with the numbers that its children have in this order."""
    waiting, count = [root], 1
    while waiting:
        following = []
        for node in waiting:
            children = [node[side] for side in ("left_child", "right_child") if side in node]
            yield {**node, "children": range(count, count + len(children))}
            count += len(children)
            following += children
        waiting = following


def _columns(found: Mapping[str, Any], text: str, trees: Sequence[Sequence[Mapping[str, Any]]]) -> list[SplitColumn]:
    listed = _BY_CATEGORY.search(text)
    by_category = [int(place) for place in listed[1].split(",") if place] if listed else []
    names = found.get("pandas_categorical") or []
    if names and len(names) != len(by_category):
        raise NotExpressible(
            "LightGBM got categories by pandas' type and by categorical_feature, or in an order: "
            "use the type, without ordered=True, for all such columns"
        )
    known = {place: _values(values) for place, values in zip(by_category, names, strict=False)}
    coded = {place: _codes_named(trees, place) for place in by_category if place not in known}
    return [
        SplitColumn(place, coded[place], whole=True) if place in coded else SplitColumn(place, known.get(place))
        for place in range(int(found["max_feature_idx"]) + 1)
    ]


def _values(names: Sequence[Any]) -> NDArray[Any]:
    return np.array(names, dtype=object) if any(isinstance(name, str) for name in names) else np.asarray(names)


def _codes_named(trees: Sequence[Sequence[Mapping[str, Any]]], place: int) -> NDArray[np.int64]:
    """Those that a split names, from the lowest up: every other code goes where a gap goes."""
    named = {code for tree in trees for node in tree if _splits_by_category(node, place) for code in _codes(node)}
    return np.array(sorted(named or {0}), np.int64)


def _splits_by_category(node: Mapping[str, Any], place: int) -> bool:
    return node.get("decision_type") == "==" and node["split_feature"] == place


def _codes(node: Mapping[str, Any]) -> list[int]:
    return [int(code) for code in str(node["threshold"]).split("||")]


def _nodes(tree: Sequence[Mapping[str, Any]], columns: Sequence[SplitColumn], weight: float) -> list[TreeNode]:
    nodes: list[TreeNode] = []
    for node in tree:
        if not node["children"]:
            if "leaf_coeff" in node:
                raise NotExpressible("LightGBM's leaves are linear models: train without linear_tree")
            nodes.append(Leaf(float(node["leaf_value"]) * weight))
            continue
        left, right = node["children"]
        feature = int(node["split_feature"])
        if node["decision_type"] == "==":
            goes_left = _goes_left(columns[feature], _codes(node))
            nodes.append(CategorySplit(feature, goes_left, left, right, gaps_go_left=False))
        else:
            threshold = float(node["threshold"])
            gaps_go_left = _gaps_go_left(node, threshold)
            nodes.append(NumberSplit(feature, _compared_with(threshold), left, right, gaps_go_left))
    return nodes


def _compared_with(threshold: float) -> float:
    """It takes a number as small as _ZERO for zero, before it looks at the threshold."""
    if -_ZERO <= threshold < 0.0:
        return float(np.nextafter(-_ZERO, -np.inf))
    return max(threshold, _ZERO) if threshold >= 0.0 else threshold


def _goes_left(column: SplitColumn, codes: Sequence[int]) -> NDArray[np.bool_]:
    """By the places of the categories: a code is such a place, or where the column has no names, the category."""
    categories = column.categories if column.categories is not None else np.empty(0, np.int64)
    goes_left = np.zeros(len(categories), np.bool_)
    goes_left[np.searchsorted(categories, codes) if column.whole else codes] = True
    return goes_left


def _gaps_go_left(node: Mapping[str, Any], threshold: float) -> bool:
    """Where the training rows had no gap, it takes one for zero."""
    if node["missing_type"] == "Zero":
        raise NotExpressible("LightGBM takes zero for a gap: train without zero_as_missing")
    return bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0.0
