"""What the live profile costs: the same server with it and without it, on one core, in turns of a quarter of a second.

A virtual machine's clock drifts by far more between two starts, and even between two seconds, than counting may cost.
So both servers run all the time, one is asked while the other rests, and what all turns together have answered is
compared. Counting may take 5 % of the requests a second: otherwise this ends with 1.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving import passes
from benchmarks.serving.models import ESTIMATORS, Model, fitted
from benchmarks.serving.passes import Trial
from benchmarks.serving.report import OURS, UNCOUNTED
from benchmarks.serving.servers import SERVERS
from benchmarks.spread import spread

LEAST_SHARE = 0.95
"""Of the requests a second without a live profile, that are left with it."""


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parsed(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    passes.pin_to_other_cores(chosen.core)
    kept = {name: _share(name, chosen) for name in chosen.models}
    missed = [f"{name}: counting takes {1 - share:.1%}" for name, share in kept.items() if share < LEAST_SHARE]
    print("\n".join(missed), file=sys.stderr)
    return 1 if missed else 0


def _parsed(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.counting", description=__doc__)
    parser.add_argument("--blocks", type=int, default=10, help="that are compared with each other (default: 10)")
    parser.add_argument("--turns", type=int, default=30, help="of each server in a block (default: 30)")
    parser.add_argument("--seconds", type=float, default=0.25, help="length of a turn (default: 0.25)")
    parser.add_argument("--connections", type=int, default=16, help="default: 16")
    parser.add_argument("--models", nargs="+", choices=ESTIMATORS, default=list(ESTIMATORS), metavar="MODEL",
                        help=f"of {', '.join(ESTIMATORS)}; default: all")  # fmt: skip
    parser.add_argument("--core", type=int, default=0, help="the servers' core (default: 0); the load runs on others")
    return parser.parse_args(arguments)


def _share(name: str, chosen: Any) -> float:
    """Of one model's requests a second without a live profile, the share that is left with it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-counting-")))
        model = fitted(name, _made(folder / "model"))
        trials = [_running(stack, folder, server, model, chosen) for server in (OURS, UNCOUNTED)]
        blocks = []
        for number in range(chosen.blocks):
            blocks.append(_block(trials, chosen))
            print(f"{name}, block {number + 1} of {chosen.blocks}: {_ratio(blocks[-1:]):.3f}", flush=True)
        for trial in trials:
            trial.check_what_was_on()
    share = _ratio(blocks)
    print(f"{name}, {chosen.connections} connections: of the requests/s without a live profile {share:.3f} are left; "
          f"blocks: {spread([_ratio([block]) for block in blocks], '')}")  # fmt: skip
    return share


def _block(trials: Sequence[Trial], chosen: Any) -> tuple[float, float]:
    """Requests a second of both, the average of their turns."""
    told: dict[str, list[float]] = {trial.server.name: [] for trial in trials}
    for number in range(chosen.turns):
        for trial in trials if number % 2 else reversed(trials):
            told[trial.server.name].append(trial.loop(chosen.connections, chosen.seconds).per_second)
    counted, uncounted = (statistics.fmean(told[trial.server.name]) for trial in trials)
    return counted, uncounted


def _ratio(blocks: Sequence[tuple[float, float]]) -> float:
    return sum(counted for counted, _ in blocks) / sum(uncounted for _, uncounted in blocks)


def _running(stack: contextlib.ExitStack, folder: Path, server: str, model: Model, chosen: Any) -> Trial:
    """Warmed up."""
    trial = stack.enter_context(passes.started(SERVERS[server], model, _made(folder / server), chosen.core))
    trial.loop(chosen.connections, passes.WARM_UP_SECONDS)
    return trial


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
