"""What causes a run, and the run's id that follows from it: the same cause twice is the same run.

A scheduled cause is a schedule (cron and time zone) and one of its times. The name of the trigger is for people: a
trigger that is renamed asks for the same, and one that is edited asks for something else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from viridian.api.names import short_hash
from viridian.core.times import format_time, parse_time

MAX_VALUE: Final = 200
"""Characters of a manual run's annotation that are kept as they are; the rest goes into a hash."""


class TriggerSource(StrEnum):
    SCHEDULE = "schedule"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Cause:
    """A trigger that fired at a time, or the value that a person put into the annotation."""

    source: TriggerSource
    trigger: str = ""
    at: datetime | None = None
    value: str = ""
    schedule: str = field(default="", compare=False)
    """Cron and time zone of the trigger when it fired."""

    @property
    def identity(self) -> str:
        """`schedule:weekly:2026-11-22T03:00:00Z` or `manual:<value>`, for people."""
        if self.at is None:
            return f"{self.source}:{self.value}"
        return f"{self.source}:{self.trigger}:{format_time(self.at)}"

    def told(self) -> dict[str, str]:
        """What the stage is told about it in VIRIDIAN_REASONS."""
        if self.at is None:
            return {"source": str(self.source), "value": self.value}
        return {"source": str(self.source), "trigger": self.trigger, "at": format_time(self.at)}

    def recorded(self) -> dict[str, str]:
        """As the record of a run has it."""
        return {**self.told(), "schedule": self.schedule} if self.schedule else self.told()

    def fires_for(self, trigger: str, schedule: str) -> bool:
        """Whether it is a time of this schedule, or of the trigger of that name where the schedule is not known."""
        if self.source is not TriggerSource.SCHEDULE:
            return False
        return self.schedule == schedule if self.schedule else self.trigger == trigger


def scheduled(trigger: str, at: datetime, schedule: str = "") -> Cause:
    return Cause(TriggerSource.SCHEDULE, trigger, at, schedule=schedule)


def manual(value: str) -> Cause | None:
    """The cause that an annotation's value is; an empty one is none."""
    value = value.strip()
    if len(value) > MAX_VALUE:
        value = f"{value[:MAX_VALUE]}…{short_hash(value)}"
    return Cause(TriggerSource.MANUAL, value=value) if value else None


def from_record(source: str, *, trigger: str = "", at: str = "", value: str = "", schedule: str = "") -> Cause | None:
    """The cause that was recorded with these texts, None for texts that make none."""
    if source == TriggerSource.MANUAL:
        return Cause(TriggerSource.MANUAL, value=value) if value else None
    time = parse_time(at)
    return scheduled(trigger, time, schedule) if source == TriggerSource.SCHEDULE and trigger and time else None


def run_id(policy_uid: str, cause: Cause) -> str:
    """Id of the run that this cause starts, for this very policy."""
    if cause.at is None:
        return short_hash(policy_uid, cause.identity)
    return short_hash(policy_uid, str(cause.source), cause.schedule or cause.trigger, format_time(cause.at))
