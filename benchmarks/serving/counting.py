"""What the live profile costs: the same server with it and without it, in turns (benchmarks.serving.turns).

Counting may take 5 % of the requests a second: otherwise this ends with 1.
"""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.serving.report import OURS, UNCOUNTED
from benchmarks.serving.turns import Comparison, compare

COUNTING: Final = Comparison(
    program="benchmarks.serving.counting",
    what="counting",
    server=OURS,
    without=UNCOUNTED,
    least_share=0.95,
)

if __name__ == "__main__":
    sys.exit(compare(COUNTING, __doc__ or ""))
