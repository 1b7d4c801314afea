"""Which process runs which tests, and in what order.

A piece is run whole by one process: a file, or one test of a file whose tests stand alone. All that needs the node is
one piece, for there is one node. The longest pieces begin first, so that short ones are left for the end.

tests/durations.json holds the seconds that each piece took; `make durations` writes it anew. For new pieces a usual
duration is assumed. The file changes the order of tests and nothing else.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[2]
DURATIONS = ROOT / "tests" / "durations.json"
USUAL = {"file": 10.0, "test": 1.0}
"""Seconds, for a piece that is new."""
NODE = "the node"
APART = (
    "tests/api/operator/test_killed_after_every_write.py",
    "tests/unit/properties/",
)
"""Long files whose tests share nothing that takes long to set up: each test is a piece of its own."""


def piece_of(nodeid: str) -> str:
    path = file_of(nodeid)
    if path.startswith("tests/cluster/"):
        return NODE
    return nodeid if path.startswith(APART) else path


def longest_first(nodeids: Sequence[str], seconds: Mapping[str, float]) -> list[int]:
    """The order of the tests; those of one piece keep theirs. The node's piece is first, whatever it takes."""
    pieces = [piece_of(nodeid) for nodeid in nodeids]
    first = {piece: number for number, piece in reversed(list(enumerate(pieces)))}

    def rank(number: int) -> tuple[bool, float, int, int]:
        piece = pieces[number]
        return piece != NODE, -seconds.get(piece, USUAL["test" if "::" in piece else "file"]), first[piece], number

    return sorted(range(len(nodeids)), key=rank)


@cache
def recorded() -> dict[str, float]:
    found: dict[str, float] = json.loads(DURATIONS.read_text())
    return found


def record(reports: Iterable[pytest.TestReport]) -> None:
    """Writes what the pieces took in this run beside what is known of other files, unless they are gone."""
    took: dict[str, float] = defaultdict(float)
    for report in reports:
        took[piece_of(report.nodeid)] += report.duration
    run = {file_of(piece) for piece in took}
    others = {piece: seconds for piece, seconds in recorded().items() if file_of(piece) not in run}
    known = {**others, **{piece: round(seconds, 1) for piece, seconds in took.items()}}
    kept = {piece: known[piece] for piece in sorted(known) if piece == NODE or (ROOT / file_of(piece)).exists()}
    DURATIONS.write_text(json.dumps(kept, indent=0, ensure_ascii=False) + "\n")


def file_of(piece: str) -> str:
    return piece.partition("::")[0]


class Pieces(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Pieces are handed out in the order in which the processes have collected them."""

    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)
