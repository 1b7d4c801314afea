"""Histogram gradient boosting as ONNX, exactly: thresholds, leaves and sums in 64 bits.

The converter's own way writes trees in 32 bits, and the versions that are pinned here cannot write those of this
estimator at all. The operator `TreeEnsemble` (ai.onnx.ml 5) takes 64 bits, says for each split where a gap goes, and
knows splits by a set of categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from onnx.helper import make_opsetid
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
from skl2onnx.common.utils import check_input_and_output_numbers
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from viridian.serving.runtimes.trees import parts
from viridian.training.tree_ensemble import FIRST_CODE, Ensemble, doubles

_OPSET: Final = 14
"""The newest version that an operator of the graph needs."""
_PLACEHOLDER: Final = "viridian.trees"
"""Domain of the trees while skl2onnx is at work: it refuses every version of ai.onnx.ml after the third."""
_TREES_DOMAIN: Final = "ai.onnx.ml"
_TREES_VERSION: Final = 5
"""The first one with the operator `TreeEnsemble`."""
_EXPONENTIAL: Final = frozenset({"poisson", "gamma"})
"""Losses that are fitted on the logarithm of what is predicted."""


def register() -> None:
    """Make skl2onnx convert histogram gradient boosting by this module, alone or inside a pipeline.

    What it makes is complete after `finish`.
    """
    update_registered_converter(
        HistGradientBoostingClassifier,
        "SklearnHistGradientBoostingClassifier",
        _classifier_shapes,
        _convert_classifier,
        options={"zipmap": [False]},
    )
    update_registered_converter(
        HistGradientBoostingRegressor,
        "SklearnHistGradientBoostingRegressor",
        _regressor_shapes,
        _convert_regressor,
    )


def contained_in(model: Any) -> bool:
    """Whether the estimator is one of these, or a part of it is."""
    return any(
        isinstance(part, (HistGradientBoostingClassifier, HistGradientBoostingRegressor)) for part in parts(model)
    )


def finish(graph: ModelProto) -> None:
    """Name the trees' true domain and its version; a graph without such trees stays as it is."""
    placed = [node for node in graph.graph.node if node.domain == _PLACEHOLDER]
    if not placed:
        return
    for node in placed:
        node.domain = _TREES_DOMAIN
    others = [one for one in graph.opset_import if one.domain not in (_PLACEHOLDER, _TREES_DOMAIN)]
    del graph.opset_import[:]
    graph.opset_import.extend([*others, make_opsetid(_TREES_DOMAIN, _TREES_VERSION)])


def _ensemble(model: Any) -> Ensemble:
    ensemble = Ensemble()
    for trees in model._predictors:
        for target, tree in enumerate(trees):
            ensemble.add(tree, target)
    return ensemble


def _raw_scores(scope: Any, operator: Any, container: Any) -> str:
    """Name of the sums of the trees and the baseline: one column for a number or two classes, else one for a class."""
    model = operator.raw_operator
    sums, scores = _unique(scope, "sums"), _unique(scope, "scores")
    container.add_node(
        "TreeEnsemble",
        _features(scope, operator, container),
        sums,
        op_domain=_PLACEHOLDER,
        op_version=1,
        name=scope.get_unique_operator_name("TreeEnsemble"),
        **_ensemble(model).attributes(model.n_trees_per_iteration_),
    )
    container.add_node("Add", [sums, _baseline(scope, container, model)], scores, op_version=_OPSET)
    return scores


def _features(scope: Any, operator: Any, container: Any) -> str:
    """Name of the columns as the trees know them: those of categories first, as codes, then the numbers."""
    model, given = operator.raw_operator, operator.inputs[0].full_name
    if not isinstance(operator.inputs[0].type, DoubleTensorType):
        wide = _unique(scope, "wide")
        container.add_node("Cast", given, wide, to=TensorProto.DOUBLE, op_version=_OPSET)
        given = wide
    if model.is_categorical_ is None:
        return str(given)
    encoder = model._preprocessor.named_transformers_["encoder"]
    columns = [
        _codes(scope, container, _chosen(scope, container, given, [place]), known)
        for place, known in zip(np.flatnonzero(model.is_categorical_).tolist(), encoder.categories_, strict=True)
    ]
    numbers = np.flatnonzero(~model.is_categorical_).tolist()
    if numbers:
        columns.append(_chosen(scope, container, given, numbers))
    features = _unique(scope, "features")
    container.add_node("Concat", columns, features, axis=1, op_version=_OPSET)
    return features


def _chosen(scope: Any, container: Any, given: str, places: Sequence[int]) -> str:
    indices, chosen = _unique(scope, "places"), _unique(scope, "chosen")
    container.add_initializer(indices, TensorProto.INT64, [len(places)], places)
    container.add_node("Gather", [given, indices], chosen, axis=1, op_version=_OPSET)
    return chosen


def _codes(scope: Any, container: Any, given: str, known: NDArray[Any]) -> str:
    """The codes of a column's values; NaN for a gap and for what is not known."""
    if known.dtype.kind not in "biuf":
        raise ValueError("boosted trees with categories that are no numbers")
    values = known.astype(np.float64)
    values = values[~np.isnan(values)]
    codes = _unique(scope, "codes")
    container.add_node(
        "LabelEncoder",
        given,
        codes,
        op_domain=_PLACEHOLDER,
        op_version=1,
        name=scope.get_unique_operator_name("LabelEncoder"),
        keys_tensor=doubles("keys_tensor", values),
        values_tensor=doubles("values_tensor", np.arange(len(values)) + float(FIRST_CODE)),
        default_tensor=doubles("default_tensor", [float("nan")]),
    )
    return codes


def _unique(scope: Any, name: str) -> str:
    return str(scope.get_unique_variable_name(name))


def _baseline(scope: Any, container: Any, model: Any) -> str:
    name = _unique(scope, "baseline")
    values = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    container.add_initializer(name, TensorProto.DOUBLE, [1, len(values)], values)
    return name


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    scores = _raw_scores(scope, operator, container)
    link = "Exp" if operator.raw_operator.loss in _EXPONENTIAL else "Identity"
    container.add_node(link, scores, operator.outputs[0].full_name, op_version=_OPSET)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model, (label, probabilities) = operator.raw_operator, (one.full_name for one in operator.outputs)
    scores = _raw_scores(scope, operator, container)
    if model.n_trees_per_iteration_ == 1:
        _two_classes(scope, container, scores, probabilities)
    else:
        container.add_node("Softmax", scores, probabilities, axis=1, op_version=_OPSET)
    place, classes = _unique(scope, "place"), _unique(scope, "classes")
    container.add_node("ArgMax", probabilities, place, axis=1, keepdims=0, op_version=_OPSET)
    if model.classes_.dtype.kind in "biu":
        container.add_initializer(classes, TensorProto.INT64, [len(model.classes_)], model.classes_.astype(np.int64))
    else:
        texts = [str(value).encode() for value in model.classes_]
        container.add_initializer(classes, TensorProto.STRING, [len(texts)], texts)
    container.add_node("Gather", [classes, place], label, op_version=_OPSET)


def _two_classes(scope: Any, container: Any, scores: str, probabilities: str) -> None:
    one, second, first = (_unique(scope, name) for name in ("one", "second", "first"))
    container.add_initializer(one, TensorProto.DOUBLE, [1, 1], [1.0])
    container.add_node("Sigmoid", scores, second, op_version=_OPSET)
    container.add_node("Sub", [one, second], first, op_version=_OPSET)
    container.add_node("Concat", [first, second], probabilities, axis=1, op_version=_OPSET)


def _regressor_shapes(operator: Any) -> None:
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=1)
    operator.outputs[0].type = DoubleTensorType([None, 1])


def _classifier_shapes(operator: Any) -> None:
    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=2)
    classes = operator.raw_operator.classes_
    label = Int64TensorType if classes.dtype.kind in "biu" else StringTensorType
    operator.outputs[0].type = label([None])
    operator.outputs[1].type = DoubleTensorType([None, len(classes)])
