"""What is written down for good about revisions: outcomes on their records; and which records are let go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from viridian.api import reasons
from viridian.api.experiment_spec import ExperimentVerdict
from viridian.api.names import APPROVE_ANNOTATION, OUTCOME_ANNOTATION, Slot, revision_record
from viridian.core.intent import of_the_same, with_intent_hash
from viridian.core.ownership import Belongs, belongs
from viridian.core.plan import Action, Annotate, Apply, Delete
from viridian.core.times import format_time_micros
from viridian.rollout import records
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.records import RevisionOutcome, RevisionRecord, time_text
from viridian.rollout.render import objects
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.record import BY_SPEC, ChampionCause, Reverted, Traffic
from viridian.rollout.traffic.split_log import SplitRecord, with_split
from viridian.rollout.way_back_times import ended_way_back

RECORDS_KEPT = 10
_UNRECORDED = 5


def pending_outcomes(state: RolloutState, decision: RolloutDecision) -> dict[str, RevisionOutcome]:
    """Revision to the decision about it that its record does not hold yet."""
    found: dict[str, RevisionOutcome] = {}
    if decision.traffic is not None:
        for revision, outcome in (*_decided(decision.traffic), *_emptied(state)):
            record = state.record(revision)
            if record is not None and not record.has(outcome):
                found[revision] = outcome
    ended = ended_way_back(state.inputs, state.now)
    if ended is not None:
        found.setdefault(ended.revision, ended.outcome)
    if decision.retry is not None:
        found[decision.retry.revision] = RevisionOutcome(
            records.RETRIED, format_time_micros(state.now), by=decision.retry.command
        )
    return found


def still_remembered(state: RolloutState, decision: RolloutDecision) -> RolloutDecision:
    """The decision, with those that lost the traffic before and whose records cannot be written: nothing is forgotten.

    Only what is written anyway is added to.
    """
    before, after = state.recorded, decision.traffic
    if before is None or after is None or after == before:
        return decision
    lost = [one for one in before.rejected if one != after.reverted and not _is_noted(state, one)]
    return replace(decision, traffic=replace(after, unrecorded=tuple(lost[:_UNRECORDED])))


def experiment_remembered(state: RolloutState, decision: RolloutDecision) -> RolloutDecision:
    """The decision, with the experiment that ends with it; one without a verdict has shown nothing."""
    before, after = state.recorded, decision.traffic
    known = before.trial.experiment if before is not None and before.trial is not None else None
    if known is None or after is None:
        return decision
    goes_on = after.trial.experiment if after.trial is not None else None
    if goes_on is not None and goes_on.started_at == known.started_at:
        return decision
    if not known.verdict:
        verdict, why = str(ExperimentVerdict.INCONCLUSIVE), "it was ended before there was a verdict"
        known = replace(known, verdict=verdict, ended_at=state.now, message=f"{verdict}: {why}")
    return replace(decision, traffic=replace(after, experimented=known))


def split_logged(state: RolloutState, decision: RolloutDecision) -> RolloutDecision:
    """The decision, with the split that it makes in the log. Where no answer is kept, none needs a propensity."""
    traffic = decision.traffic
    if traffic is None or state.spec.feedback is None:
        return decision
    share = traffic.share
    other = traffic.trial or traffic.drill
    if 0 < share < 100:
        ready = {slot: known.ready_replicas if (known := state.slot(slot)) is not None else 0 for slot in Slot}
        share = state.inputs.provider.weight(traffic, ready)
    split = SplitRecord(traffic.revision, other.revision if other is not None and share else "", share, state.now)
    before = state.recorded
    same = before is not None and (before.revision, before.share) == (traffic.revision, traffic.share)
    splits = traffic.splits if same else with_split(traffic.splits, split)
    return replace(decision, traffic=replace(traffic, splits=splits)) if splits != traffic.splits else decision


def _is_noted(state: RolloutState, lost: Reverted) -> bool:
    record = state.record(lost.revision)
    return record is not None and any(known.at == RevisionOutcome.of(lost).at for known in record.outcomes)


def _emptied(state: RolloutState) -> Iterable[tuple[str, RevisionOutcome]]:
    """A challenger that has lost its pods is decided about, whatever the traffic record still says."""
    if state.recorded is not None and state.emptied is not None:
        unknown = ChampionCause.UNKNOWN
        yield from _decided(replace(state.recorded, trial=None, cause=unknown, reverted=state.emptied))


def _decided(traffic: Traffic) -> Iterable[tuple[str, RevisionOutcome]]:
    trial = traffic.trial
    if trial is not None and trial.approved:
        word = records.APPROVED if trial.approved.startswith(f"{APPROVE_ANNOTATION}=") else records.SKIPPED
        yield trial.revision, RevisionOutcome(word, time_text(trial.approved_at), by=trial.approved)
    if trial is not None and trial.experiment is not None and trial.experiment.verdict:
        yield trial.revision, RevisionOutcome.of_experiment(trial.experiment)
    if traffic.cause is ChampionCause.PROMOTED:
        since = time_text(traffic.since)
        yield traffic.revision, RevisionOutcome(reasons.PROMOTED, since, other=traffic.former or None)
    if traffic.cause is ChampionCause.REINSTATED:
        yield traffic.revision, _reinstated(traffic)
    # The newest outcome of a revision decides what it is now, so it is noted last.
    for lost in reversed(traffic.rejected):
        yield lost.revision, RevisionOutcome.of(lost, instead=traffic.revision)


def _reinstated(traffic: Traffic) -> RevisionOutcome:
    """Of a former champion that is champion again: by a rollback to it by name, or else by the spec."""
    word, since, lost = reasons.REINSTATED, time_text(traffic.since), traffic.reverted
    if lost is not None and lost.at == traffic.since:
        return RevisionOutcome(word, since, lost.reason, by=lost.by, other=lost.revision)
    return RevisionOutcome(word, since, reasons.REVERTED_BY_SPEC, by=BY_SPEC, other=traffic.former or None)


def with_pending(state: RolloutState, pending: Mapping[str, RevisionOutcome]) -> dict[str, tuple[RevisionOutcome, ...]]:
    """Every record's outcomes, those of this pass included."""
    known = {revision: record.outcomes for revision, record in state.inputs.records.items()}
    return {
        revision: _with(outcomes, pending[revision]) if revision in pending else outcomes
        for revision, outcomes in known.items()
    }


def _with(known: tuple[RevisionOutcome, ...], outcome: RevisionOutcome) -> tuple[RevisionOutcome, ...]:
    """The outcomes with one that is new, or of which more is known now."""
    if any(one.is_same(outcome) for one in known):
        return tuple(outcome if one.is_same(outcome) else one for one in known)
    return (*known, outcome)


def record_outcomes(state: RolloutState, pending: dict[str, RevisionOutcome]) -> Iterable[Action]:
    """Where the operator itself will read it; nothing else comes before that."""
    for revision, outcome in pending.items():
        yield _annotate(state, revision, _with(state.inputs.records[revision].outcomes, outcome))


def _annotate(state: RolloutState, revision: str, outcomes: tuple[RevisionOutcome, ...]) -> Annotate:
    name = revision_record(state.inputs.name, revision)
    return Annotate("apps/v1", "ControllerRevision", name, {OUTCOME_ANNOTATION: records.dump(outcomes)})


def adopt_records(state: RolloutState) -> Iterable[Action]:
    """Records that lost their owner get this one, before anything that shows that they may be believed changes."""
    inputs = state.inputs
    for record in inputs.records.values():
        if belongs(record.manifest, inputs.uid) is Belongs.ORPHAN:
            yield Apply(of_the_same(with_intent_hash(objects.adopted_record(inputs, record)), record.manifest))


def superfluous_records(state: RolloutState, needed: set[str]) -> Iterable[Action]:
    """Records beyond the newest, except those of revisions that are in use."""

    def age(record: RevisionRecord) -> tuple[str, int]:
        return (record.outcomes[-1].at if record.outcomes else "", record.number)

    rest = [record for record in state.inputs.records.values() if record.revision not in needed]
    for record in sorted(rest, key=age, reverse=True)[RECORDS_KEPT:]:
        yield Delete("apps/v1", "ControllerRevision", revision_record(state.inputs.name, record.revision), record.uid)
