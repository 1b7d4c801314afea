"""Libraries of boosted trees beside scikit-learn: their fitted estimators become ONNX, and nothing else.

A library is never imported for its own sake: where a model is one of its, it is there already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pandas as pd
from numpy.typing import NDArray
from skl2onnx import update_registered_converter
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType
from sklearn.base import is_classifier

from viridian.serving.runtimes.trees import parts
from viridian.training import catboost_trees, ensemble_graph, lightgbm_trees, xgboost_trees
from viridian.training.ensemble_graph import BoostedModel


@dataclass(frozen=True, slots=True)
class BoostingLibrary:
    """How its estimators become trees that ONNX knows."""

    module: str
    title: str
    estimators: tuple[str, ...]
    boosted: Callable[[Any], BoostedModel]
    """NotExpressible says what ONNX cannot express."""
    doubles: bool = False
    """Thresholds have 64 bits."""

    def classes(self) -> Iterator[type]:
        """Of the estimators, where the library is there."""
        found = sys.modules.get(self.module)
        yield from (getattr(found, name) for name in self.estimators if hasattr(found, name))


LIBRARIES: Final = (
    BoostingLibrary("xgboost", "XGBoost", xgboost_trees.ESTIMATORS, xgboost_trees.boosted),
    BoostingLibrary("lightgbm", "LightGBM", lightgbm_trees.ESTIMATORS, lightgbm_trees.boosted, doubles=True),
    BoostingLibrary("catboost", "CatBoost", catboost_trees.ESTIMATORS, catboost_trees.boosted),
)


def register() -> None:
    """Make skl2onnx convert the estimators of all libraries that are there, unless the script has its own converters.

    What it makes is complete after `ensemble_graph.finish`.
    """
    for library in LIBRARIES:
        for estimator in library.classes():
            if estimator not in sklearn_operator_name_map:
                _register(library, estimator)


def library_of(model: Any) -> BoostingLibrary | None:
    """The library of which the estimator is one, or a part of it is."""
    for library in LIBRARIES:
        classes = tuple(library.classes())
        if classes and any(isinstance(part, classes) for part in parts(model)):
            return library
    return None


def as_estimator(model: Any) -> Any:
    """The model itself; of a library's own kind of model, the estimator that answers as it does."""
    if isinstance(model, _native("xgboost", xgboost_trees.NATIVE)):
        return xgboost_trees.estimator_of(model)
    return model


def with_categories(frame: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """The table with the same columns of categories as the other one; a value that is none of them is a gap there.

    So do these libraries themselves read a table: by its own type of categories. Flags with gaps have a type as well.
    """
    own = pd.CategoricalDtype | pd.BooleanDtype
    kinds = {name: kind for name, kind in like.dtypes.items() if isinstance(kind, own)}
    return frame.astype(kinds) if kinds else frame


def with_known_categories(table: Any, known: Mapping[str, NDArray[Any]]) -> Any:
    """The same table, whose columns of categories have those of the known values too: what is read apart from the
    training rows has the categories of its own rows alone, and the library goes by those of the model.
    """
    if not isinstance(table, pd.DataFrame):
        return table
    kinds = {}
    for name, kind in table.dtypes.items():
        if isinstance(kind, pd.CategoricalDtype):
            more = pd.Index(pd.unique(known[str(name)])).dropna()
            more = more.astype(kind.categories.dtype) if kind.categories.dtype.kind in "iu" else more
            kinds[name] = pd.CategoricalDtype([*kind.categories, *more.difference(kind.categories)], kind.ordered)
    return table.astype(kinds) if kinds else table


def _native(module: str, name: str) -> tuple[type, ...]:
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if found is not None else ()


def _register(library: BoostingLibrary, estimator: type) -> None:
    alias = f"Viridian{library.title}{estimator.__name__}"
    classifies = estimator.__name__.endswith("Classifier")
    update_registered_converter(
        estimator,
        alias,
        ensemble_graph.classifier_shapes if classifies else ensemble_graph.regressor_shapes,
        partial(_convert, library),
        parser=partial(_outputs, alias),
        options=ensemble_graph.classifier_options(estimator) if classifies else None,
    )


def _convert(library: BoostingLibrary, scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    write = ensemble_graph.write_classifier if is_classifier(model) else ensemble_graph.write_regressor
    write(scope, operator, container, library.boosted(model))


def _outputs(alias: str, scope: Any, model: Any, inputs: Any, **_: Any) -> Any:
    """What the operator gives, by the names that a classifier or a regressor of scikit-learn has there."""
    operator = scope.declare_local_operator(alias, model)
    operator.inputs = inputs
    if is_classifier(model):
        operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
        operator.outputs.append(scope.declare_local_variable("probabilities", DoubleTensorType()))
    else:
        operator.outputs.append(scope.declare_local_variable("variable", DoubleTensorType()))
    return operator.outputs
