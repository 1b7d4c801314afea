"""The binary extension of the Open Inference Protocol: tensors as raw bytes behind the JSON, both ways."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viridian.serving.data.datatypes import BOOL, BYTES, LAYOUTS, word
from viridian.serving.errors import BadInput, Rejection

_MOST_DIGITS: Final = 18
_LENGTH: Final = struct.Struct("<I")


def split(body: bytes, json_length: bytes) -> tuple[bytes, memoryview]:
    """The JSON, and the tensors behind it."""
    if not json_length.isdigit() or len(json_length) > _MOST_DIGITS or int(json_length) > len(body):
        raise BadInput(
            Rejection.MALFORMED, "", "the header Inference-Header-Content-Length is no length within the body"
        )
    end = int(json_length)
    return body[:end], memoryview(body)[end:]


def take(tail: memoryview, size: Any, name: str) -> memoryview:
    """The next so many bytes."""
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(tail):
        raise BadInput(Rejection.MALFORMED, name, f"{name!r}: binary_data_size is no size within the body")
    return tail[:size]


def numbers(name: str, datatype: str, shape: Sequence[int], raw: memoryview) -> NDArray[np.float64]:
    """Finite numbers, or NaN, in that shape."""
    layout = LAYOUTS[datatype]
    _check_size(name, shape, raw, layout.itemsize)
    values = np.frombuffer(raw, layout).astype(np.float64).reshape(shape)
    if np.isinf(values).any():
        raise BadInput(Rejection.OUT_OF_RANGE, name, f"{name!r} has an infinite number")
    return values


def flags(name: str, shape: Sequence[int], raw: memoryview) -> list[bool]:
    """One byte each, 0 or 1."""
    _check_size(name, shape, raw, 1)
    values = np.frombuffer(raw, np.uint8)
    if (values > 1).any():
        raise BadInput(Rejection.WRONG_TYPE, name, f"{name!r}: true is the byte 1 and false the byte 0")
    return values.astype(bool).tolist()  # type: ignore[no-any-return]


def strings(name: str, shape: Sequence[int], raw: memoryview) -> list[str]:
    """Each behind its length in four bytes."""
    needed = math.prod(shape)
    found: list[str] = []
    place = 0
    while place < len(raw) and len(found) < needed:
        start = place + _LENGTH.size
        if start > len(raw) or (place := start + _LENGTH.unpack_from(raw, place)[0]) > len(raw):
            raise BadInput(Rejection.MALFORMED, name, f"{name!r}: a string is longer than the data")
        try:
            found.append(str(raw[start:place], "utf-8"))
        except UnicodeDecodeError as error:
            raise BadInput(Rejection.WRONG_TYPE, name, f"{name!r}, row {len(found)}: not UTF-8") from error
    if place < len(raw):
        raise _miscounted(name, shape, f"not {needed + 1} or more")
    if len(found) < needed:
        raise _miscounted(name, shape, f"not {len(found)}")
    return found


def write(values: NDArray[Any]) -> bytes:
    """The bytes of an output."""
    datatype = word(values)
    if datatype == BYTES:
        texts = [str(value).encode() for value in values.ravel().tolist()]
        return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
    layout = np.dtype(np.bool_) if datatype == BOOL else LAYOUTS[datatype]
    return np.ascontiguousarray(values, dtype=layout).tobytes()


def _check_size(name: str, shape: Sequence[int], raw: memoryview, size: int) -> None:
    if len(raw) != math.prod(shape) * size:
        raise _miscounted(name, shape, f"not {len(raw) / size:g}")


def _miscounted(name: str, shape: Sequence[int], found: str) -> BadInput:
    return BadInput(
        Rejection.WRONG_SHAPE,
        name,
        f"{name!r}: the shape {list(shape)} needs {math.prod(shape)} values, {found}",
    )
