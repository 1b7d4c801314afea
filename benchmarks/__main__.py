"""Every benchmark in turn, each in a process of its own; see `python -m benchmarks.<part> --help` for one alone.

The last two run on the node, with what `make demo` leaves there; without that, the demo runs first. `rollback` and
`churn` take the node for hours, and `installation` takes a node without models: they run only when they are named.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.revert import status
from demo import stage

ON_THIS_COMPUTER = (
    *("serving", "serving.counting", "serving.sending", "shadow", "drift", "judgement.drift", "checks"),
    *(
        "judgement.false_alarms",
        "judgement.gate",
        "judgement.canary",
        "judgement.experiments",
        "backtest",
        "feedback",
        "watching",
        "scale",
        "failover",
        "events",
        "dashboard",
    ),
)
ON_THE_NODE = ("operator", "revert")
WHEN_NAMED = ("installation", "rollback", "churn")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = (*ON_THIS_COMPUTER, *ON_THE_NODE, *WHEN_NAMED)
    parser.add_argument("parts", nargs="*", help=f"some of: {', '.join(known)}")
    parts = parser.parse_args().parts or [*ON_THIS_COMPUTER, *ON_THE_NODE]
    if unknown := set(parts) - set(known):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    failed = []
    for part in parts:
        if part in ON_THE_NODE and not status(stage.ready_cluster()).get("champion") and not _ran("demo"):
            return 1
        if not _ran(f"benchmarks.{part}"):
            failed.append(part)
    if failed:
        print(f"missed what they aim at, or failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _ran(module: str) -> bool:
    """Whether the program ended well; everything that it prints is shown."""
    print(f"\n== python -m {module}", flush=True)
    return subprocess.run([sys.executable, "-m", module], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
