"""The file of results, a line a trial, and the tables that are made of all its lines."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.rollback.figures import Met
from benchmarks.rollback.tool import Decision
from benchmarks.rollback.trial import Kind
from benchmarks.spread import spread
from localcluster.paths import cache_root


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One trial."""

    at: str
    tool: str
    kind: Kind
    rate: int
    errors: float
    decision: Decision
    met: Met
    processor_seconds: dict[str, float]
    megabytes: dict[str, float]
    load: float
    """The computer's load average at the end."""


Cell = tuple[Kind, int, float]
Figure = Callable[[Line], float | None]
FIGURES: dict[str, tuple[Figure, str]] = {
    "deciding answer to last bad answer": (lambda line: line.met.deciding_to_last, "s"),
    "first to last bad answer": (lambda line: line.met.first_to_last, "s"),
    "failed requests": (lambda line: float(line.met.failed), ""),
    "deciding answer to decision": (lambda line: line.met.deciding_to_decision, "s"),
}


def default_file() -> Path:
    return cache_root() / "bench" / "rollback.jsonl"


def add(file: Path, line: Line) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as out:
        out.write(msgspec.json.encode(line) + b"\n")


def read(file: Path) -> list[Line]:
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [msgspec.json.decode(line, type=Line) for line in lines if line.strip()]


def report(lines: Sequence[Line], tools: Sequence[str]) -> str:
    """Every cell with these tools one below the other, and what they cost.

    Good versions are tried in several lanes at once, so what a program used meanwhile is not that of one trial.
    """
    ordered = [line for tool in tools for line in lines if line.tool == tool]
    cells = sorted({(line.kind, line.rate, line.errors) for line in ordered})
    alone = [line for line in ordered if line.kind is Kind.BAD]
    return "\n".join([*(_cell(cell, ordered) for cell in cells), *_costs(alone)])


def _cell(cell: Cell, lines: Sequence[Line]) -> str:
    kind, rate, errors = cell
    by_tool: dict[str, list[Line]] = {}
    for line in lines:
        if (line.kind, line.rate, line.errors) == cell:
            by_tool.setdefault(line.tool, []).append(line)
    head = f"\n{kind.value}, {errors:.0%} errors, {rate} requests/s; minimum / median / maximum"
    counted = [f"  {tool:18} {_decided(kind, mine)}" for tool, mine in by_tool.items()]
    if kind is not Kind.BAD:
        return "\n".join([head, *counted])
    tables = [_table(name, figure, unit, by_tool) for name, (figure, unit) in FIGURES.items()]
    return "\n".join([head, *counted, *tables])


def _decided(kind: Kind, lines: Sequence[Line]) -> str:
    counted = Counter(line.decision for line in lines)
    what = "found" if kind is Kind.BAD else "thrown away"
    undecided = f", {counted[Decision.NONE]} undecided" if counted[Decision.NONE] else ""
    return f"{what}: {counted[Decision.REJECTED]} of {len(lines)}{undecided}"


def _table(name: str, figure: Figure, unit: str, by_tool: dict[str, list[Line]]) -> str:
    """The first tool is the measure: the others have the ratio of their median to its own."""
    rows, first = [f"  {name}"], None
    for tool, lines in by_tool.items():
        values = [value for line in lines if (value := figure(line)) is not None]
        if not values:
            continue
        median = statistics.median(values)
        first = median if first is None else first
        ratio = f"  x {median / first:.1f}" if first > 0 else ""
        rows.append(f"    {tool:18} {spread(values, unit)}{ratio}")
    return "\n".join(rows)


def _costs(lines: Sequence[Line]) -> list[str]:
    rows = ["\nprograms of the tools, bad versions: processor seconds a trial; resident memory"]
    programs = sorted({(line.tool, name) for line in lines for name in line.megabytes})
    for tool, name in programs:
        mine = [line for line in lines if line.tool == tool and name in line.megabytes]
        seconds = spread([line.processor_seconds.get(name, 0.0) for line in mine], "s")
        memory = spread([line.megabytes[name] for line in mine], "MB")
        rows.append(f"  {tool:18} {name:12} {seconds}; {memory}")
    return rows
