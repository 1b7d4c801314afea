"""What it costs to count and to send every row: the same server with a collector and without, in turns.

The real collector shares the other core with the load, so its own work slows the load down as well; `--sink` takes
something in its place that only answers, which leaves what the server itself pays. At least 90 % of the requests a
second must be left: otherwise this ends with 1.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Final

from benchmarks.serving.report import UNCOUNTED
from benchmarks.serving.turns import Comparison, compare

SENDING: Final = Comparison(
    program="benchmarks.serving.sending",
    what="sending",
    server="storing",
    without=UNCOUNTED,
    least_share=0.9,
)


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--sink", action="store_true")
    known, others = parser.parse_known_args()
    return compare(replace(SENDING, server="sending") if known.sink else SENDING, __doc__ or "", others)


if __name__ == "__main__":
    sys.exit(main())
