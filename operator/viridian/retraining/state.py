"""What the input means: which run is at work, what is due, and what would be started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api.retrainpolicy import FinishedRun, RetrainPolicySpec
from viridian.retraining.data_quality import DataQuality, data_quality
from viridian.retraining.input import PolicyFacts
from viridian.retraining.records import RunOrigin, data_shown
from viridian.retraining.runs import Run, read_runs, unrecorded
from viridian.retraining.triggers.cause import Cause, TriggerSource, run_id
from viridian.retraining.triggers.pending import Hold, pending_causes
from viridian.retraining.triggers.since import since
from viridian.retraining.triggers.timetable import InvalidSchedule, Timetable, length, parse_schedule


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run that is due: its causes, of which the first gives the id."""

    id: str
    causes: tuple[Cause, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(cause.identity for cause in self.causes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingState:
    """The facts, understood."""

    facts: PolicyFacts
    spec: RetrainPolicySpec
    now: datetime
    schedules: Mapping[str, Timetable | InvalidSchedule]
    # Since when each schedule holds.
    since: Mapping[str, datetime]
    # Every run, the newest first.
    runs: tuple[Run, ...]
    # Decided runs, the one that ended last first.
    finished: tuple[Run, ...]
    # The oldest run that is not decided about.
    active: Run | None
    # Runs whose record has to be made again, because their Job is there.
    unrecorded: tuple[tuple[str, RunOrigin], ...]
    data_quality: DataQuality
    # When the cooldown after the latest run ends; None when it is over.
    cooling_until: datetime | None
    # What has fired and was not answered by a run.
    due: tuple[Cause, ...]
    # The run that may start now.
    start: DueRun | None

    @property
    def paused(self) -> bool:
        """No schedule starts a run, until a person does something."""
        return self.spec.suspend or self.data_quality.paused


def read_state(facts: PolicyFacts, spec: RetrainPolicySpec, now: datetime) -> RetrainingState:
    """The state that the facts show."""
    runs = read_runs(facts)
    finished = newest_first(runs)
    undecided = [run for run in runs if run.finished is None]
    lost = unrecorded(facts, runs)
    schedules = {trigger.name: parse_schedule(trigger.schedule) for trigger in spec.triggers}
    held_since = since(facts, schedules, now)
    quality = data_quality(finished, data_shown(spec))
    cooling_until = _cooling_until(finished, spec, now)
    due = pending_causes(facts, spec, schedules, held_since, runs, tuple(_holds(finished, spec, quality)), now)
    held = spec.suspend or quality.paused or cooling_until is not None
    return RetrainingState(
        facts=facts,
        spec=spec,
        now=now,
        schedules=schedules,
        since=held_since,
        runs=runs,
        finished=finished,
        active=undecided[-1] if undecided else None,
        unrecorded=lost,
        data_quality=quality,
        cooling_until=cooling_until,
        due=due,
        start=None if undecided or lost else _start(facts, due, held=held),
    )


def with_outcome(state: RetrainingState, run: Run, finished: FinishedRun) -> RetrainingState:
    """The state once this outcome stands on the record of the run."""
    decided = replace(run, record=replace(run.record, finished=finished))
    runs = newest_first([decided, *state.finished])
    return replace(
        state,
        runs=tuple(decided if known.id == run.id else known for known in state.runs),
        finished=runs,
        active=None,
        data_quality=data_quality(runs, data_shown(state.spec)),
        cooling_until=_cooling_until(runs, state.spec, state.now),
    )


def newest_first(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The decided runs, the one that ended last first."""
    ended = [run for run in runs if run.finished is not None]

    def age(run: Run) -> tuple[str, str, int]:
        return (run.finished.finished_at or "" if run.finished else "", run.created, run.record.number)

    return tuple(sorted(ended, key=age, reverse=True))


def _holds(finished: Sequence[Run], spec: RetrainPolicySpec, quality: DataQuality) -> Iterator[Hold]:
    """What has held schedules back lately: the cooldown after the latest run, and bad data."""
    yield from _cooldown(finished, spec)
    if quality.bad_since is not None:
        yield Hold(quality.bad_since)


def _cooldown(finished: Sequence[Run], spec: RetrainPolicySpec) -> Iterator[Hold]:
    latest = finished[0].finished_at if finished else None
    if latest is not None:
        yield Hold(latest, latest + length(spec.budget.cooldown))


def _cooling_until(finished: Sequence[Run], spec: RetrainPolicySpec, now: datetime) -> datetime | None:
    return next((hold.until for hold in _cooldown(finished, spec) if hold.until is not None and hold.until > now), None)


def _start(facts: PolicyFacts, due: Sequence[Cause], *, held: bool) -> DueRun | None:
    """What is due becomes one run. Schedules alone start none while they are held back; a person's request does."""
    fires = [cause for cause in due if cause.source is TriggerSource.SCHEDULE]
    asked = [cause for cause in due if cause.source is TriggerSource.MANUAL]
    causes = tuple(dict.fromkeys([*asked, *fires] if held else [*fires, *asked]))
    return DueRun(run_id(facts.uid, causes[0]), causes) if asked or (fires and not held) else None
