"""XGBoost as ONNX: its own JSON has everything, thresholds and leaves in 32 bits, gaps, and the names of categories.

XGBoost rounds numbers to 32 bits before it compares them, and so does the graph.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viridian.training.ensemble_graph import BoostedModel, Link, SplitColumn
from viridian.training.not_expressible import NotExpressible
from viridian.training.tree_ensemble import CategorySplit, Ensemble, Leaf, NumberSplit, TreeNode

ESTIMATORS: Final = ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor")
NATIVE: Final = "Booster"
"""What `xgboost.train` gives."""
_LINKS: Final[Mapping[str, Link]] = {
    "binary:logistic": Link.LOGISTIC,
    "multi:softprob": Link.SOFTMAX,
    "reg:logistic": Link.LOGISTIC,
    "reg:squarederror": Link.IDENTITY,
    "reg:squaredlogerror": Link.IDENTITY,
    "reg:pseudohubererror": Link.IDENTITY,
    "reg:absoluteerror": Link.IDENTITY,
    "reg:quantileerror": Link.IDENTITY,
    "count:poisson": Link.EXPONENTIAL,
    "reg:gamma": Link.EXPONENTIAL,
    "reg:tweedie": Link.EXPONENTIAL,
}
_OF_CATEGORIES: Final = "c"
_NO_CHILD: Final = -1
_LAST_ASCII: Final = 127


def boosted(model: Any) -> BoostedModel:
    """The trees of a fitted estimator of XGBoost; NotExpressible says what ONNX cannot express of it."""
    missing = getattr(model, "missing", None)
    if missing is not None and not math.isnan(missing):
        raise NotExpressible(
            f"XGBoost takes {missing:g} for a gap: fit it on rows whose gaps are NaN, without the parameter missing"
        )
    learner = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]
    booster, parameters = learner["gradient_booster"], learner["learner_model_param"]
    link = _link(learner["objective"]["name"])
    if int(parameters.get("num_target", "1")) > 1:
        raise NotExpressible("an XGBoost model has several targets: train one for each")
    trees, weights = _trees(booster)
    targets = max(1, int(parameters["num_class"]))
    if link is not Link.SOFTMAX and targets > 1:
        raise NotExpressible("an XGBoost model gives several numbers for a row: train one for each")
    columns = _columns(learner, trees.get("cats", {}))
    ensemble = Ensemble()
    for tree, target, weight in _used(learner, trees, weights):
        ensemble.add(_nodes(tree, columns, weight), target)
    return BoostedModel(
        trees=ensemble,
        targets=targets,
        columns=columns,
        baseline=_baseline(parameters["base_score"], link),
        link=link,
        single=True,
    )


def estimator_of(booster: Any) -> Any:
    """A booster as the estimator of scikit-learn's kind that answers as it does."""
    import xgboost

    learner = json.loads(booster.save_config())["learner"]
    best = booster.attr("best_iteration")
    if best is not None and int(best) + 1 < booster.num_boosted_rounds():
        raise TypeError(
            "an XGBoost Booster with trees after its best iteration: log booster[: booster.best_iteration + 1]"
        )
    classifies = learner["objective"]["name"].startswith(("binary:", "multi:"))
    by_category = _OF_CATEGORIES in (booster.feature_types or ())
    kind = xgboost.XGBClassifier if classifies else xgboost.XGBRegressor
    model = kind(enable_categorical=by_category)
    model.load_model(booster.save_raw())
    return model


def _link(objective: str) -> Link:
    if objective not in _LINKS:
        raise NotExpressible(
            f"nothing serves XGBoost's objective {objective}: docs/model-kinds.md lists those that are served"
        )
    return _LINKS[objective]


def _trees(booster: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[float] | None]:
    """The trees, and of dropped ones what each counts."""
    if booster["name"] == "dart":
        return booster["gbtree"]["model"], booster["weight_drop"]
    if booster["name"] != "gbtree":
        raise NotExpressible(f"XGBoost's booster {booster['name']} is no ensemble of trees: train with gbtree or dart")
    return booster["model"], None


def _used(
    learner: Mapping[str, Any], trees: Mapping[str, Any], weights: Sequence[float] | None
) -> list[tuple[Mapping[str, Any], int, float]]:
    """Trees up to the best iteration where there is one, with their targets and weights."""
    count = len(trees["trees"])
    best = learner["attributes"].get("best_iteration")
    if best is not None:
        count = trees["iteration_indptr"][int(best) + 1]
    counted = weights if weights is not None else [1.0] * count
    return list(zip(trees["trees"][:count], trees["tree_info"][:count], counted[:count], strict=True))


def _columns(learner: Mapping[str, Any], categories: Mapping[str, Any]) -> list[SplitColumn]:
    count, types = int(learner["learner_model_param"]["num_feature"]), learner["feature_types"]
    known = categories.get("enc") or [{}] * count
    columns = []
    for place in range(count):
        names = None
        if types and types[place] == _OF_CATEGORIES:
            names = _names(known[place])
            if names is None:
                raise NotExpressible(
                    "the XGBoost model does not hold the names of its categories: "
                    "fit XGBoost 3.1 or newer on a data frame with columns of pandas' type category"
                )
        columns.append(SplitColumn(place, names))
    return columns


def _names(known: Mapping[str, Any]) -> NDArray[Any] | None:
    """What the codes of a column stand for; None where nobody says."""
    values = known.get("values")
    if not values:
        return None
    if "offsets" not in known:
        return np.asarray(values)
    ends = known["offsets"]
    if min(values) < 0 or max(values) > _LAST_ASCII:
        # It counts letters where it means bytes, and cuts what is left.
        raise NotExpressible(
            "XGBoost does not keep names of categories with letters beyond ASCII: give them names without"
        )
    text = bytes(values).decode()
    return np.array([text[start:end] for start, end in pairwise(ends)], dtype=object)


def _baseline(base_score: str, link: Link) -> NDArray[np.float64]:
    """In the space of the sums: XGBoost keeps it as what is predicted."""
    given = np.atleast_1d(np.asarray(json.loads(base_score), dtype=np.float64))
    if link is Link.LOGISTIC:
        return np.asarray(np.log(given) - np.log1p(-given))
    return np.asarray(np.log(given)) if link is Link.EXPONENTIAL else given


def _nodes(tree: Mapping[str, Any], columns: Sequence[SplitColumn], weight: float) -> list[TreeNode]:
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise NotExpressible("XGBoost's leaves hold several values: train without multi_strategy")
    sets = dict(_sets(tree))
    left, right, features = tree["left_children"], tree["right_children"], tree["split_indices"]
    conditions = np.asarray(tree["split_conditions"], np.float32)
    # What is below a threshold goes left there: what is at most the number before it.
    before = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64).tolist()
    nodes: list[TreeNode] = []
    for place, child in enumerate(left):
        if child == _NO_CHILD:
            nodes.append(Leaf(float(conditions[place]) * weight))
            continue
        feature, gaps_go_left = features[place], bool(tree["default_left"][place])
        if place in sets:
            goes_left = _goes_left(columns[feature], sets[place])
            nodes.append(CategorySplit(feature, goes_left, child, right[place], gaps_go_left))
        else:
            nodes.append(NumberSplit(feature, before[place], child, right[place], gaps_go_left))
    return nodes


def _sets(tree: Mapping[str, Any]) -> list[tuple[int, Sequence[int]]]:
    """Nodes that split by categories, and the codes that go right there."""
    found = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    return [(node, tree["categories"][start : start + size]) for node, start, size in found]


def _goes_left(column: SplitColumn, right: Sequence[int]) -> NDArray[np.bool_]:
    goes_left = np.ones(len(column.categories) if column.categories is not None else 0, np.bool_)
    goes_left[list(right)] = False
    return goes_left
