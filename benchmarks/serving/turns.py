"""Two servers side by side on one core, asked in turns of a quarter of a second: what one keeps of the other's speed.

A virtual machine's clock drifts by far more between two starts, and even between two seconds, than what is compared
here. So both servers live all the time, one is asked while the other rests, and all turns together are compared. What
rests is stopped (SIGSTOP): what it puts off, such as rows that wait to be sent, is done in its own turns.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving import passes
from benchmarks.serving.models import ESTIMATORS, Model, fitted
from benchmarks.serving.passes import Loop, Trial
from benchmarks.serving.servers import SERVERS
from benchmarks.spread import spread


@dataclass(frozen=True)
class Comparison:
    """Which of the servers (`SERVERS`) are compared, and what is expected of it."""

    program: str
    what: str
    """What the first server does and the second does not."""
    server: str
    without: str
    least_share: float
    """Of the requests a second of `without`, that `server` must answer: otherwise the program ends with 1."""


@dataclass(frozen=True)
class _Block:
    """Turns of both servers that followed each other."""

    ours: float
    """Requests a second, the average of the turns."""
    without: float
    cpu: tuple[float, float]
    """Processor milliseconds for a request, of ours and without."""

    @property
    def share(self) -> float:
        return self.ours / self.without

    @property
    def times(self) -> float:
        """As much processor time as without."""
        ours, without = self.cpu
        return ours / without


def compare(comparison: Comparison, described: str, arguments: Sequence[str] | None = None) -> int:
    """Print the share for each model; 1 where one of them is below the least."""
    chosen = _parsed(comparison, described, arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    passes.pin_to_other_cores(chosen.core)
    kept = {name: _share(comparison, name, chosen) for name in chosen.models}
    least = comparison.least_share
    missed = [f"{name}: {comparison.what} takes {1 - share:.1%}" for name, share in kept.items() if share < least]
    print("\n".join(missed), file=sys.stderr)
    return 1 if missed else 0


def _parsed(comparison: Comparison, described: str, arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(prog=f"python -m {comparison.program}", description=described)
    parser.add_argument("--blocks", type=int, default=10, help="that are compared with each other (default: 10)")
    parser.add_argument("--turns", type=int, default=30, help="of each server in a block (default: 30)")
    parser.add_argument("--seconds", type=float, default=0.25, help="length of a turn (default: 0.25)")
    parser.add_argument("--connections", type=int, default=16, help="default: 16")
    parser.add_argument("--models", nargs="+", choices=ESTIMATORS, default=list(ESTIMATORS), metavar="MODEL",
                        help=f"of {', '.join(ESTIMATORS)}; default: all")  # fmt: skip
    parser.add_argument("--core", type=int, default=0, help="the servers' core (default: 0); the load runs on others")
    return parser.parse_args(arguments)


def _share(comparison: Comparison, name: str, chosen: Any) -> float:
    """Of one model's requests a second without it, the share that is left."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-turns-")))
        model = fitted(name, _made(folder / "model"))
        both = (comparison.server, comparison.without)
        trials = [_running(stack, folder, server, model, chosen) for server in both]
        blocks = []
        for number in range(chosen.blocks):
            blocks.append(_block(trials, chosen))
            print(f"{name}, block {number + 1} of {chosen.blocks}: {blocks[-1].share:.3f}", flush=True)
        for trial in trials:
            trial.check_what_was_on()
        beside = trials[0].helper_milliseconds()
    share = sum(block.ours for block in blocks) / sum(block.without for block in blocks)
    ours, without = (statistics.fmean(block.cpu[place] for block in blocks) for place in (0, 1))
    print(
        f"{name}, {chosen.connections} connections: of the {statistics.fmean(block.without for block in blocks):,.0f} "
        f"requests/s without {comparison.what} {share:.3f} are left; "
        f"blocks: {spread([block.share for block in blocks], '')}; "
        f"processor time for a request: {ours:.3f} ms instead of {without:.3f}, "
        f"times {spread([block.times for block in blocks], '')}"
        + (f", and {beside:.3f} in what runs beside it" if beside else ""),
        flush=True,
    )
    return share


def _block(trials: Sequence[Trial], chosen: Any) -> _Block:
    told: dict[str, list[Loop]] = {trial.server.name: [] for trial in trials}
    for number in range(chosen.turns):
        for trial, other in itertools.permutations(trials if number % 2 else trials[::-1]):
            with other.resting():
                told[trial.server.name].append(trial.loop(chosen.connections, chosen.seconds))
    ours, without = (told[trial.server.name] for trial in trials)
    return _Block(
        ours=statistics.fmean(loop.per_second for loop in ours),
        without=statistics.fmean(loop.per_second for loop in without),
        cpu=(_cpu(ours), _cpu(without)),
    )


def _cpu(loops: Sequence[Loop]) -> float:
    """Milliseconds for a request."""
    return sum(loop.cpu * loop.requests for loop in loops) / sum(loop.requests for loop in loops)


def _running(stack: contextlib.ExitStack, folder: Path, server: str, model: Model, chosen: Any) -> Trial:
    """Warmed up."""
    trial = stack.enter_context(passes.started(SERVERS[server], model, _made(folder / server), chosen.core))
    trial.loop(chosen.connections, passes.WARM_UP_SECONDS)
    return trial


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
