"""A run: its record, its stages, and what the object of each of them shows now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from viridian.api import reasons
from viridian.api.names import RUN_LABEL
from viridian.api.retrainpolicy_status import FinishedRun
from viridian.api.stage import RESOLVER_STAGE, StageName
from viridian.core.lookup import Object, labels_of, text
from viridian.core.ownership import Belongs, belongs
from viridian.core.times import parse_time
from viridian.retraining.data_state import DataState, resolved_by
from viridian.retraining.input import PolicyFacts
from viridian.retraining.records import RunOrigin, RunRecord, StageNote, origin_of, read_records
from viridian.retraining.stages.stage_kind import StageKind
from viridian.retraining.stages.stage_table import stage_kind
from viridian.retraining.stages.state import StageOutcome, StageResult, StageState
from viridian.retraining.triggers.cause import RECHECK, Cause, parse_causes

JUDGED: Final = (reasons.HANDED_OVER, reasons.REJECTED, reasons.AWAITING_APPROVAL, reasons.SUPERSEDED)
"""Outcomes of runs that trained on the data and made a candidate; any other says nothing about either."""
_COMPARE = (StageName.TRAINING, StageName.EVALUATION)
"""Stages that may measure the champion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStage:
    """One stage of a run."""

    name: str
    kind: StageKind
    object_name: str
    note: StageNote
    # The object that does its work, while there is one.
    found: Object | None = field(default=None, repr=False)
    # The object as it was when it was deleted, where this process has seen that.
    deleted: Object | None = field(default=None, repr=False)
    state: StageState = field(default_factory=StageState)

    @property
    def result(self) -> StageResult | None:
        """How it ended, once that is noted."""
        return self.note.result

    @property
    def has_begun(self) -> bool:
        """Whether anything shows that its work was begun, or that there was none to do."""
        return self.found is not None or bool(self.note.seen) or self.result is not None

    @property
    def leads_on(self) -> bool:
        """Whether the next stage may begin: it has ended well, and not in a run of which MLflow alone remembers all."""
        return self.result is not None and self.result.outcome is StageOutcome.COMPLETE and not self.result.restored

    @property
    def is_deleting(self) -> bool:
        """Whether somebody has deleted its object, which goes once its pods are gone."""
        return bool(text(self.found, "metadata", "deletionTimestamp"))

    @property
    def lingers(self) -> bool:
        """Whether its object goes on although the stage has ended."""
        return self.result is not None and self.found is not None and not self.kind.has_ended(self.found)

    @property
    def target(self) -> tuple[str, str]:
        return self.kind.kind, self.object_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run."""

    record: RunRecord
    stages: tuple[RunStage, ...]

    @property
    def id(self) -> str:
        return self.record.run

    @property
    def stage(self) -> RunStage:
        """The stage that the run is in: the one that has ended it, else the first that has not ended well.

        A stage begins only when the one before it has ended well. So where a later one has begun, those before it have
        ended, even if the record of that was lost.
        """
        ended = next((stage for stage in self.stages if stage.result is not None and not stage.leads_on), None)
        latest = max((place for place, stage in enumerate(self.stages) if stage.has_begun), default=0)
        coming = next((stage for stage in self.stages[latest:] if not stage.leads_on), self.stages[-1])
        return ended or coming

    def named(self, name: str) -> RunStage | None:
        """The stage of that name; None where the run has none."""
        return next((stage for stage in self.stages if stage.name == name), None)

    @property
    def has_begun(self) -> bool:
        """Whether any of its stages has begun."""
        return any(stage.has_begun for stage in self.stages)

    @property
    def trains(self) -> bool:
        """Whether its training has begun."""
        training = self.named(StageName.TRAINING)
        return training is not None and training.has_begun

    @property
    def look(self) -> Cause | None:
        """Set where it is another look at bad data."""
        return next((cause for cause in self.record.origin.causes if cause.source == RECHECK), None)

    @property
    def only_looked(self) -> bool:
        """Whether it looked at bad data again, and came no further."""
        return self.finished is not None and self.look is not None and not self.trains

    @property
    def result(self) -> StageResult | None:
        """How the stage ended that ended the run; None while there is a stage to go."""
        return self.stage.result

    @property
    def mlflow_run(self) -> str:
        """Its MLflow run, once a stage was given it."""
        return next((stage.note.mlflow_run for stage in self.stages if stage.note.mlflow_run), "")

    @property
    def origin(self) -> RunOrigin:
        """What it really worked on. Its candidate is compared with the champion that a measuring stage got last.

        Another look at bad data that came no further has answered nothing but itself.
        """
        recorded, notes = self.record.origin, [stage.note for stage in self.stages]
        compared = [stage.note for stage in self.stages if stage.name in _COMPARE and stage.note.seen]
        joined = [cause for note in notes for cause in parse_causes(note.joined)]
        causes = dict.fromkeys([*recorded.causes, *joined])
        champion = compared[-1].champion if compared else None
        return replace(
            recorded,
            mlflow_run=self.mlflow_run,
            causes=tuple(cause for cause in causes if cause.source == RECHECK or not self.only_looked),
            champion=recorded.champion if champion is None else champion,
            data=next((note.data for note in notes if note.data), recorded.data),
            resolved=self._resolved or recorded.resolved,
            image=next((note.image for note in notes if note.image), recorded.image),
            server=next((note.server for note in notes if note.server), recorded.server),
            objective=next((note.objective for note in notes if note.objective), recorded.objective),
        )

    @property
    def _resolved(self) -> DataState | None:
        """What its resolver has found, if it has one."""
        resolver = self.named(RESOLVER_STAGE)
        return resolved_by(resolver.result) if resolver is not None and resolver.result is not None else None

    @property
    def label_definition(self) -> str:
        """Under which definition of the label it trains and measures; empty where none is named."""
        objective = self.origin.objective
        return objective.label_definition if objective is not None else ""

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(cause.identity for cause in self.origin.causes)

    # None until it is decided about.
    @property
    def finished(self) -> FinishedRun | None:
        return self.record.finished

    @property
    def finished_at(self) -> datetime | None:
        return parse_time(self.finished.finished_at) if self.finished else None

    @property
    def created(self) -> str:
        return self.record.created

    @property
    def cpu_seconds(self) -> float:
        """What its stages that have ended took of CPUs."""
        return sum(stage.result.cpu_seconds for stage in self.stages if stage.result is not None)

    @property
    def spot_cpu_seconds(self) -> float:
        """What they took of that on spot nodes."""
        return sum(stage.result.cpu_seconds for stage in self.stages if stage.result and stage.result.spot)

    def worked_in(self, stage: RunStage) -> str:
        """Id of the run in which the stage did its work: an earlier one, where its result of then counts."""
        return stage.note.cached or self.id

    def before(self, stage: RunStage) -> tuple[RunStage, ...]:
        """The stages before that one."""
        return self.stages[: self.stages.index(stage)]

    def notes_with(self, note: StageNote) -> Mapping[str, StageNote]:
        """All notes of its stages, with this one for the stage that it is in."""
        return {**self.record.notes, self.stage.name: note}


@dataclass(frozen=True, slots=True)
class OpenStage:
    """A stage whose object has something to tell: how it ended is not noted yet."""

    kind: StageKind
    object_name: str
    # Whether its object was there once.
    seen: bool


def open_stages(policy: Object, records: Sequence[Object]) -> tuple[OpenStage, ...]:
    """The stages that may be at work, or begin next: one for each run that is not decided about."""
    name, uid = text(policy, "metadata", "name"), text(policy, "metadata", "uid")
    undecided = (record for record in read_records(records, uid) if record.finished is None)
    runs = (Run(record=record, stages=_stages(name, record)) for record in undecided)
    stages = (run.stage for run in runs if run.result is None)
    return tuple(OpenStage(stage.kind, stage.object_name, bool(stage.note.seen)) for stage in stages)


def unwatched_objects(policy: Object, records: Sequence[Object]) -> tuple[OpenStage, ...]:
    """The objects of runs at work that no list shows: of kinds that are not watched, and have begun or begin next."""
    name, uid = text(policy, "metadata", "name"), text(policy, "metadata", "uid")
    undecided = (record for record in read_records(records, uid) if record.finished is None)
    runs = (Run(record=record, stages=_stages(name, record)) for record in undecided)
    stages = (stage for run in runs for stage in run.stages if stage.note.seen or stage is run.stage)
    return tuple(
        OpenStage(stage.kind, stage.object_name, bool(stage.note.seen)) for stage in stages if not stage.kind.is_watched
    )


def read_runs(facts: PolicyFacts) -> tuple[Run, ...]:
    """All runs that the records tell of, the newest first."""
    owned = {text(found, "metadata", "name"): found for found in owned_objects(facts)}
    runs = (_run(facts, record, owned) for record in read_records(facts.records, facts.uid))
    return tuple(sorted(runs, key=lambda run: (run.created, run.record.number, run.id), reverse=True))


def _run(facts: PolicyFacts, record: RunRecord, owned: Mapping[str, Object]) -> Run:
    stages = tuple(
        replace(
            stage,
            found=owned.get(stage.object_name),
            deleted=facts.deleted.get(stage.object_name),
            state=facts.stages.get(stage.object_name, StageState()),
        )
        for stage in _stages(facts.name, record)
    )
    return Run(record=record, stages=stages)


def _stages(policy: str, record: RunRecord) -> tuple[RunStage, ...]:
    """The stages of a run as its record has them."""
    kinds = {name: stage_kind(recorded) for name, recorded in record.origin.stages.items()}
    return tuple(
        RunStage(
            name=name,
            kind=kind,
            object_name=kind.name(policy, record.run, name),
            note=record.notes.get(name, StageNote()),
        )
        for name, kind in kinds.items()
        if kind is not None
    )


def owned_objects(facts: PolicyFacts) -> tuple[Object, ...]:
    """The objects of stages of this very policy, orphans included: the name, which is checked as well, says whose."""
    return tuple(found for found in facts.objects if belongs(found, facts.uid) is not Belongs.OTHERS)


def unrecorded(facts: PolicyFacts, runs: Sequence[Run]) -> tuple[tuple[str, RunOrigin], ...]:
    """Runs whose record is gone although an object of theirs is there: it shows what the record held."""
    recorded = {run.id for run in runs}
    found = {
        labels_of(one).get(RUN_LABEL, ""): origin_of(one)
        for one in facts.objects
        if belongs(one, facts.uid) is Belongs.OURS and not text(one, "metadata", "deletionTimestamp")
    }
    return tuple(
        (run, origin) for run, origin in found.items() if run and run not in recorded and origin and origin.causes
    )
