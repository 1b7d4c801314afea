"""The graph around boosted trees: codes of categories in front of them, the baseline and the link function behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from onnx.helper import make_opsetid
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from skl2onnx.common.utils import check_input_and_output_numbers

from viridian.training.not_expressible import NotExpressible
from viridian.training.tree_ensemble import FIRST_CODE, Ensemble, doubles

_OPSET: Final = 14
"""The newest version that an operator of the graph needs."""
_PLACEHOLDER: Final = "viridian.trees"
"""Domain of the trees while skl2onnx is at work: it refuses every version of ai.onnx.ml after the third."""
_TREES_DOMAIN: Final = "ai.onnx.ml"
_TREES_VERSION: Final = 5
"""The first one with the operator `TreeEnsemble`."""

_LABELS: Final = {"b": BooleanTensorType, "i": Int64TensorType, "u": Int64TensorType, "f": DoubleTensorType}
"""By the kind of the classes, as numpy names it: labels stay what the estimator answers. All others are text."""
_ELEMENTS: Final = {
    BooleanTensorType: TensorProto.BOOL,
    Int64TensorType: TensorProto.INT64,
    DoubleTensorType: TensorProto.DOUBLE,
}

RAW_SCORES: Final = "raw_scores"
"""skl2onnx's option for what `decision_function` gives. What calibrates a classifier asks for it where there is one."""


def classifier_options(estimator: type) -> dict[str, list[bool]]:
    """The options that its converter knows."""
    return {"zipmap": [False], **({RAW_SCORES: [True, False]} if hasattr(estimator, "decision_function") else {})}


class Link(StrEnum):
    """From the sum of the trees to what is predicted, by the name of its operator."""

    IDENTITY = "Identity"
    EXPONENTIAL = "Exp"
    LOGISTIC = "Sigmoid"
    SOFTMAX = "Softmax"


@dataclass(frozen=True, slots=True)
class SplitColumn:
    """A column as splits count them."""

    place: int
    """Which of the columns that the estimator takes."""
    categories: NDArray[Any] | None = None
    """Numbers or texts in the order of their codes; None where the column is a number."""
    whole: bool = False
    """The fraction of a number is cut off before it is looked for among the categories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedModel:
    """What boosted trees of any library come to."""

    trees: Ensemble
    targets: int
    """Sums: one of a regressor and of two classes, else one for each class."""
    columns: Sequence[SplitColumn]
    baseline: NDArray[np.float64]
    """What is added to each sum, or the same for all of them."""
    link: Link
    single: bool = False
    """The library rounds numbers to 32 bits before it compares them."""


def regressor_shapes(operator: Any) -> None:
    """The shape that skl2onnx wants to know of a regressor."""
    check_input_and_output_numbers(operator, output_count_range=1)
    operator.outputs[0].type = DoubleTensorType([None, 1])


def classifier_shapes(operator: Any) -> None:
    """The shapes that skl2onnx wants to know of a classifier."""
    check_input_and_output_numbers(operator, output_count_range=2)
    classes = np.asarray(operator.raw_operator.classes_)
    operator.outputs[0].type = _LABELS.get(classes.dtype.kind, StringTensorType)([None])
    operator.outputs[1].type = DoubleTensorType([None, len(classes)])


def write_regressor(scope: Any, operator: Any, container: Any, model: BoostedModel) -> None:
    """The nodes from the operator's inputs to its prediction. They are complete after `finish`."""
    scores = _raw_scores(scope, operator, container, model)
    container.add_node(model.link.value, scores, operator.outputs[0].full_name, op_version=_OPSET)


def write_classifier(scope: Any, operator: Any, container: Any, model: BoostedModel) -> None:
    """The nodes from the operator's inputs to its labels and probabilities. They are complete after `finish`."""
    label, probabilities = (one.full_name for one in operator.outputs)
    scores = _raw_scores(scope, operator, container, model)
    if _asks_for_sums(container, operator.raw_operator):
        _sums_of_classes(scope, container, scores, probabilities, model)
    elif model.link is Link.SOFTMAX:
        container.add_node("Softmax", scores, probabilities, axis=1, op_version=_OPSET)
    else:
        _two_classes(scope, container, scores, probabilities)
    place, classes = _unique(scope, "place"), _unique(scope, "classes")
    container.add_node("ArgMax", probabilities, place, axis=1, keepdims=0, op_version=_OPSET)
    known = np.asarray(operator.raw_operator.classes_)
    if known.dtype.kind in _LABELS:
        container.add_initializer(classes, _ELEMENTS[_LABELS[known.dtype.kind]], [len(known)], known)
    else:
        texts = [str(value).encode() for value in known]
        container.add_initializer(classes, TensorProto.STRING, [len(texts)], texts)
    container.add_node("Gather", [classes, place], label, op_version=_OPSET)


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


def _raw_scores(scope: Any, operator: Any, container: Any, model: BoostedModel) -> str:
    """Name of the sums of the trees and the baseline: one column for a number or two classes, else one for a class."""
    sums, scores, baseline = _unique(scope, "sums"), _unique(scope, "scores"), _unique(scope, "baseline")
    container.add_node(
        "TreeEnsemble",
        _features(scope, operator, container, model),
        sums,
        op_domain=_PLACEHOLDER,
        op_version=1,
        name=scope.get_unique_operator_name("TreeEnsemble"),
        **model.trees.attributes(model.targets),
    )
    container.add_initializer(baseline, TensorProto.DOUBLE, [1, len(model.baseline)], model.baseline)
    container.add_node("Add", [sums, baseline], scores, op_version=_OPSET)
    return scores


def _features(scope: Any, operator: Any, container: Any, model: BoostedModel) -> str:
    """Name of the columns as the splits count them."""
    given = _Given(scope, operator, container)
    parts = [
        given.codes(column) if column.categories is not None else given.numbers(places, rounded=model.single)
        for column, places in _blocks(model.columns)
    ]
    if len(parts) == 1:
        return parts[0]
    features = _unique(scope, "features")
    container.add_node("Concat", parts, features, axis=1, op_version=_OPSET)
    return features


def _blocks(columns: Sequence[SplitColumn]) -> Iterator[tuple[SplitColumn, list[int]]]:
    """Columns of categories one by one, and numbers that stand beside each other together, with their places."""
    for is_number, found in groupby(columns, key=lambda column: column.categories is None):
        block = list(found)
        if is_number:
            yield block[0], [column.place for column in block]
        else:
            yield from ((column, [column.place]) for column in block)


class _Given:
    """What comes into the operator: one matrix, or a matrix for each column."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self._scope, self._container = scope, container
        self._inputs = list(operator.inputs)
        widths = [one.type.shape[1] for one in self._inputs]
        if len(widths) > 1 and any(width != 1 for width in widths):
            raise NotExpressible("boosted trees take several tables at once")
        self._wide: dict[str, str] = {}

    def numbers(self, places: Sequence[int], *, rounded: bool) -> str:
        """Name of these columns, which are numbers."""
        if len(self._inputs) == 1:
            source = self._inputs[0]
            found = self._gathered(self._doubles(source), source.type.shape[1], places)
        else:
            sources = [self._inputs[place] for place in places]
            source, found = sources[0], self._joined([self._doubles(one) for one in sources])
        if rounded and not isinstance(source.type, FloatTensorType):
            found = self._cast(self._cast(found, "single", TensorProto.FLOAT), "rounded", TensorProto.DOUBLE)
        return found

    def codes(self, column: SplitColumn) -> str:
        """Name of the codes of a column's values; NaN for a gap and for what is not known."""
        assert column.categories is not None  # noqa: S101
        source = self._inputs[0 if len(self._inputs) == 1 else column.place]
        codes = np.arange(len(column.categories), dtype=np.float64) + FIRST_CODE
        if isinstance(source.type, StringTensorType):
            return self._codes_of_texts(source.full_name, column.categories, codes)
        if column.categories.dtype.kind not in "biuf":
            raise NotExpressible("boosted trees with categories that are no numbers, in a table of numbers")
        given = self._doubles(source)
        if len(self._inputs) == 1:
            given = self._gathered(given, source.type.shape[1], [column.place])
        if column.whole:
            given = self._whole(given)
        values = column.categories.astype(np.float64)
        known = ~np.isnan(values)
        found = _unique(self._scope, "codes")
        self._encode(
            given,
            found,
            keys_tensor=doubles("keys_tensor", values[known]),
            values_tensor=doubles("values_tensor", codes[known]),
            default_tensor=doubles("default_tensor", [float("nan")]),
        )
        return found

    def _whole(self, given: str) -> str:
        """Name of these numbers without their fractions: from -1 to 1 all of them are zero."""
        sizes, floors, signs, made = (_unique(self._scope, name) for name in ("sizes", "floors", "signs", "whole"))
        self._container.add_node("Abs", given, sizes, op_version=_OPSET)
        self._container.add_node("Floor", sizes, floors, op_version=_OPSET)
        self._container.add_node("Sign", given, signs, op_version=_OPSET)
        self._container.add_node("Mul", [floors, signs], made, op_version=_OPSET)
        return made

    def _codes_of_texts(self, given: str, categories: NDArray[Any], codes: NDArray[np.float64]) -> str:
        texts = [str(value) for value in categories]
        if "" in texts:
            raise NotExpressible("a category is the empty text, which stands for a gap in graphs: give it a name")
        found = _unique(self._scope, "codes")
        self._encode(
            given,
            found,
            keys_strings=[text.encode() for text in texts],
            values_floats=codes.tolist(),
            default_float=float("nan"),
        )
        return self._cast(found, "wide_codes", TensorProto.DOUBLE)

    def _encode(self, given: str, made: str, **attributes: Any) -> None:
        self._container.add_node(
            "LabelEncoder",
            given,
            made,
            op_domain=_PLACEHOLDER,
            op_version=1,
            name=self._scope.get_unique_operator_name("LabelEncoder"),
            **attributes,
        )

    def _doubles(self, source: Any) -> str:
        """Name of this input in 64 bits."""
        name = str(source.full_name)
        if isinstance(source.type, DoubleTensorType):
            return name
        if isinstance(source.type, StringTensorType):
            raise NotExpressible("boosted trees take a column of text that is none of categories")
        if name not in self._wide:
            self._wide[name] = self._cast(name, "wide", TensorProto.DOUBLE)
        return self._wide[name]

    def _cast(self, given: str, name: str, element: int) -> str:
        made = _unique(self._scope, name)
        self._container.add_node("Cast", given, made, to=element, op_version=_OPSET)
        return made

    def _gathered(self, given: str, width: int | None, places: Sequence[int]) -> str:
        if list(places) == list(range(width or 0)):
            return given
        indices, chosen = _unique(self._scope, "places"), _unique(self._scope, "chosen")
        self._container.add_initializer(indices, TensorProto.INT64, [len(places)], places)
        self._container.add_node("Gather", [given, indices], chosen, axis=1, op_version=_OPSET)
        return chosen

    def _joined(self, names: Sequence[str]) -> str:
        if len(names) == 1:
            return names[0]
        made = _unique(self._scope, "joined")
        self._container.add_node("Concat", names, made, axis=1, op_version=_OPSET)
        return made


def _two_classes(scope: Any, container: Any, scores: str, probabilities: str) -> None:
    one, second, first = (_unique(scope, name) for name in ("one", "second", "first"))
    container.add_initializer(one, TensorProto.DOUBLE, [1, 1], [1.0])
    container.add_node("Sigmoid", scores, second, op_version=_OPSET)
    container.add_node("Sub", [one, second], first, op_version=_OPSET)
    container.add_node("Concat", [first, second], probabilities, axis=1, op_version=_OPSET)


def _asks_for_sums(container: Any, model: Any) -> bool:
    known = container.has_options(model, RAW_SCORES)
    return bool(known and container.get_options(model, {RAW_SCORES: False})[RAW_SCORES])


def _sums_of_classes(scope: Any, container: Any, scores: str, made: str, model: BoostedModel) -> None:
    """In the place of probabilities: what `decision_function` gives, which is of the second of two classes."""
    if model.targets > 1:
        container.add_node("Identity", scores, made, op_version=_OPSET)
        return
    first = _unique(scope, "first")
    container.add_node("Neg", scores, first, op_version=_OPSET)
    container.add_node("Concat", [first, scores], made, axis=1, op_version=_OPSET)


def _unique(scope: Any, name: str) -> str:
    return str(scope.get_unique_variable_name(name))
