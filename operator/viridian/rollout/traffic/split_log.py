"""Which share of the users' requests the challenger had from when on: with it each answer has its propensity.

The log is a part of the traffic record, so an entry is written together with the split that it tells of. The collector
is sent all of it again and again, and keeps it with the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import msgspec

MOST_SPLITS: Final = 100
"""Entries in a record, which is an annotation. A collector that is down for more of them never hears of the oldest."""


@dataclass(frozen=True, slots=True)
class SplitRecord:
    """A split of the users' requests, in effect until the next one."""

    champion: str
    # The revision that has the share; empty where nobody but the champion gets requests.
    other: str = ""
    # The share of the other revision, in percent.
    share: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    at: datetime | None = None


def with_split(log: Sequence[SplitRecord], split: SplitRecord) -> tuple[SplitRecord, ...]:
    """The log with one more entry, where that says something new. It begins with the first share."""
    newest = log[-1] if log else SplitRecord(split.champion)
    if (newest.champion, newest.other, newest.share) == (split.champion, split.other, split.share):
        return tuple(log)
    return (*log, split)[-MOST_SPLITS:]
