"""What the input means: which run is at work, what is due, and what would be started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import FinishedRun
from viridian.core.times import length, parse_time
from viridian.retraining.budget import Spending, read_spending
from viridian.retraining.circuit_breaker import Breaker, read_breaker
from viridian.retraining.data_quality import DataQuality, data_quality, look_again, override_of
from viridian.retraining.hand_over_limit import hand_overs_in, room_at
from viridian.retraining.handover import to_hand_over
from viridian.retraining.input import LatestRun, PolicyFacts
from viridian.retraining.known_versions import quality_of
from viridian.retraining.permission import Proposal, propose, waits_for_people
from viridian.retraining.polled_data import found_content
from viridian.retraining.records import RunOrigin, data_shown
from viridian.retraining.runs import Run, read_runs, unrecorded
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.holds import HoldInput, Holds, read_holds
from viridian.retraining.triggers.monitor_pause import pause_now
from viridian.retraining.triggers.noted import with_noted
from viridian.retraining.triggers.own_holds import own_holds
from viridian.retraining.triggers.pending import coalesced, missed_causes, occurrences_of, pending_causes
from viridian.retraining.triggers.since import counts_since, noted_causes, noted_pause
from viridian.retraining.triggers.trigger_state import TriggerHold, TriggerState
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
    at_work: Run | None
    # The run that this pass is about: one whose candidate a person has decided about, else the one at work.
    active: Run | None
    # Runs whose record has to be made again, because their Job is there.
    unrecorded: tuple[tuple[str, RunOrigin], ...]
    data_quality: DataQuality
    spending: Spending
    # Runs whose candidates were handed over within the period of the budget, the newest first.
    hand_overs: tuple[Run, ...]
    breaker: Breaker
    # What holds triggers back.
    holds: Holds
    # What waits for a run.
    pending: tuple[Cause, ...]
    # What has occurred and starts no run any more, and why.
    missed: Mapping[Cause, str]
    # Of that, what starts no run by itself, and why.
    held: Mapping[Cause, TriggerHold]
    # The run that would begin now, and whether it may.
    proposal: Proposal | None

    @property
    def history(self) -> tuple[Run, ...]:
        """The decided runs, without looks at bad data that another one has followed."""
        newest = self.finished[:1]
        return (*newest, *(run for run in self.finished[1:] if not run.only_looked))


def read_state(facts: PolicyFacts, spec: RetrainPolicySpec, now: datetime) -> RetrainingState:
    """The state that the facts show."""
    runs = read_runs(facts)
    finished = newest_first(runs)
    undecided = [run for run in runs if run.finished is None]
    lost = unrecorded(facts, runs)
    facts = replace(facts, latest_run=_latest(finished), quality=quality_of(spec, finished, facts.deployment))
    triggers = with_noted(read_triggers(spec, facts, now), noted_causes(facts), runs)
    since = counts_since(facts, triggers, now)
    at_work = undecided[-1] if undecided else None
    hand_overs = hand_overs_in(spec.budget, finished, now)
    has_room = room_at(spec.budget, hand_overs) is None
    active = to_hand_over(spec.gate, finished, facts.annotations, has_room=has_room) or at_work
    bounds = _read_bounds(facts, spec, runs, finished, at_work, now)
    occurrences = tuple(occurrences_of(triggers, since, runs, bounds.holds, now, facts.followed))
    pending = pending_causes(occurrences)
    held = own_holds(triggers, pending, runs, now)
    look = look_again(bounds.quality, now) if bounds.holds.only_bad_data else None
    due = coalesced(facts.uid, pending, bounds.holds, held, look)
    return RetrainingState(
        facts=facts,
        spec=spec,
        now=now,
        triggers=triggers,
        since=since,
        runs=runs,
        finished=finished,
        active=active,
        at_work=at_work,
        unrecorded=lost,
        data_quality=bounds.quality,
        spending=bounds.spending,
        hand_overs=hand_overs,
        breaker=bounds.breaker,
        holds=bounds.holds,
        pending=pending,
        missed=missed_causes(occurrences),
        held=held,
        proposal=None if active or lost else propose(spec, facts.annotations, due),
    )


def _latest(finished: Sequence[Run]) -> LatestRun | None:
    if not finished:
        return None
    run, origin = finished[0], finished[0].origin
    return LatestRun(
        id=run.id,
        began=parse_time(run.created),
        image=origin.image,
        server=origin.server,
        objective=origin.objective,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """What runs have left of the bounds of automation."""

    quality: DataQuality
    spending: Spending
    breaker: Breaker
    holds: Holds


def _read_bounds(
    facts: PolicyFacts,
    spec: RetrainPolicySpec,
    runs: Sequence[Run],
    finished: Sequence[Run],
    active: Run | None,
    now: datetime,
) -> _Bounds:
    looked_at = finished if active is None else (active, *finished)
    recheck = length(spec.data_quality.recheck)
    overrides, found = override_of(facts.annotations, runs), found_content(spec, facts)
    quality = data_quality(looked_at, data_shown(spec), overrides, recheck, found)
    spending = read_spending(spec.budget, runs, now)
    breaker = read_breaker(spec, facts.generation, finished)
    given = HoldInput(
        spec=spec,
        finished=finished,
        quality=quality,
        spending=spending,
        breaker=breaker,
        deployment=facts.deployment,
        now=now,
        monitor_pause=pause_now(noted_pause(facts), facts.deployment, facts.annotations, now),
        waits_since=facts.created if waits_for_people(spec) else None,
    )
    return _Bounds(quality=quality, spending=spending, breaker=breaker, holds=read_holds(given))


def with_outcome(state: RetrainingState, run: Run, finished: FinishedRun) -> RetrainingState:
    """The state once this outcome stands on the record of the run."""
    decided = replace(run, record=replace(run.record, finished=finished))
    finished_runs = newest_first([decided, *(known for known in state.finished if known.id != run.id)])
    runs = tuple(decided if known.id == run.id else known for known in state.runs)
    at_work = None if state.at_work is None or state.at_work.id == run.id else state.at_work
    bounds = _read_bounds(state.facts, state.spec, runs, finished_runs, at_work, state.now)
    return replace(
        state,
        facts=replace(state.facts, quality=quality_of(state.spec, finished_runs, state.facts.deployment)),
        runs=runs,
        finished=finished_runs,
        active=None,
        at_work=at_work,
        data_quality=bounds.quality,
        spending=bounds.spending,
        hand_overs=hand_overs_in(state.spec.budget, finished_runs, state.now),
        breaker=bounds.breaker,
        holds=bounds.holds,
    )


def newest_first(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The decided runs, the one that ended last first."""
    ended = [run for run in runs if run.finished is not None]

    def age(run: Run) -> tuple[str, str, int]:
        return (run.finished.finished_at or "" if run.finished else "", run.created, run.record.number)

    return tuple(sorted(ended, key=age, reverse=True))
