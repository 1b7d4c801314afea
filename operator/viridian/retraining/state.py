"""What the input means: which run is at work, what is due, and what would be started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import FinishedRun
from viridian.retraining.data_quality import DataQuality, data_quality
from viridian.retraining.input import PolicyFacts
from viridian.retraining.records import RunOrigin, data_shown
from viridian.retraining.runs import Run, read_runs, unrecorded
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.holds import Holds, read_holds
from viridian.retraining.triggers.pending import DueRun, coalesced, missed_causes, pending_causes
from viridian.retraining.triggers.since import counts_since
from viridian.retraining.triggers.trigger_state import TriggerState
from viridian.retraining.triggers.trigger_table import read_triggers


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingState:
    """The facts, understood."""

    facts: PolicyFacts
    spec: RetrainPolicySpec
    now: datetime
    # Everything that may cause a run.
    triggers: tuple[TriggerState, ...]
    # Since when each trigger counts, by its key.
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
    # What holds triggers back.
    holds: Holds
    # What waits for a run.
    pending: tuple[Cause, ...]
    # What has occurred and is too late for a run.
    missed: tuple[Cause, ...]
    # The run that may start now.
    due: DueRun | None


def read_state(facts: PolicyFacts, spec: RetrainPolicySpec, now: datetime) -> RetrainingState:
    """The state that the facts show."""
    runs = read_runs(facts)
    finished = newest_first(runs)
    undecided = [run for run in runs if run.finished is None]
    lost = unrecorded(facts, runs)
    triggers = read_triggers(spec, facts, now)
    since = counts_since(facts, triggers, now)
    quality = data_quality(finished, data_shown(spec))
    holds = read_holds(spec, finished, quality, now)
    pending = pending_causes(triggers, since, runs, holds, now)
    return RetrainingState(
        facts=facts,
        spec=spec,
        now=now,
        triggers=triggers,
        since=since,
        runs=runs,
        finished=finished,
        active=undecided[-1] if undecided else None,
        unrecorded=lost,
        data_quality=quality,
        holds=holds,
        pending=pending,
        missed=missed_causes(triggers, since, runs, holds, now),
        due=None if undecided or lost else coalesced(facts.uid, pending, holds),
    )


def with_outcome(state: RetrainingState, run: Run, finished: FinishedRun) -> RetrainingState:
    """The state once this outcome stands on the record of the run."""
    decided = replace(run, record=replace(run.record, finished=finished))
    runs = newest_first([decided, *state.finished])
    quality = data_quality(runs, data_shown(state.spec))
    return replace(
        state,
        runs=tuple(decided if known.id == run.id else known for known in state.runs),
        finished=runs,
        active=None,
        data_quality=quality,
        holds=read_holds(state.spec, runs, quality, state.now),
    )


def newest_first(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The decided runs, the one that ended last first."""
    ended = [run for run in runs if run.finished is not None]

    def age(run: Run) -> tuple[str, str, int]:
        return (run.finished.finished_at or "" if run.finished else "", run.created, run.record.number)

    return tuple(sorted(ended, key=age, reverse=True))
