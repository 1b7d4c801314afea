"""What causes a run, and the run's id that follows from it: the same cause twice is the same run.

A cause is one occurrence of what a trigger asks for: a time of its schedule, or the value that a person wrote. The name
of the trigger is for people. What it asks for is its key: a trigger that is renamed keeps its key, and one that is
edited gets another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from viridian.api.names import short_hash
from viridian.core.lookup import Object, mapping, text
from viridian.core.times import format_time, parse_time

MANUAL: Final = "manual"
"""The source of what a person asks for."""
RECHECK: Final = "recheck"
"""The source of another look at data that was found bad; its key is since when the data is known to be bad."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One occurrence. Its value distinguishes it from others of its trigger, or its time where it has no value."""

    source: str
    trigger: str = ""
    at: datetime | None = None
    value: str = ""
    key: str = field(default="", compare=False)
    """What the trigger asked for when it occurred; empty in records of older releases for what is no schedule."""
    began: datetime | None = field(default=None, compare=False)
    """Since when what was found has been so, where it is a state and no moment: what a run was made for once is no new
    cause while it merely goes on."""
    evidence: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What was found, for the stages of the run and for its record: plain JSON, without values of single rows."""

    @property
    def requested(self) -> bool:
        """Whether a person asks for it: then nothing but a run at work holds it back."""
        return self.source == MANUAL

    @property
    def occurrence(self) -> str:
        return self.value or (format_time(self.at) if self.at else "")

    @property
    def identity(self) -> str:
        """`schedule:weekly:2026-11-22T03:00:00Z` or `manual:<value>`, for people."""
        return ":".join(part for part in (self.source, self.trigger, self.occurrence) if part)

    def document(self) -> dict[str, Any]:
        """The cause as VIRIDIAN_REASONS has it."""
        at = format_time(self.at) if self.at else ""
        found = {
            "source": self.source,
            "trigger": self.trigger,
            "at": at,
            "value": self.value,
            "evidence": dict(self.evidence),
        }
        return {name: content for name, content in found.items() if content}

    def recorded(self) -> dict[str, Any]:
        """The cause as the record of a run has it."""
        began = {"began": format_time(self.began)} if self.began else {}
        key = {"key": self.key} if self.key and not self.requested else {}
        return {**self.document(), **key, **began}

    def is_of(self, trigger: str, key: str) -> bool:
        """Whether a trigger with that key caused it, or the one of that name where the key is not known."""
        return self.key == key if self.key else self.trigger == trigger

    def covers(self, other: Cause) -> bool:
        """Whether a run for this cause has answered the other one too: of the same trigger, and not later."""
        if self.source != other.source or not self.is_of(other.trigger, other.key):
            return False
        if other.value:
            return self.value == other.value
        return self.at is not None and other.at is not None and self.at >= other.at


def parse_cause(recorded: Object) -> Cause | None:
    """The cause that was recorded, None where the texts make none."""
    source, value, at = text(recorded, "source"), text(recorded, "value"), parse_time(text(recorded, "at"))
    if source == MANUAL:
        return Cause(MANUAL, value=value, key=value) if value else None
    if not source or (at is None and not value):
        return None
    # Records of older releases call the key of a schedule `schedule`.
    key = text(recorded, "key") or text(recorded, "schedule")
    began, evidence = parse_time(text(recorded, "began")), mapping(recorded, "evidence")
    return Cause(source, text(recorded, "trigger"), at, value, key, began, evidence)


def parse_causes(recorded: Iterable[Object]) -> tuple[Cause, ...]:
    """The causes that were recorded; what is none is left out."""
    return tuple(cause for cause in map(parse_cause, recorded) if cause is not None)


def run_id(policy_uid: str, cause: Cause) -> str:
    """Id of the run that this cause starts, for this very policy."""
    if cause.requested:
        return short_hash(policy_uid, cause.identity)
    return short_hash(policy_uid, cause.source, cause.key or cause.trigger, cause.occurrence)
