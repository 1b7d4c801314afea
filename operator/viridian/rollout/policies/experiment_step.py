"""An experiment from its first share to what its verdict does.

The record of it is a part of the traffic record. A verdict is written there before anything follows from it: whatever
is killed then, the next process does the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from viridian.api import durations, reasons
from viridian.api.experiment_spec import AfterExperiment, Allocation, Experiment, ExperimentVerdict
from viridian.core.times import older_than
from viridian.judgement.experiment import EffectInterval, thompson_share, verdict_of
from viridian.rollout.analysis.experiment_rows import ExperimentFigures, ValuesDiffer, question_of
from viridian.rollout.analysis.source import Missing
from viridian.rollout.decision import Change, ChangeKind, RolloutDecision, Wait, WaitKind
from viridian.rollout.experiment_sentences import figures_sentence
from viridian.rollout.policies.commands import approval, approval_to_give
from viridian.rollout.policies.trial_steps import hold, present_step
from viridian.rollout.policies.ways_back import rejection
from viridian.rollout.records import RevisionOutcome
from viridian.rollout.state import RolloutState
from viridian.rollout.step_names import step_name
from viridian.rollout.traffic.experiment_record import ExperimentRecord

_NOTED_WITHIN: Final = timedelta(seconds=10)
"""A record that cannot be written holds up no verdict for longer."""


def begins_its_experiment(state: RolloutState) -> RolloutDecision | None:
    """With the first look at which its share is in effect, and anew where the spec asks something else."""
    spec, trial = present_experiment(state), state.trial
    if spec is None or experiment_of(state, spec) is not None:
        return None
    record = ExperimentRecord(
        step=step_name(state.steps, trial.step),
        revision=trial.revision,
        champion=state.serving.revision,
        question=question_of(spec),
        measure=spec.measure_name,
        started_at=state.now,
        weight=trial.weight,
        allocated_at=state.now,
    )
    return hold(state, Wait(WaitKind.FIRST_ANSWERS), replace(trial, experiment=record))


def ends_its_experiment(state: RolloutState) -> RolloutDecision | None:
    """With the first verdict that is proved, or with its time."""
    spec = present_experiment(state)
    record = experiment_of(state, spec) if spec is not None else None
    if spec is None or record is None or record.verdict:
        return None
    figures = state.experiment
    verdict = _proved(spec, figures) or _over(state, spec, record, figures)
    if verdict is None:
        return None
    ended = with_figures(record, figures)
    message = f"{verdict}: {figures_sentence(spec.measure_name, figures)}"
    ended = replace(ended, verdict=str(verdict), ended_at=state.now, message=message)
    held = hold(state, Wait(WaitKind.NEXT_LOOK), replace(state.trial, experiment=ended))
    change = Change(ChangeKind.EXPERIMENT_ENDED, state.trial.revision, step=record.step, message=message)
    return replace(held, change=change)


def is_rejected_by_its_experiment(state: RolloutState) -> RolloutDecision | None:
    """A verdict that rejects waits for nothing, as a breach does."""
    spec = present_experiment(state)
    record = experiment_of(state, spec) if spec is not None else None
    if spec is None or record is None or not record.verdict:
        return None
    if not _is_noted(state, record):
        return hold(state, Wait(WaitKind.NEXT_LOOK))
    if spec.after(ExperimentVerdict(record.verdict)) is not AfterExperiment.REJECT:
        return None
    message = f"experiment {record.step}: {record.message}"
    return rejection(state, state.trial.revision, reasons.EXPERIMENT_REJECTS, message)


def allocates_anew(state: RolloutState) -> RolloutDecision | None:
    """With Thompson, the share follows the chance to be better. While that cannot be known, the share stays."""
    spec = present_experiment(state)
    record = experiment_of(state, spec) if spec is not None else None
    if spec is None or record is None or record.verdict or spec.allocation is not Allocation.THOMPSON:
        return None
    if not older_than(record.allocated_at, durations.parse(spec.interval), state.now):
        return None
    figures = state.experiment
    if figures is None or isinstance(figures, Missing):
        return None
    known = figures if isinstance(figures, EffectInterval) else None
    share = thompson_share(known, scale=spec.smallest_effect, floor=spec.floor)
    allocated = replace(record, weight=share, allocated_at=state.now)
    # The pods of a new share have a deadline of their own.
    entered = state.now if share != state.trial.weight else state.trial.entered
    wait = Wait(WaitKind.STEP_PODS, step=record.step)
    return hold(state, wait, replace(state.trial, entered=entered, experiment=allocated))


def waits_for_its_experiment(state: RolloutState) -> RolloutDecision | None:
    """For a verdict, and then for a person where the verdict holds."""
    spec = present_experiment(state)
    record = experiment_of(state, spec) if spec is not None else None
    if spec is None or record is None:
        return None
    if not record.verdict:
        figures = state.experiment
        detail = figures_sentence(spec.measure_name, figures)
        if isinstance(figures, EffectInterval) and figures.least_rows < spec.min_samples:
            detail = f"{detail}; {spec.min_samples} of each are needed"
        return hold(state, Wait(WaitKind.EXPERIMENT, step=record.step, detail=detail))
    if not is_held_by_its_verdict(state) or approval(state) is not None:
        return None
    detail = f"experiment {record.step}: {record.message}"
    return hold(state, Wait(WaitKind.APPROVAL, state.trial.revision, need=approval_to_give(state), detail=detail))


def is_held_by_its_verdict(state: RolloutState) -> bool:
    """Whether the present step is an experiment whose verdict leaves the challenger to a person."""
    spec = present_experiment(state)
    record = experiment_of(state, spec) if spec is not None else None
    if spec is None or record is None or not record.verdict:
        return False
    return spec.after(ExperimentVerdict(record.verdict)) is AfterExperiment.HOLD


def present_experiment(state: RolloutState) -> Experiment | None:
    """What the spec says of the experiment of the present step; None where that is none."""
    step = present_step(state)
    return step.experiment if step is not None else None


def experiment_of(state: RolloutState, spec: Experiment) -> ExperimentRecord | None:
    """The record of the experiment; None where it has not begun, or where the spec asks something else by now."""
    record = state.trial.experiment
    return record if record is not None and record.question == question_of(spec) else None


def with_figures(record: ExperimentRecord, figures: ExperimentFigures | None) -> ExperimentRecord:
    """The record with what is known by now."""
    if not isinstance(figures, EffectInterval):
        return record
    return replace(
        record,
        effect=figures.effect,
        low=figures.low,
        high=figures.high,
        challenger_rows=figures.challenger_rows,
        champion_rows=figures.champion_rows,
    )


def _proved(spec: Experiment, figures: ExperimentFigures | None) -> ExperimentVerdict | None:
    match figures:
        case ValuesDiffer():
            return ExperimentVerdict.SCHEMA_MISMATCH
        case EffectInterval():
            return verdict_of(figures, smallest_effect=spec.smallest_effect, min_samples=spec.min_samples)
        case _:
            return None


def _over(
    state: RolloutState, spec: Experiment, record: ExperimentRecord, figures: ExperimentFigures | None
) -> ExperimentVerdict | None:
    """Once its time is over. A collector that does not answer then is waited for, but no longer than `maxHold`."""
    longest = durations.parse(spec.max_duration)
    if isinstance(figures, Missing):
        longest += durations.parse(state.spec.rollout.analysis.max_hold)
    return ExperimentVerdict.INCONCLUSIVE if older_than(record.started_at, longest, state.now) else None


def _is_noted(state: RolloutState, record: ExperimentRecord) -> bool:
    """Whether the verdict stands in the record of the revision, where it outlasts the trial."""
    known = state.record(state.trial.revision)
    noted = known is None or known.has(RevisionOutcome.of_experiment(record))
    return noted or older_than(record.ended_at, _NOTED_WITHIN, state.now)
