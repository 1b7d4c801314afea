"""The words of the Open Inference Protocol for types, and those of NumPy: one table for all that needs them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BYTES: Final = "BYTES"
"""Strings in UTF-8."""
BOOL: Final = "BOOL"

_NUMBERS: Final = {
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip

LAYOUTS: Final = {name: np.dtype(code) for name, code in _NUMBERS.items()}
"""Of numbers in the binary extension: little endian, row by row."""
NUMBERS: Final = frozenset(LAYOUTS)
_WORDS: Final = {layout.newbyteorder("="): name for name, layout in LAYOUTS.items()} | {np.dtype(np.bool_): BOOL}


def word(values: NDArray[Any]) -> str:
    """What the protocol calls the type of these values."""
    return _WORDS.get(values.dtype, BYTES)
