"""What a snapshot means: which run is at work, what is due, and what would be started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api.retrainpolicy import ActiveRun, FinishedRun, RetrainPolicySpec
from viridian.retraining import triggers
from viridian.retraining.causes import Cause, Source, run_id
from viridian.retraining.objects import dig, mapping, text
from viridian.retraining.quality import Quality, quality
from viridian.retraining.runs import NO_DATA, Run, causes_of, read_runs
from viridian.retraining.schedule import Timetable, Unreadable, length, timetable
from viridian.retraining.snapshot import Facts
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
class Situation:
    """The facts, understood."""

    facts: Facts
    spec: RetrainPolicySpec
    now: datetime
    tables: Mapping[str, Timetable | Unreadable]
    # Decided runs, the one that ended last first.
    finished: tuple[Run, ...]
    # The run whose Job is at work, or has ended and is not decided about.
    active: Run | None
    # The run that was at work when the status was written, and whose Job has been deleted since.
    vanished: ActiveRun | None
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


def read(facts: Facts, spec: RetrainPolicySpec, now: datetime) -> Situation:
    """The situation that the facts show."""
    runs = read_runs(facts)
    finished = _finished(runs)
    undecided = [run for run in runs if run.finished is None]
    vanished = _vanished(facts, runs)
    tables = {trigger.name: timetable(trigger.schedule) for trigger in spec.triggers}
    word = quality(finished, spec.data or NO_DATA)
    cooling_until = _cooling_until(finished, spec, now)
    due = triggers.due(facts, spec, tables, runs, vanished, tuple(_holds(finished, spec, word)), now)
    held = spec.suspend or word.paused or cooling_until is not None
    busy = bool(undecided) or vanished is not None
    return Situation(
        facts=facts,
        spec=spec,
        now=now,
        tables=tables,
        finished=finished,
        active=undecided[-1] if undecided else None,
        vanished=vanished,
        quality=word,
        cooling_until=cooling_until,
        due=due,
        start=None if busy else _start(facts, due, _begun(facts, spec, runs, due), held=held),
    )


def with_outcome(situation: Situation, run: Run, finished: FinishedRun) -> Situation:
    """The situation once this outcome stands on the run's Job."""
    runs = _finished([replace(run, finished=finished), *situation.finished])
    return replace(
        situation,
        finished=runs,
        active=None,
        quality=quality(runs, situation.spec.data or NO_DATA),
        cooling_until=_cooling_until(runs, situation.spec, situation.now),
    )


def _finished(runs: Sequence[Run]) -> tuple[Run, ...]:
    ended = [run for run in runs if run.finished is not None]
    return tuple(sorted(ended, key=lambda run: run.finished.finished_at or "" if run.finished else "", reverse=True))


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


def _vanished(facts: Facts, runs: Sequence[Run]) -> ActiveRun | None:
    """A Job that was there and is gone was deleted by someone: that is how a run is cancelled."""
    known = mapping(facts.status, "activeRun")
    job, run = text(known, "job"), text(known, "id")
    if not job or not run or any(seen.id == run for seen in runs):
        return None
    return ActiveRun(
        id=run,
        reasons=tuple(cause.identity for cause in causes_of(_listed(known))),
        job=job,
        mlflow_run=text(known, "mlflowRun") or None,
        started_at=text(known, "startedAt") or None,
    )


def _listed(known: Mapping[str, object]) -> Sequence[object]:
    listed = dig(known, "reasons")
    return listed if isinstance(listed, list | tuple) else ()


def _start(facts: Facts, due: Sequence[Cause], begun: Sequence[Cause], *, held: bool) -> Start | None:
    """What is due becomes one run. Schedules alone start none while they are held back; a person's wish always does."""
    fires = [cause for cause in due if cause.source is Source.SCHEDULE]
    asked = [cause for cause in due if cause.source is Source.MANUAL]
    first: list[Cause] = [*begun, *fires] if not held else [cause for cause in begun if cause in asked]
    causes = tuple(dict.fromkeys([*first, *asked, *fires]))
    return Start(run_id(facts.uid, causes[0]), causes) if first or asked else None


def _begun(facts: Facts, spec: RetrainPolicySpec, runs: Sequence[Run], due: Sequence[Cause]) -> list[Cause]:
    """The cause of the run that the status says was begun and has no Job yet.

    It goes on with the same id although a newer time has come meanwhile, or its deadline has passed: the MLflow run
    with that id may be there already. Without the status a new id is taken, and at worst an empty MLflow run is left
    over.
    """
    known = mapping(facts.status, "activeRun")
    causes = causes_of(_listed(known))
    if not causes or text(known, "job") or text(known, "id") != run_id(facts.uid, causes[0]):
        return []
    cause = causes[0]
    if cause.source is Source.MANUAL:
        return [cause] if cause in due else []
    wanted = any(trigger.name == cause.trigger for trigger in spec.triggers)
    return [cause] if wanted and triggers.unanswered(facts, runs, cause) else []
