"""Bodies of answers, read back into arrays: of this server and of any other that implements the same protocols."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from viridian.serving.data.datatypes import BOOL, BYTES, LAYOUTS
from viridian.serving.data.outputs import Output
from viridian.serving.data.prediction_bins import ANONYMOUS
from viridian.serving.errors import BadInput
from viridian.serving.protocols import binary_tensors


class UnreadableOutput(Exception):
    """The body is no answer of either protocol."""


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: dict[str, Any] | None = None


class _AnyOutput(msgspec.Struct):
    """One of the two is there: Open Inference Protocol, or MLflow."""

    outputs: list[_Tensor] | None = None
    predictions: Any = None


_DECODER: Final = msgspec.json.Decoder(_AnyOutput)
_NO_ANSWER: Final = (
    msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadInput, ValueError, KeyError, OverflowError, TypeError
)  # fmt: skip
"""What reading something else may raise."""


def read(body: bytes, json_length: bytes | None = None) -> Sequence[Output]:
    """The outputs by name, null as NaN; Unreadable instead. `json_length`: of its JSON, where raw tensors follow."""
    try:
        text, tail = (body, memoryview(b"")) if json_length is None else binary_tensors.split(body, json_length)
        answer = _DECODER.decode(text)
        if answer.outputs:
            return _outputs(answer.outputs, tail)
        if isinstance(answer.predictions, dict):
            return [_rows(name, _array(values)) for name, values in answer.predictions.items()]
        if isinstance(answer.predictions, list):
            return [Output(ANONYMOUS, _array(answer.predictions))]
    except _NO_ANSWER as error:
        raise UnreadableOutput from error
    raise UnreadableOutput


def _outputs(given: Sequence[_Tensor], tail: memoryview) -> list[Output]:
    outputs = []
    for tensor in given:
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is None:
            values = _listed(tensor)
        else:
            raw = binary_tensors.take(tail, size, tensor.name)
            tail = tail[len(raw) :]
            values = _raw(tensor, raw)
        outputs.append(_rows(tensor.name, values.reshape(tensor.shape)))
    return outputs


def _listed(tensor: _Tensor) -> NDArray[Any]:
    return np.array(tensor.data, dtype=np.float64) if tensor.datatype.startswith("FP") else _array(tensor.data)


def _raw(tensor: _Tensor, raw: memoryview) -> NDArray[Any]:
    if tensor.datatype == BYTES:
        return np.array(binary_tensors.strings(tensor.name, tensor.shape, raw), dtype=object)
    return np.frombuffer(raw, np.dtype(np.bool_) if tensor.datatype == BOOL else LAYOUTS[tensor.datatype])


def _rows(name: str, values: NDArray[Any]) -> Output:
    if values.ndim == 0:
        raise UnreadableOutput
    return Output(name, values)


def _array(values: Any) -> NDArray[Any]:
    array = np.array(values)
    if array.dtype.kind == "U":
        # As an array of texts it would lose the NUL at the end of one.
        return np.array(values, dtype=object)
    if array.dtype == object:
        # Null among them: numbers with gaps, or else strings.
        with contextlib.suppress(TypeError, ValueError):
            return array.astype(np.float64)
    return array
