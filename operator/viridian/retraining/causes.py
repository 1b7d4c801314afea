"""What causes a run, and the run's id that follows from it: the same cause twice is the same run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from viridian.api.names import short_hash
from viridian.plan.conditions import moment, stamp

MAX_VALUE: Final = 200
"""Characters of a manual run's annotation that are kept as they are; the rest goes into a hash."""


class Source(StrEnum):
    SCHEDULE = "schedule"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Cause:
    """A trigger that fired at a time, or the value that a person put into the annotation."""

    source: Source
    trigger: str = ""
    at: datetime | None = None
    value: str = ""

    @property
    def identity(self) -> str:
        """`schedule:weekly:2026-11-22T03:00:00Z` or `manual:<value>`."""
        if self.at is None:
            return f"{self.source}:{self.value}"
        return f"{self.source}:{self.trigger}:{stamp(self.at)}"

    def told(self) -> dict[str, str]:
        """What the stage is told about it in VIRIDIAN_REASONS."""
        if self.at is None:
            return {"source": str(self.source), "value": self.value}
        return {"source": str(self.source), "trigger": self.trigger, "at": stamp(self.at)}


def scheduled(trigger: str, at: datetime) -> Cause:
    return Cause(Source.SCHEDULE, trigger, at)


def manual(value: str) -> Cause | None:
    """The cause that an annotation's value is; an empty one is none."""
    value = value.strip()
    if len(value) > MAX_VALUE:
        value = f"{value[:MAX_VALUE]}…{short_hash(value)}"
    return Cause(Source.MANUAL, value=value) if value else None


def parse(identity: str) -> Cause | None:
    """The cause with that identity, None for a text that is none."""
    source, _, rest = identity.partition(":")
    if source == Source.MANUAL:
        return Cause(Source.MANUAL, value=rest) if rest else None
    trigger, _, time = rest.partition(":")
    at = moment(time)
    return scheduled(trigger, at) if source == Source.SCHEDULE and trigger and at else None


def run_id(policy_uid: str, cause: Cause) -> str:
    """Id of the run that this cause starts, for this very policy."""
    return short_hash(policy_uid, cause.identity)
