"""Every benchmark in turn: first what needs this computer alone, then what runs on the node that `make demo` leaves."""

from __future__ import annotations

import sys

from benchmarks import operator, revert, shadow
from benchmarks.serving import __main__ as serving


def main() -> int:
    return serving.main() or shadow.main() or revert.main() or operator.main()


if __name__ == "__main__":
    sys.exit(main())
