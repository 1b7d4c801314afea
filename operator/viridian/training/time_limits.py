"""How long a conversion, or a model that is asked about rows, may take."""

from __future__ import annotations

import math
import os
import sys
from typing import Final

SETTING: Final = "VIRIDIAN_CONVERSION_SECONDS"
USUAL: Final = 60.0
ROWS_A_SECOND: Final = 100
"""A model that answers more slowly in one call than this is none to wait for."""


def seconds_for(rows: int) -> float:
    """The setting, and time for so many rows. A value that is no number of seconds is logged and ignored."""
    return _setting() + rows / ROWS_A_SECOND


def _setting() -> float:
    given = os.environ.get(SETTING, "")
    try:
        seconds = float(given or USUAL)
    except ValueError:
        seconds = math.nan
    if 0 < seconds < math.inf:
        return seconds
    sys.stderr.write(f"{SETTING} is no number of seconds: {USUAL:.0f} s it is\n")
    return USUAL
