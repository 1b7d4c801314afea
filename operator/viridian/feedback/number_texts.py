"""Numbers that are sent as text. `float` accepts more than is meant by a number."""

from __future__ import annotations

import math
import re
from typing import Final

_NUMBER: Final = re.compile(r"[+-]?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LONGEST: Final = 400
"""The greatest number of 64 bits has 309 digits."""


def number(text: str) -> float | None:
    """A finite one in decimal digits; None for anything else, such as `3_0`, `inf` or digits of other alphabets."""
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None
