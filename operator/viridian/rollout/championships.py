"""Who was champion when, as the records of the revisions show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from viridian.api import reasons
from viridian.api.promotion import RollbackWindow
from viridian.core.times import length, parse_time
from viridian.rollout.records import RevisionOutcome, RevisionRecord
from viridian.rollout.traffic.record import Traffic


@dataclass(frozen=True, slots=True)
class Championship:
    """A span of time in which a revision was champion."""

    revision: str
    since: datetime
    until: datetime
    # Whether nobody was champion before it: the first one is not on probation.
    first: bool = False

    def was_proven(self, probation: timedelta) -> bool:
        """Whether it has passed its probation."""
        return self.first or self.until - self.since >= probation


_Beginning = tuple[datetime, str, bool]
"""When a revision became champion, and whether nobody was before it."""


def past_championships(records: Iterable[RevisionRecord], traffic: Traffic) -> tuple[Championship, ...]:
    """Those that have ended, newest first."""
    begun = {found for record in records for outcome in record.outcomes for found in _begun(record, outcome)}
    if traffic.since is not None:
        begun.add((traffic.since, traffic.revision, False))
    changes: list[_Beginning] = []
    for beginning in sorted(begun):
        if not changes or changes[-1][1] != beginning[1]:
            changes.append(beginning)
    ended = [Championship(revision, at, until, first) for (at, revision, first), (until, *_) in pairwise(changes)]
    return tuple(reversed(ended))


def within(
    window: RollbackWindow, revision: str, past: Iterable[Championship], *, probation: timedelta, now: datetime
) -> bool:
    """Whether a revision was champion within the window, and was proven then."""
    known = list(past)
    if window.duration is not None:
        oldest = now - length(window.duration)
        known = [one for one in known if one.until >= oldest]
    else:
        newest = list(dict.fromkeys(one.revision for one in known))[: window.revisions]
        known = [one for one in known if one.revision in newest]
    return any(one.revision == revision and one.was_proven(probation) for one in known)


def _begun(record: RevisionRecord, outcome: RevisionOutcome) -> Iterator[_Beginning]:
    """The championships that an outcome begins: of the revision itself, or of the one that replaced it."""
    at = parse_time(outcome.at)
    if at is None:
        return
    if outcome.outcome in (reasons.PROMOTED, reasons.REINSTATED):
        yield at, record.revision, outcome.other is None
    elif outcome.outcome == reasons.ROLLED_BACK and outcome.other:
        yield at, outcome.other, False
