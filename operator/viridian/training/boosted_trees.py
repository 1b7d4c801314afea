"""Histogram gradient boosting as ONNX, exactly: thresholds, leaves and sums in 64 bits.

The converter's own way writes trees in 32 bits, and the versions that are pinned here cannot write those of this
estimator at all. The operator `TreeEnsemble` (ai.onnx.ml 5) takes 64 bits, says for each split where a gap goes, and
knows splits by a set of categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from onnx.helper import make_opsetid, make_tensor
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
from skl2onnx.common.utils import check_input_and_output_numbers
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from viridian.serving.trees import parts

_OPSET: Final = 14
"""The newest version that an operator of the graph needs."""
_PLACEHOLDER: Final = "viridian.trees"
"""Domain of the trees while skl2onnx is at work: it refuses every version of ai.onnx.ml after the third."""
_TREES_DOMAIN: Final = "ai.onnx.ml"
_TREES_VERSION: Final = 5
"""The first one with the operator `TreeEnsemble`."""
_LEQ, _MEMBER = 0, 6
_SUM: Final = 1
_FIRST_CODE: Final = 1
"""onnxruntime tests membership quickest among the numbers from 1 to 64."""
_EXPONENTIAL: Final = frozenset({"poisson", "gamma"})
"""Losses that are fitted on the logarithm of what is predicted."""


def register() -> None:
    """Make skl2onnx convert histogram gradient boosting by this module, alone or inside a pipeline.

    What it makes is complete after `finish`.
    """
    for kind, shapes, convert in (
        (HistGradientBoostingClassifier, _classifier_shapes, _convert_classifier),
        (HistGradientBoostingRegressor, _regressor_shapes, _convert_regressor),
    ):
        options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "raw_scores": [True, False]}
        update_registered_converter(
            kind,
            f"Sklearn{kind.__name__}",
            shapes,
            convert,
            overwrite=True,
            options=options if kind is HistGradientBoostingClassifier else None,
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


# ---- The trees ----


@dataclass(slots=True)
class Ensemble:
    """The attributes of a `TreeEnsemble`, in the words of its specification; a root is an index of a split."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    true_ids: list[int] = field(default_factory=list)
    true_leaves: list[int] = field(default_factory=list)
    false_ids: list[int] = field(default_factory=list)
    false_leaves: list[int] = field(default_factory=list)
    gaps_go_true: list[int] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    """The sets of the splits by category, in the order of those; NaN ends each."""
    leaf_targets: list[int] = field(default_factory=list)
    leaf_weights: list[float] = field(default_factory=list)

    def add(self, tree: Any, target: int) -> None:
        """A tree that adds to one target."""
        nodes = tree.nodes
        inner = [index for index, node in enumerate(nodes) if not node["is_leaf"]]
        first_split, first_leaf = len(self.features), len(self.leaf_weights)
        self.roots.append(first_split)
        split_at = {index: first_split + place for place, index in enumerate(inner)}
        leaf_at = {}
        for index, node in enumerate(nodes):
            if node["is_leaf"]:
                leaf_at[index] = len(self.leaf_weights)
                self.leaf_targets.append(target)
                self.leaf_weights.append(float(node["value"]))
        if not inner:
            # A lone leaf stands behind a split whose branches both end there.
            self._split(0, _LEQ, 0.0, (first_leaf, 1), (first_leaf, 1), gaps_go_true=False)
        for index in inner:
            node = nodes[index]
            left, right = (
                (leaf_at[child], 1) if nodes[child]["is_leaf"] else (split_at[child], 0)
                for child in (int(node["left"]), int(node["right"]))
            )
            self._add_split(tree, node, left, right)

    def _add_split(self, tree: Any, node: Any, left: tuple[int, int], right: tuple[int, int]) -> None:
        feature, gaps_go_left = int(node["feature_idx"]), bool(node["missing_go_to_left"])
        if not node["is_categorical"]:
            threshold = float(node["num_threshold"])
            self._split(feature, _LEQ, threshold, left, right, gaps_go_true=gaps_go_left)
            return
        goes_left = _members(tree.raw_left_cat_bitsets[node["bitset_idx"]])
        # A gap goes to the side whose codes are not listed, and so does a value that is not known, which is a gap.
        self.members.extend([*(np.flatnonzero(goes_left != gaps_go_left) + _FIRST_CODE), float("nan")])
        branches = (right, left) if gaps_go_left else (left, right)
        self._split(feature, _MEMBER, 0.0, *branches, gaps_go_true=False)

    def _split(
        self, column: int, mode: int, split: float, true: tuple[int, int], false: tuple[int, int], *, gaps_go_true: bool
    ) -> None:
        self.features.append(column)
        self.modes.append(mode)
        self.splits.append(split)
        self.true_ids.append(true[0])
        self.true_leaves.append(true[1])
        self.false_ids.append(false[0])
        self.false_leaves.append(false[1])
        self.gaps_go_true.append(int(gaps_go_true))

    def attributes(self, targets: int) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            "aggregate_function": _SUM,
            "leaf_targetids": self.leaf_targets,
            "leaf_weights": _doubles("leaf_weights", self.leaf_weights),
            "n_targets": targets,
            "nodes_falseleafs": self.false_leaves,
            "nodes_falsenodeids": self.false_ids,
            "nodes_featureids": self.features,
            "nodes_missing_value_tracks_true": self.gaps_go_true,
            "nodes_modes": make_tensor("nodes_modes", TensorProto.UINT8, [len(self.modes)], self.modes),
            "nodes_splits": _doubles("nodes_splits", self.splits),
            "nodes_trueleafs": self.true_leaves,
            "nodes_truenodeids": self.true_ids,
            "post_transform": 0,
            "tree_roots": self.roots,
        }
        if self.members:
            attributes["membership_values"] = _doubles("membership_values", self.members)
        return attributes


def _members(bitset: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which of the codes 0 to 255 are in a set that is kept as eight words of 32 bits."""
    return np.unpackbits(np.ascontiguousarray(bitset).view(np.uint8), bitorder="little").astype(bool)


def _doubles(name: str, values: Sequence[float]) -> TensorProto:
    return make_tensor(name, TensorProto.DOUBLE, [len(values)], values)


def _ensemble(model: Any) -> Ensemble:
    ensemble = Ensemble()
    for trees in model._predictors:
        for target, tree in enumerate(trees):
            ensemble.add(tree, target)
    return ensemble


# ---- The graph ----


def _raw_scores(scope: Any, operator: Any, container: Any) -> str:
    """Name of the sums of the trees and the baseline: one column for a number or two classes, else one for a class."""
    model = operator.raw_operator
    sums, scores = (scope.get_unique_variable_name(name) for name in ("sums", "scores"))
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
        wide = scope.get_unique_variable_name("wide")
        container.add_node("Cast", given, wide, to=TensorProto.DOUBLE, op_version=_OPSET)
        given = wide
    if model.is_categorical_ is None:
        return str(given)
    encoder = model._preprocessor.named_transformers_["encoder"]
    parts = [
        _codes(scope, container, _chosen(scope, container, given, [place]), known)
        for place, known in zip(np.flatnonzero(model.is_categorical_), encoder.categories_, strict=True)
    ]
    numbers = np.flatnonzero(~model.is_categorical_)
    if len(numbers):
        parts.append(_chosen(scope, container, given, numbers))
    features: str = scope.get_unique_variable_name("features")
    container.add_node("Concat", parts, features, axis=1, op_version=_OPSET)
    return features


def _chosen(scope: Any, container: Any, given: str, places: Sequence[int]) -> str:
    indices, chosen = (scope.get_unique_variable_name(name) for name in ("places", "chosen"))
    container.add_initializer(indices, TensorProto.INT64, [len(places)], [int(place) for place in places])
    container.add_node("Gather", [given, indices], chosen, axis=1, op_version=_OPSET)
    return str(chosen)


def _codes(scope: Any, container: Any, given: str, known: NDArray[Any]) -> str:
    """The codes of a column's values; NaN for a gap and for what is not known."""
    if known.dtype.kind not in "biuf":
        raise ValueError("boosted trees with categories that are no numbers")
    values = known.astype(np.float64)
    values = values[~np.isnan(values)]
    codes: str = scope.get_unique_variable_name("codes")
    container.add_node(
        "LabelEncoder",
        given,
        codes,
        op_domain=_PLACEHOLDER,
        op_version=1,
        name=scope.get_unique_operator_name("LabelEncoder"),
        keys_tensor=_doubles("keys_tensor", values),
        values_tensor=_doubles("values_tensor", np.arange(len(values)) + float(_FIRST_CODE)),
        default_tensor=_doubles("default_tensor", [float("nan")]),
    )
    return codes


def _baseline(scope: Any, container: Any, model: Any) -> str:
    name = scope.get_unique_variable_name("baseline")
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
    place, classes = scope.get_unique_variable_name("place"), scope.get_unique_variable_name("classes")
    container.add_node("ArgMax", probabilities, place, axis=1, keepdims=0, op_version=_OPSET)
    if model.classes_.dtype.kind in "biu":
        container.add_initializer(classes, TensorProto.INT64, [len(model.classes_)], model.classes_.astype(np.int64))
    else:
        texts = [str(value).encode() for value in model.classes_]
        container.add_initializer(classes, TensorProto.STRING, [len(texts)], texts)
    container.add_node("Gather", [classes, place], label, op_version=_OPSET)


def _two_classes(scope: Any, container: Any, scores: str, probabilities: str) -> None:
    one, second, first = (scope.get_unique_variable_name(name) for name in ("one", "second", "first"))
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
