"""Which occurrences wait for a run, and which run they make together: the same rules for all sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from viridian.retraining.runs import Run
from viridian.retraining.triggers.answered import answered_causes
from viridian.retraining.triggers.cause import Cause, run_id
from viridian.retraining.triggers.holds import Holds
from viridian.retraining.triggers.trigger_state import TriggerState


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run that is due: its causes, of which the first gives the id."""

    id: str
    causes: tuple[Cause, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(cause.identity for cause in self.causes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A cause, and what decides whether a run may start for it."""

    cause: Cause
    trigger: TriggerState
    # Since when the trigger counts; None where that does not matter.
    since: datetime | None
    answered: tuple[Cause, ...]
    holds: Holds
    now: datetime


def came_before_the_trigger(occurrence: Occurrence) -> bool:
    at, since = occurrence.cause.at, occurrence.since
    return at is not None and since is not None and at <= since


def was_answered_by_a_run(occurrence: Occurrence) -> bool:
    return any(known.covers(occurrence.cause) for known in occurrence.answered)


def comes_too_late(occurrence: Occurrence) -> bool:
    at, deadline = occurrence.cause.at, occurrence.trigger.deadline
    if at is None or deadline is None:
        return False
    latest = occurrence.holds.latest_start(at, deadline)
    return latest is not None and occurrence.now > latest


DROPPED: Final[tuple[Callable[[Occurrence], bool], ...]] = (
    came_before_the_trigger,
    was_answered_by_a_run,
    comes_too_late,
)
"""What is no cause of a run any more. Each of them is final, so their order does not matter."""


def pending_causes(
    triggers: Sequence[TriggerState], since: Mapping[str, datetime], runs: Sequence[Run], holds: Holds, now: datetime
) -> tuple[Cause, ...]:
    """The causes that wait for a run: what triggers found by its time, then what a person asks for."""
    occurrences = _occurrences(triggers, since, runs, holds, now)
    return tuple(sorted((one.cause for one in occurrences if not any(drop(one) for drop in DROPPED)), key=_order))


def missed_causes(
    triggers: Sequence[TriggerState], since: Mapping[str, datetime], runs: Sequence[Run], holds: Holds, now: datetime
) -> tuple[Cause, ...]:
    """The causes that would wait for a run if it were not too late for one."""
    others = [drop for drop in DROPPED if drop is not comes_too_late]
    occurrences = _occurrences(triggers, since, runs, holds, now)
    return tuple(one.cause for one in occurrences if comes_too_late(one) and not any(drop(one) for drop in others))


def _occurrences(
    triggers: Sequence[TriggerState], since: Mapping[str, datetime], runs: Sequence[Run], holds: Holds, now: datetime
) -> Iterator[Occurrence]:
    answered = answered_causes(runs)
    for trigger in triggers:
        counts = since.get(trigger.key)
        for cause in trigger.occurred:
            yield Occurrence(cause=cause, trigger=trigger, since=counts, answered=answered, holds=holds, now=now)


def coalesced(policy_uid: str, pending: Sequence[Cause], holds: Holds) -> DueRun | None:
    """All that is pending becomes one run. While triggers are held back, only a person's request starts it."""
    requested = [cause for cause in pending if cause.requested]
    found = [cause for cause in pending if not cause.requested]
    if not requested and (holds.in_force or not found):
        return None
    causes = tuple(dict.fromkeys([*requested, *found] if holds.in_force else [*found, *requested]))
    return DueRun(run_id(policy_uid, causes[0]), causes)


def is_still_asked_for(run: Run, triggers: Sequence[TriggerState], *, suspended: bool) -> bool:
    """Whether a run that has not begun is still to begin: one of its causes is still asked for."""
    return any(
        cause.source == trigger.source and cause.is_of(trigger.name, trigger.key) and (cause.requested or not suspended)
        for cause in run.origin.causes
        for trigger in triggers
        if not (trigger.problem and trigger.lasting)
    )


def _order(cause: Cause) -> tuple[bool, float, str]:
    return (cause.requested, cause.at.timestamp() if cause.at else 0.0, cause.trigger)
