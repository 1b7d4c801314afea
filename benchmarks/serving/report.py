"""Tables of passes, for people: minimum, median and maximum, and ratios within the same round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from benchmarks.serving.passes import Loop, Pass

OURS = "viridian"
QUIET = 0.1
"""Foreign cores above which a pass is marked."""
UNCOUNTED = "uncounted"
COUNTING = (OURS, "sending")
"""What counts live rows, and what sends them as well: each is compared with what does neither."""


def table(model: str, servers: Sequence[str], passes: Sequence[Pass], connections: Sequence[int]) -> list[str]:
    """One model: a line for each server and number of connections."""
    head = f"{'server':10} {'conn':>4}  {'requests/s':>24}  {'p50 ms':>20}  {'p99 ms':>20}  {'CPU ms/request':>20}"
    lines = [f"== {model} ==", head]
    for server in servers:
        mine = [one for one in passes if one.model == model and one.server == server]
        for count in connections:
            loops = [loop for one in mine for loop in one.loops if loop.connections == count]
            figures = (
                _three([loop.per_second for loop in loops], 0).rjust(24),
                _three([loop.p50 for loop in loops], 2).rjust(20),
                _three([loop.p99 for loop in loops], 2).rjust(20),
                _three([loop.cpu for loop in loops], 3).rjust(20),
            )
            loud = sum(loop.foreign > QUIET for loop in loops)
            remark = f"  ({loud} of {len(loops)} disturbed)" if loud else ""
            lines.append(f"{server:10} {count:4}  {'  '.join(figures)}{remark}")
    lines.append(f"{'server':10}  {'memory MB':>20}  {'start s':>20}")
    for server in servers:
        mine = [one for one in passes if one.model == model and one.server == server]
        memory, start = _three([one.megabytes for one in mine], 0), _three([one.start for one in mine], 2)
        lines.append(f"{server:10}  {memory:>20}  {start:>20}")
    return [*lines, *ratios(model, servers, passes, connections), *costs(model, passes, connections)]


def ratios(model: str, servers: Sequence[str], passes: Sequence[Pass], connections: Sequence[int]) -> list[str]:
    """Requests a second of ours over theirs, in the same round."""
    others = [server for server in servers if server not in (UNCOUNTED, *COUNTING)]
    if OURS not in servers or not others:
        return []
    lines = ["times as many requests/s as"]
    for server in others:
        for count in connections:
            ours = _by_round(passes, model, OURS, count, _per_second)
            theirs = _by_round(passes, model, server, count, _per_second)
            found = [ours[number] / theirs[number] for number in sorted(ours.keys() & theirs.keys())]
            apart = min(ours.values()) > max(theirs.values())
            lines.append(f"{server:10} {count:4}  {_three(found, 1):>20}  {'' if apart else 'ranges overlap'}".rstrip())
    return lines


def costs(model: str, passes: Sequence[Pass], connections: Sequence[int]) -> list[str]:
    """What counting and sending leave of the requests a second, and how much processor time they take, by rounds."""
    lines = [
        f"{server:10} {count:4}  {_three(left, 3):>24}  {_three(_times(model, server, passes, count, _cpu), 3):>24}"
        for server in COUNTING
        for count in connections
        if (left := _times(model, server, passes, count, _per_second))
    ]
    if not lines:
        return []
    behind = max(loop.behind for one in passes if one.model == model for loop in one.loops)
    return [
        f"of what {UNCOUNTED} has:  {'requests/s':>24}  {'CPU ms/request':>24}",
        *lines,
        *([f"when a loop ended, at most {behind:,} rows were still to be sent"] if behind else []),
    ]


def _times(
    model: str, server: str, passes: Sequence[Pass], connections: int, figure: Callable[[Loop], float]
) -> list[float]:
    theirs = _by_round(passes, model, UNCOUNTED, connections, figure)
    found = _by_round(passes, model, server, connections, figure)
    return [found[number] / theirs[number] for number in sorted(found.keys() & theirs.keys())]


def _per_second(loop: Loop) -> float:
    return loop.per_second


def _cpu(loop: Loop) -> float:
    return loop.cpu


def _by_round(
    passes: Iterable[Pass], model: str, server: str, connections: int, figure: Callable[[Loop], float]
) -> dict[int, float]:
    return {
        one.round: figure(loop)
        for one in passes
        if (one.model, one.server) == (model, server)
        for loop in one.loops
        if loop.connections == connections
    }


def _three(values: Sequence[float], digits: int) -> str:
    return " / ".join(f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
