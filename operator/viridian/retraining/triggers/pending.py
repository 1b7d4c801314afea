"""Which occurrences wait for a run, and which run they make together: the same rules for all sources."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from viridian.api import reasons
from viridian.api.model_source import RegistryModel
from viridian.core.times import parse_time
from viridian.retraining.own_effects import is_own_effect
from viridian.retraining.runs import JUDGED, Run
from viridian.retraining.triggers.answered import answered_causes
from viridian.retraining.triggers.cause import Cause, run_id
from viridian.retraining.triggers.holds import Holds
from viridian.retraining.triggers.own_holds import cooldown_of, worked_until
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
    # Until when a run that the trigger caused was at work; None where there is none.
    worked_until: datetime | None
    # Whether it reports what the policy's own runs, or the rollouts of its model, have done.
    own_effect: bool
    # When the runs began that made a candidate.
    trained: tuple[datetime, ...]
    holds: Holds
    now: datetime


def came_before_the_trigger(occurrence: Occurrence) -> bool:
    at, since = occurrence.cause.at, occurrence.since
    return at is not None and since is not None and at <= since


def was_answered_by_a_run(occurrence: Occurrence) -> bool:
    return any(known.covers(occurrence.cause) for known in occurrence.answered)


def is_no_news(occurrence: Occurrence) -> bool:
    """A policy that trained for the version that it has just made would train for ever."""
    return occurrence.own_effect


def merely_goes_on(occurrence: Occurrence) -> bool:
    """A state in which the trigger's newest run began or ended is no new cause: it has to come about after the run."""
    began, worked_until = occurrence.cause.began, occurrence.worked_until
    return began is not None and worked_until is not None and began <= worked_until


def was_made_needless_by_a_run(occurrence: Occurrence) -> bool:
    at, within = occurrence.cause.at, occurrence.trigger.unless_run_within
    return at is not None and within is not None and any(at - within <= began <= at for began in occurrence.trained)


def comes_too_late(occurrence: Occurrence) -> bool:
    at, deadline = occurrence.cause.at, occurrence.trigger.deadline
    if at is None or deadline is None:
        return False
    latest = occurrence.holds.latest_start(at, deadline)
    return latest is not None and occurrence.now > latest


DROPPED: Final[tuple[Callable[[Occurrence], bool], ...]] = (
    came_before_the_trigger,
    was_answered_by_a_run,
    is_no_news,
    merely_goes_on,
    was_made_needless_by_a_run,
    comes_too_late,
)
"""What is no cause of a run any more. Each of them is final, so their order does not matter."""
_SHOWN: Final = {was_made_needless_by_a_run: reasons.RECENT_RUN, comes_too_late: reasons.MISSED}
"""What the status says of it, where people may have expected a run."""


def pending_causes(occurrences: Iterable[Occurrence]) -> tuple[Cause, ...]:
    """The causes that wait for a run: what triggers found by its time, then what a person asks for."""
    return tuple(sorted((one.cause for one in occurrences if not any(drop(one) for drop in DROPPED)), key=_order))


def missed_causes(occurrences: Iterable[Occurrence]) -> Mapping[Cause, str]:
    """The causes that have started no run and will start none, each with the reason for it."""
    others, found = [drop for drop in DROPPED if drop not in _SHOWN], {}
    for one in occurrences:
        reason = next((reason for drop, reason in _SHOWN.items() if drop(one)), None)
        if reason is not None and not any(drop(one) for drop in others):
            found[one.cause] = reason
    return found


def occurrences_of(
    triggers: Sequence[TriggerState],
    since: Mapping[str, datetime],
    runs: Sequence[Run],
    holds: Holds,
    now: datetime,
    followed: RegistryModel | None,
) -> Iterator[Occurrence]:
    """All that has occurred, with what decides whether a run may start for it.

    `followed`: what the ModelDeployment asks the registry for.
    """
    answered, trained = answered_causes(runs), tuple(_trained(runs))
    for trigger in triggers:
        cooldown = cooldown_of(trigger, runs)
        own = replace(holds, periods=(*holds.periods, cooldown)) if cooldown is not None else holds
        for cause in trigger.occurred:
            yield Occurrence(
                cause=cause,
                trigger=trigger,
                since=since.get(trigger.key),
                answered=answered,
                worked_until=worked_until(trigger, runs, now) if cause.began is not None else None,
                own_effect=is_own_effect(cause, runs, followed),
                trained=trained,
                holds=own,
                now=now,
            )


def _trained(runs: Sequence[Run]) -> Iterator[datetime]:
    for run in runs:
        began = parse_time(run.created)
        if began is not None and run.finished is not None and run.finished.outcome in JUDGED:
            yield began


def coalesced(
    policy_uid: str,
    pending: Sequence[Cause],
    holds: Holds,
    held: Collection[Cause] = (),
    look: Cause | None = None,
) -> DueRun | None:
    """All that is pending becomes one run. While triggers are held back, only a person's request starts it.

    `held`: what starts no run by itself. A run that something else starts answers it as well. `look`: another look at
    bad data that may begin, if there is something that waits for good data.
    """
    requested = [cause for cause in pending if cause.requested]
    found = [cause for cause in pending if not cause.requested]
    free = [cause for cause in found if cause not in held]
    starting = requested if holds.in_force else [*free, *requested]
    if not starting and look is not None and free:
        starting = [look]
    if not starting:
        return None
    causes = tuple(dict.fromkeys([*starting, *pending]))
    return DueRun(run_id(policy_uid, causes[0]), causes)


def is_still_asked_for(run: Run, triggers: Sequence[TriggerState], *, suspended: bool) -> bool:
    """Whether a run that has not begun is still to begin: one of its causes is still asked for."""
    return any(
        cause.source == trigger.source and cause.is_of(trigger.name, trigger.key) and (cause.requested or not suspended)
        for cause in run.origin.causes
        for trigger in triggers
        if trigger.key or not trigger.problem
    )


def _order(cause: Cause) -> tuple[bool, float, str]:
    return (cause.requested, cause.at.timestamp() if cause.at else 0.0, cause.trigger)
