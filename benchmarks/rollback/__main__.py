"""How long a bad version stays, and how many good ones are thrown away: Viridian beside Argo Rollouts and Flagger.

One node, one application, one client, one tool after the other. Each tool gets the same bound (1 % of errors), reads
its metrics once a second and gives a new version a quarter of the requests. Bad versions are tried one after the other,
since seconds are measured. Of good ones only the decisions count, so they are tried in lanes: an application with its
own users in each. Every trial is a line of the result file, and the tables at the end are made of all lines that are
there, those of earlier runs too.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.rollback import results
from benchmarks.rollback.application import Models, models
from benchmarks.rollback.tool import NAMESPACE, Tool, World, prepared, world
from benchmarks.rollback.tools import TOOLS
from benchmarks.rollback.traffic import traffic
from benchmarks.rollback.trial import HEALTHY_ERRORS, OUTAGE_SHARE, Kind, Trial, Trials
from localcluster.clusters import Cluster


def main() -> int:
    chosen = _parser().parse_args()
    if chosen.report:
        print(results.report(results.read(chosen.results), list(TOOLS)))
        return 0
    cluster = prepared()
    with models() as known:
        for name in chosen.tools:
            for rate in chosen.rates if chosen.repetitions else []:
                with world(cluster) as opened, serving(opened, known, TOOLS[name], rate) as trials:
                    cells = [(Kind.BAD, rate, errors) for errors in chosen.errors]
                    run(trials, name, cells, range(chosen.repetitions), chosen.results)
            try_good(cluster, known, name, chosen)
    print(results.report(results.read(chosen.results), list(TOOLS)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollback", description=__doc__)
    parser.add_argument("-n", "--repetitions", type=int, default=10, help="trials of each bad version (default: 10)")
    parser.add_argument("--good", type=int, default=50, help="trials of each good version, at 20/s (default: 50)")
    parser.add_argument("--lanes", type=int, default=6, help="applications with good versions at once (default: 6)")
    parser.add_argument("--rates", type=int, nargs="*", default=[20, 80, 500], help="requests a second")
    parser.add_argument("--errors", type=float, nargs="*", default=[0.3, 0.1, 0.06], help="shares of bad versions")
    parser.add_argument("--tools", nargs="*", choices=TOOLS, default=list(TOOLS), help="one after the other")
    parser.add_argument("--results", type=Path, default=results.default_file(), help="the file that lines are added to")
    parser.add_argument("--report", action="store_true", help="only print the tables of the file")
    return parser


def try_good(cluster: Cluster, known: Models, name: str, chosen: argparse.Namespace) -> None:
    """The good versions, each lane with its share of them."""
    rate, beginning = min(chosen.rates), threading.Lock()
    cells = [(Kind.HEALTHY, rate, HEALTHY_ERRORS), (Kind.OUTAGE, rate, OUTAGE_SHARE)]
    for errors in (0.0, HEALTHY_ERRORS):
        known.failing(errors)  # a model is made once

    def lane(number: int) -> None:
        with ExitStack() as open_until_the_end:
            with beginning:  # a tool is installed for the whole cluster
                opened = open_until_the_end.enter_context(world(cluster, f"{NAMESPACE}-{number}"))
                trials = open_until_the_end.enter_context(serving(opened, known, TOOLS[name], rate))
            run(trials, name, cells, range(number, chosen.good, chosen.lanes), chosen.results)

    with ThreadPoolExecutor(chosen.lanes) as pool:
        list(pool.map(lane, range(min(chosen.lanes, chosen.good))))


@contextmanager
def serving(opened: World, known: Models, tool: Tool, rate: int) -> Iterator[Trials]:
    """The tool at work, and users who ask."""
    say(f"== {tool.name}, {rate} requests/s, {opened.namespace}")
    with tool.serving(opened, known.failing(0.0)) as application, traffic(application.target(), rate) as users:
        yield Trials(application, users, known)


def run(trials: Trials, tool: str, cells: Sequence[results.Cell], numbers: Sequence[int], file: Path) -> None:
    """Each cell so often."""
    for cell in cells:
        kind, _, errors = cell
        for number in numbers:
            began = time.monotonic()
            trial = trials.run(kind, errors, f"{kind.value}-{errors:g}-{number}")
            results.add(file, line_of(trial, tool, cell))
            seconds = f"({time.monotonic() - began:.0f} s)"
            say(f"  {tool} {kind.value} {errors:.0%}, {number + 1}: {in_words(trial)} {seconds}")


def line_of(trial: Trial, tool: str, cell: results.Cell) -> results.Line:
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
