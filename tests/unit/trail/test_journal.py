"""The journal: how much of a trail waits in the cluster, and that nothing is lost where it has no room."""

from __future__ import annotations

import msgspec
import pytest

from viridian.api import reasons
from viridian.api.trail_status import MAX_CHANGE, MAX_CHANGES
from viridian.trail.journal import MAX_WAITING, MAX_WAITING_BYTES, Journal, with_entries, without_entries
from viridian.trail.trail_entry import MAX_MESSAGE, TrailEntry

SMALL = [TrailEntry(id=f"s{n}", at=f"2026-11-01T00:{n // 60:02}:{n % 60:02}Z", what="Promoted") for n in range(300)]
LARGE = [
    msgspec.structs.replace(
        entry,
        what=reasons.SPEC_CHANGED,
        generation=number,
        message="é" * MAX_MESSAGE,
        changed=("→" * MAX_CHANGE,) * MAX_CHANGES,
    )
    for number, entry in enumerate(SMALL, start=1)
]


def size(journal: Journal) -> int:
    return sum(entry.size for entry in journal.waiting())


@pytest.mark.parametrize("found", [SMALL, LARGE], ids=["small", "large"])
def test_what_finds_no_room_comes_once_there_is_room(found: list[TrailEntry]) -> None:
    journal, written = Journal(), list[str]()
    while len(written) < len(found):
        journal = with_entries(journal, found, has_registry=True)
        assert 0 < len(journal.waiting()) <= MAX_WAITING
        assert size(journal) <= MAX_WAITING_BYTES
        assert with_entries(journal, found[:1], has_registry=True) == journal
        written += [entry.id for entry in journal.waiting()[:10]]
        journal = without_entries(journal, journal.waiting()[:10][-1].number)
    assert written == [entry.id for entry in found]
    assert with_entries(journal, found, has_registry=True) == journal


@pytest.mark.parametrize("found", [SMALL, LARGE], ids=["small", "large"])
def test_without_mlflow_the_newest_are_kept(found: list[TrailEntry]) -> None:
    journal = with_entries(Journal(), found, has_registry=False)
    assert journal.entries[-1].id == found[-1].id
    assert 10 <= len(journal.entries) <= MAX_WAITING
    assert sum(entry.size for entry in journal.entries) <= MAX_WAITING_BYTES
    assert with_entries(journal, found, has_registry=False) == journal
