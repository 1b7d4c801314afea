"""The ways from an estimator to a graph. Each is tried in a process of its own, for so long and no longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

from viridian.training import isolated_call
from viridian.training.not_expressible import NotExpressible
from viridian.training.onnx_estimator import OnnxGraph, as_payload
from viridian.training.payload import Payload, as_onnx, numbers
from viridian.training.registered_converters import OwnConverter, registered
from viridian.training.rows import DatasetColumn
from viridian.training.time_limits import seconds_for

_BITS: Final = {FloatTensorType: 32, DoubleTensorType: 64}

Converter = Callable[[Any, Sequence[DatasetColumn]], Payload]
"""From an estimator and its columns to a payload, by a function that a name leads to; it may raise NotExpressible."""


def converters(model: Any) -> Mapping[str, Converter]:
    """The converters for this estimator, the one with the quickest graphs first.

    A converter only has to try: whether its graph answers as the estimator does is found out afterwards.
    """
    if isinstance(model, OnnxGraph):
        return {"onnx": as_payload}
    return {f"onnx-{_BITS[number]}": partial(as_onnx, number=number) for number in numbers(model)}


def converted(converter: Converter, model: Any, columns: Sequence[DatasetColumn]) -> Payload:
    """The payload, or NotExpressible: also when the converter does not end, or ends its process."""
    if converter is as_payload:
        return converter(model, columns)  # there is nothing that could go on for ever
    try:
        return isolated_call.call(_convert, converter, model, columns, registered(), seconds=seconds_for(0))
    except NotExpressible:
        raise
    except isolated_call.NotDone as error:
        raise NotExpressible(f"the conversion failed: {error}") from error
    except Exception as error:
        # A graph of more than two gigabytes, or more memory than there is: the estimator itself can still be served.
        raise NotExpressible(f"the conversion failed: {type(error).__name__}") from error


def _convert(
    converter: Converter, model: Any, columns: Sequence[DatasetColumn], own: Sequence[OwnConverter]
) -> Payload:
    for one in own:
        one.register()
    return converter(model, columns)
