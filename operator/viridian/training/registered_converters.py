"""Converters that the user's script has registered with skl2onnx: they go where the conversion happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from skl2onnx import update_registered_converter
from skl2onnx._parse import sklearn_parsers_map
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common import _registration

_KNOWN: Final = ("skl2onnx", "viridian")


@dataclass(frozen=True, slots=True)
class OwnConverter:
    """What `update_registered_converter` takes."""

    estimator: type
    alias: str
    shapes: Callable[..., Any]
    convert: Callable[..., Any]
    options: dict[str, Any] | None
    parser: Callable[..., Any] | None

    def register(self) -> None:
        update_registered_converter(
            self.estimator, self.alias, self.shapes, self.convert, True, self.parser, self.options
        )


def registered() -> tuple[OwnConverter, ...]:
    """Those that neither skl2onnx nor this library brings."""
    found = []
    for estimator, alias in sklearn_operator_name_map.items():
        known = _registration._converter_pool.get(alias)
        if known is not None and _module(known._fct).split(".")[0] not in _KNOWN:
            shapes = _registration.get_shape_calculator(alias)
            options, parser = known.get_allowed_options(), sklearn_parsers_map.get(estimator)
            found.append(OwnConverter(estimator, alias, shapes, known._fct, options, parser))
    return tuple(found)


def _module(function: Any) -> str:
    return str(getattr(function, "__module__", "") or "")
