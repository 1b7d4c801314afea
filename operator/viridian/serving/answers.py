"""Bodies of answers, read back into arrays: those of this server, and of whoever else speaks the same protocols."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from viridian.serving.outputs import Output
from viridian.serving.prediction_bins import ANONYMOUS


class Unreadable(Exception):
    """The body is no answer of either protocol."""


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: Any


class _Answer(msgspec.Struct):
    """One of the two is there: Open Inference Protocol, or MLflow."""

    outputs: list[_Tensor] | None = None
    predictions: Any = None


_DECODER: Final = msgspec.json.Decoder(_Answer)


def read(body: bytes) -> Sequence[Output]:
    """The outputs by name, null as NaN; Unreadable instead."""
    try:
        answer = _DECODER.decode(body)
        if answer.outputs:
            return [_output(tensor) for tensor in answer.outputs]
        if isinstance(answer.predictions, dict):
            return [_rows(name, _array(values)) for name, values in answer.predictions.items()]
        if isinstance(answer.predictions, list):
            return [Output(ANONYMOUS, _array(answer.predictions))]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, OverflowError, TypeError) as error:
        raise Unreadable from error
    raise Unreadable


def _output(tensor: _Tensor) -> Output:
    floats = tensor.datatype.startswith("FP")
    values = np.array(tensor.data, dtype=np.float64) if floats else _array(tensor.data)
    return _rows(tensor.name, values.reshape(tensor.shape))


def _rows(name: str, values: NDArray[Any]) -> Output:
    if values.ndim == 0:
        raise Unreadable
    return Output(name, values)


def _array(values: Any) -> NDArray[Any]:
    array = np.array(values)
    if array.dtype == object:
        # Null among them: numbers with gaps, or else strings.
        with contextlib.suppress(TypeError, ValueError):
            return array.astype(np.float64)
    return array
