from __future__ import annotations

import sys

from localcluster import binaries, builder


def main() -> int:
    builder.ensure(sys.argv[2:] or [b.name for b in binaries.CATALOGUE])
    return 0
