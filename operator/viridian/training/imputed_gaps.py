"""Gaps that `SimpleImputer` fills, in graphs of 64 bits: onnxruntime knows the operator `Imputer` for 32 bits alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from skl2onnx.common._registration import get_converter, register_converter
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.operator_converters.common import concatenate_variables

_ALIAS: Final = "SklearnSimpleImputer"
_OPSET: Final = 13

Convert = Callable[[Any, Any, Any], None]


def register() -> None:
    """Make skl2onnx fill gaps so, alone and inside pipelines."""
    known = get_converter(_ALIAS)
    if not isinstance(known._fct, _InDoubles):
        register_converter(_ALIAS, _InDoubles(known._fct), overwrite=True, options=known.get_allowed_options())


class _InDoubles:
    """The converter of skl2onnx, and nodes of our own where it would write what cannot be run."""

    def __init__(self, convert: Convert) -> None:
        self._convert = convert

    def __call__(self, scope: Any, operator: Any, container: Any) -> None:
        imputer = operator.raw_operator
        values = _filling(imputer)
        wide = all(isinstance(one.type, DoubleTensorType) for one in operator.inputs)
        if not wide or imputer.add_indicator or values is None:
            self._convert(scope, operator, container)
            return
        given = concatenate_variables(scope, operator.inputs, container)
        gaps, filling = (str(scope.get_unique_variable_name(name)) for name in ("gaps", "filling"))
        container.add_initializer(filling, TensorProto.DOUBLE, [1, len(values)], values)
        container.add_node("IsNaN", given, gaps, op_version=_OPSET)
        container.add_node("Where", [gaps, filling, given], operator.outputs[0].full_name, op_version=_OPSET)


def _filling(imputer: Any) -> NDArray[np.float64] | None:
    """What each column gets for NaN; None where gaps are something else, or a column was empty and is left out."""
    missing = imputer.missing_values
    try:
        values = np.asarray(imputer.statistics_, np.float64)
    except (TypeError, ValueError):
        return None
    return values if isinstance(missing, float) and np.isnan(missing) and not np.isnan(values).any() else None
