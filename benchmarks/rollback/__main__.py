"""How long a bad version stays, and how many good ones are thrown away: Viridian beside Argo Rollouts and Flagger.

One node, one application, one client, one tool after the other. Each tool gets the same bound (1 % of errors), reads
its metrics once a second and gives a new version a quarter of the requests. Every trial is a line of the result file,
and the tables at the end are made of all lines that are there, those of earlier runs too.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.rollback import results
from benchmarks.rollback.application import Models, models
from benchmarks.rollback.tool import Tool, World, world
from benchmarks.rollback.tools import TOOLS
from benchmarks.rollback.traffic import traffic
from benchmarks.rollback.trial import HEALTHY_ERRORS, OUTAGE_SHARE, Kind, Trial, Trials

Cell = tuple[Kind, int, float]


def main() -> int:
    chosen = _parser().parse_args()
    if chosen.report:
        print(results.report(results.read(chosen.results), list(TOOLS)))
        return 0
    with world() as opened, models() as known:
        for name in chosen.tools:
            for rate in chosen.rates:
                measure(opened, known, TOOLS[name], rate, cells(chosen, rate), chosen.results)
    print(results.report(results.read(chosen.results), list(TOOLS)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollback", description=__doc__)
    parser.add_argument("-n", "--repetitions", type=int, default=10, help="trials of each bad version (default: 10)")
    parser.add_argument("--good", type=int, default=50, help="trials of each good version, at 20/s (default: 50)")
    parser.add_argument("--rates", type=int, nargs="*", default=[20, 80, 500], help="requests a second")
    parser.add_argument("--errors", type=float, nargs="*", default=[0.3, 0.1, 0.06], help="shares of bad versions")
    parser.add_argument("--tools", nargs="*", choices=TOOLS, default=list(TOOLS), help="one after the other")
    parser.add_argument("--results", type=Path, default=results.default_file(), help="the file that lines are added to")
    parser.add_argument("--report", action="store_true", help="only print the tables of the file")
    return parser


def cells(chosen: argparse.Namespace, rate: int) -> list[Cell]:
    """What is tried at this rate, each as often as was asked for."""
    bad = [(Kind.BAD, chosen.repetitions, errors) for errors in chosen.errors]
    good = [(Kind.HEALTHY, chosen.good, HEALTHY_ERRORS), (Kind.OUTAGE, chosen.good, OUTAGE_SHARE)]
    return [*bad, *(good if rate == min(chosen.rates) else [])]


def measure(opened: World, known: Models, tool: Tool, rate: int, tried: Sequence[Cell], file: Path) -> None:
    say(f"== {tool.name}, {rate} requests/s")
    with tool.serving(opened, known.failing(0.0)) as serving, traffic(serving.target(), rate) as users:
        trials = Trials(serving, users, known)
        for kind, times, errors in tried:
            for number in range(times):
                began = time.monotonic()
                trial = trials.run(kind, errors, f"{kind.value}-{errors:g}-{number}")
                results.add(file, line_of(trial, tool.name, (kind, rate, errors)))
                seconds = f"({time.monotonic() - began:.0f} s)"
                say(f"  {number + 1}/{times} {kind.value} {errors:.0%}: {in_words(trial)} {seconds}")


def line_of(trial: Trial, tool: str, cell: Cell) -> results.Line:
    kind, rate, errors = cell
    return results.Line(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        tool=tool,
        kind=kind,
        rate=rate,
        errors=errors,
        decision=trial.decision,
        met=trial.met,
        processor_seconds=trial.processor_seconds,
        megabytes=trial.megabytes,
        load=os.getloadavg()[0],
    )


def in_words(trial: Trial) -> str:
    """One trial in a line."""
    seconds = {"first to last": trial.met.first_to_last, "deciding to last": trial.met.deciding_to_last}
    parts = [f"{name} {value:.2f} s" for name, value in seconds.items() if value is not None]
    counted = f"{trial.met.failed} failed ({trial.met.lost} lost), {trial.met.answers} answers of it"
    return ", ".join([trial.decision.value, *parts, counted])


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
