"""How figures are reported: minimum, median and maximum of several runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float], unit: str) -> str:
    """`1.20 / 1.45 / 2.10 s (n = 10)`."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:.2f} / {middle:.2f} / {high:.2f} {unit} (n = {len(values)})"
