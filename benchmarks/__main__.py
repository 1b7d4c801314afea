"""Every benchmark in turn, on the node that `make demo` leaves."""

from __future__ import annotations

import sys

from benchmarks import operator, revert


def main() -> int:
    return revert.main() or operator.main()


if __name__ == "__main__":
    sys.exit(main())
