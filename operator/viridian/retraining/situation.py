"""What a snapshot means: which run is at work, what is due, and what would be started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api.retrainpolicy import FinishedRun, RetrainPolicySpec
from viridian.retraining import triggers
from viridian.retraining.causes import Cause, TriggerSource, run_id
from viridian.retraining.quality import Quality, quality
from viridian.retraining.records import RunOrigin, data_shown
from viridian.retraining.runs import Run, read_runs, unrecorded
from viridian.retraining.schedule import InvalidSchedule, Timetable, length, timetable
from viridian.retraining.since import since
from viridian.retraining.snapshot import PolicyFacts
from viridian.retraining.triggers import Hold


@dataclass(frozen=True, slots=True)
class Start:
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
    tables: Mapping[str, Timetable | InvalidSchedule]
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
    quality: Quality
    # When the cooldown after the latest run ends; None when it is over.
    cooling_until: datetime | None
    # What has fired and was not answered by a run.
    due: tuple[Cause, ...]
    # The run that may start now.
    start: Start | None

    @property
    def paused(self) -> bool:
        """No schedule starts a run, until a person does something."""
        return self.spec.suspend or self.quality.paused


def read(facts: PolicyFacts, spec: RetrainPolicySpec, now: datetime) -> RetrainingState:
    """The situation that the facts show."""
    runs = read_runs(facts)
    finished = newest_first(runs)
    undecided = [run for run in runs if run.finished is None]
    lost = unrecorded(facts, runs)
    tables = {trigger.name: timetable(trigger.schedule) for trigger in spec.triggers}
    held_since = since(facts, tables, now)
    word = quality(finished, data_shown(spec))
    cooling_until = _cooling_until(finished, spec, now)
    due = triggers.due(facts, spec, tables, held_since, runs, tuple(_holds(finished, spec, word)), now)
    held = spec.suspend or word.paused or cooling_until is not None
    return RetrainingState(
        facts=facts,
        spec=spec,
        now=now,
        tables=tables,
        since=held_since,
        runs=runs,
        finished=finished,
        active=undecided[-1] if undecided else None,
        unrecorded=lost,
        quality=word,
        cooling_until=cooling_until,
        due=due,
        start=None if undecided or lost else _start(facts, due, held=held),
    )


def with_outcome(situation: RetrainingState, run: Run, finished: FinishedRun) -> RetrainingState:
    """The situation once this outcome stands on the record of the run."""
    decided = replace(run, record=replace(run.record, finished=finished))
    runs = newest_first([decided, *situation.finished])
    return replace(
        situation,
        runs=tuple(decided if known.id == run.id else known for known in situation.runs),
        finished=runs,
        active=None,
        quality=quality(runs, data_shown(situation.spec)),
        cooling_until=_cooling_until(runs, situation.spec, situation.now),
    )


def newest_first(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The decided runs, the one that ended last first."""
    ended = [run for run in runs if run.finished is not None]

    def age(run: Run) -> tuple[str, str, int]:
        return (run.finished.finished_at or "" if run.finished else "", run.created, run.record.number)

    return tuple(sorted(ended, key=age, reverse=True))


def _holds(finished: Sequence[Run], spec: RetrainPolicySpec, word: Quality) -> Iterator[Hold]:
    """What has held schedules back lately: the cooldown after the latest run, and bad data."""
    yield from _cooldown(finished, spec)
    if word.bad_since is not None:
        yield Hold(word.bad_since)


def _cooldown(finished: Sequence[Run], spec: RetrainPolicySpec) -> Iterator[Hold]:
    latest = finished[0].finished_at if finished else None
    if latest is not None:
        yield Hold(latest, latest + length(spec.budget.cooldown))


def _cooling_until(finished: Sequence[Run], spec: RetrainPolicySpec, now: datetime) -> datetime | None:
    return next((hold.until for hold in _cooldown(finished, spec) if hold.until is not None and hold.until > now), None)


def _start(facts: PolicyFacts, due: Sequence[Cause], *, held: bool) -> Start | None:
    """What is due becomes one run. Schedules alone start none while they are held back; a person's wish always does."""
    fires = [cause for cause in due if cause.source is TriggerSource.SCHEDULE]
    asked = [cause for cause in due if cause.source is TriggerSource.MANUAL]
    causes = tuple(dict.fromkeys([*asked, *fires] if held else [*fires, *asked]))
    return Start(run_id(facts.uid, causes[0]), causes) if asked or (fires and not held) else None
