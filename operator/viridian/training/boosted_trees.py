"""Histogram gradient boosting as ONNX, exactly: thresholds, leaves and sums in 64 bits.

The converter's own way writes trees in 32 bits, and the versions that are pinned here cannot write those of this
estimator at all. The operator `TreeEnsemble` (ai.onnx.ml 5) takes 64 bits, says for each split where a gap goes, and
knows splits by a set of categories.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from skl2onnx import update_registered_converter
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from viridian.serving.runtimes.trees import parts
from viridian.training import ensemble_graph
from viridian.training.ensemble_graph import BoostedModel, Link, SplitColumn
from viridian.training.tree_ensemble import CategorySplit, Ensemble, Leaf, NumberSplit, TreeNode

_EXPONENTIAL: Final = frozenset({"poisson", "gamma"})
"""Losses that are fitted on the logarithm of what is predicted."""


def register() -> None:
    """Make skl2onnx convert histogram gradient boosting by this module, alone or inside a pipeline.

    What it makes is complete after `ensemble_graph.finish`.
    """
    update_registered_converter(
        HistGradientBoostingClassifier,
        "SklearnHistGradientBoostingClassifier",
        ensemble_graph.classifier_shapes,
        _convert_classifier,
        options=ensemble_graph.classifier_options(HistGradientBoostingClassifier),
    )
    update_registered_converter(
        HistGradientBoostingRegressor,
        "SklearnHistGradientBoostingRegressor",
        ensemble_graph.regressor_shapes,
        _convert_regressor,
    )


def contained_in(model: Any) -> bool:
    """Whether the estimator is one of these, or a part of it is."""
    return any(
        isinstance(part, (HistGradientBoostingClassifier, HistGradientBoostingRegressor)) for part in parts(model)
    )


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    link = Link.LOGISTIC if model.n_trees_per_iteration_ == 1 else Link.SOFTMAX
    ensemble_graph.write_classifier(scope, operator, container, _boosted(model, link))


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    link = Link.EXPONENTIAL if model.loss in _EXPONENTIAL else Link.IDENTITY
    ensemble_graph.write_regressor(scope, operator, container, _boosted(model, link))


def _boosted(model: Any, link: Link) -> BoostedModel:
    ensemble = Ensemble()
    for trees in model._predictors:
        for target, tree in enumerate(trees):
            ensemble.add([_node(tree, node) for node in tree.nodes], target)
    return BoostedModel(
        trees=ensemble,
        targets=model.n_trees_per_iteration_,
        columns=list(_columns(model)),
        baseline=np.asarray(model._baseline_prediction, dtype=np.float64).ravel(),
        link=link,
    )


def _columns(model: Any) -> Iterator[SplitColumn]:
    """Columns of categories come first, then numbers: the order in which the estimator keeps them."""
    by_category = model.is_categorical_
    if by_category is None:
        yield from map(SplitColumn, range(model.n_features_in_))
        return
    encoder = model._preprocessor.named_transformers_["encoder"]
    for place, known in zip(np.flatnonzero(by_category).tolist(), encoder.categories_, strict=True):
        yield SplitColumn(place, known[~_gaps(known)])
    yield from map(SplitColumn, np.flatnonzero(~by_category).tolist())


def _gaps(known: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(np.isnan(known) if known.dtype.kind == "f" else np.zeros(len(known)), np.bool_)


def _node(tree: Any, node: Any) -> TreeNode:
    if node["is_leaf"]:
        return Leaf(float(node["value"]))
    feature, left, right = int(node["feature_idx"]), int(node["left"]), int(node["right"])
    gaps_go_left = bool(node["missing_go_to_left"])
    if node["is_categorical"]:
        goes_left = _members(tree.raw_left_cat_bitsets[node["bitset_idx"]])
        return CategorySplit(feature, goes_left, left, right, gaps_go_left)
    return NumberSplit(feature, float(node["num_threshold"]), left, right, gaps_go_left)


def _members(bitset: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which of the codes 0 to 255 are in a set that is kept as eight words of 32 bits."""
    return np.unpackbits(np.ascontiguousarray(bitset).view(np.uint8), bitorder="little").astype(bool)
