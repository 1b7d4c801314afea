"""Which process runs which tests, and in what order.

A piece is run whole by one process: a file, or one test of a file whose tests stand alone. All that needs the node is
one piece, for there is one node. The longest pieces begin first, so that short ones are left for the end.

Tests on a control plane mostly wait, and the rest mostly computes. The first process runs the tests on the node, the
second one those on a control plane, and the others compute, so that the cores are busy from the beginning and few
control planes are started. Who has nothing left of its own sort takes what is left of the other.

tests/durations.json holds the seconds that each piece took; `make durations` writes it anew. For new pieces a usual
duration is assumed. The file changes the order of tests and nothing else.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[2]
DURATIONS = ROOT / "tests" / "durations.json"
USUAL = 20.0
"""Seconds, for a piece that is new: rather begun too early than too late."""
NODE = "the node"
APART = (
    "tests/api/operator/test_killed_after_every_write.py",
    "tests/unit/properties/",
)
"""Long files whose tests share nothing that takes long to set up: each test is a piece of its own."""
ON_SERVERS = ("tests/api/", "tests/contract/cluster/", "tests/contract/registry/", "tests/stack/")
"""Where tests need a control plane or MLflow, which each process of tests starts for itself."""
SERVER_PROCESSES = 2
"""So many processes take these pieces first; the first of them begins with the node."""


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
        return piece != NODE, -seconds.get(piece, USUAL), first[piece], number

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
    """Pieces are handed out in the order in which the processes have collected them, each sort to processes for it."""

    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        number = self.nodes.index(node)
        self.workqueue.move_to_end(next_piece(self.workqueue, number), last=False)
        super()._assign_work_unit(node)


def next_piece(left: Iterable[str], process: int) -> str:
    """The first of the pieces that are left which is of this process's sort; otherwise the first of all."""
    pieces = list(left)
    if pieces[0] == NODE:
        return NODE
    servers = process < SERVER_PROCESSES
    return next((piece for piece in pieces if piece.startswith(ON_SERVERS) == servers), pieces[0])
