"""What a trigger says, whatever its source: the one shape that all sources are read into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from viridian.retraining.triggers.cause import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerState:
    """A trigger as it stands now. Whether what occurred is still to be answered is decided in `pending`."""

    source: str
    # Its name in the spec; empty for what is watched without being named there.
    name: str = ""
    # What it asks for, unlike the key of every other trigger that asks for something else.
    key: str = ""
    # What has occurred: where one occurrence stands for all before it, the newest of them.
    occurred: tuple[Cause, ...] = ()
    # When it occurs next, where that is known.
    next: datetime | None = None
    # How long after an occurrence a run may still start for it; None for as long as it takes.
    deadline: timedelta | None = None
    # Why it never occurs, for people.
    problem: str = ""
