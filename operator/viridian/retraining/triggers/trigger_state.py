"""What a trigger says, whatever its source: the one shape that all sources are read into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from viridian.api import reasons
from viridian.retraining.triggers.cause import Cause


class Recurring(Protocol):
    """What occurs again and again, at times that can be computed."""

    def count(self, after: datetime, until: datetime, most: int) -> int:
        """How often it occurs after the first time, up to and with the second one; at most so often."""


@dataclass(frozen=True, slots=True)
class TriggerHold:
    """Why a single trigger starts no run by itself. A run that something else starts answers it as well."""

    # One of viridian.api.reasons, and a sentence for people.
    reason: str
    message: str
    # None: until something is observed.
    until: datetime | None = None


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
    # Whether what occurred counts whenever the trigger was written: its source knows that it was asked for by then.
    always_counts: bool = False
    # When it occurs next, where that is known.
    next: datetime | None = None
    # When to look again, where that is not when it occurs.
    look_again: datetime | None = None
    # How long after an occurrence a run may still start for it; None for as long as it takes.
    deadline: timedelta | None = None
    # An occurrence is left out where a run that made a candidate began so shortly before it.
    unless_run_within: timedelta | None = None
    # Whether what has occurred may not be seen later on: then it is noted until a run has answered it.
    fleeting: bool = False
    # What the occurrences are about, where they are void once that has changed: the revision that monitors watch.
    about: str = ""
    # Pause after a run that it caused before it starts the next one.
    cooldown: timedelta = timedelta()
    # What holds back what has occurred, beside what holds back all triggers.
    hold: TriggerHold | None = None
    # What it saw last, for people; without it, the newest of what has occurred.
    seen: str = ""
    # Where its occurrences can be counted: of them, `occurred` has only the newest.
    recurring: Recurring | None = None
    # Why it does not occur, for people.
    problem: str = ""
    # One of viridian.api.reasons, for the condition that shows the problem.
    reason: str = reasons.INVALID_SCHEDULE
    # Whether the problem stays until a person changes something.
    lasting: bool = True
