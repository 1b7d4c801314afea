"""The steps of a trial: what weight holds in them, and which pods they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from viridian.api.experiment_spec import Allocation
from viridian.api.modeldeployment import Step
from viridian.api.names import Slot
from viridian.rollout.analysis.experiment_rows import question_of
from viridian.rollout.analysis.pods import counting
from viridian.rollout.decision import RolloutDecision, Wait
from viridian.rollout.pod_bounds import autoscaling_of, champion_size, may_be_more, pods_in
from viridian.rollout.policies.promotion_times import promotion_wait
from viridian.rollout.policies.reinstatement import needs_no_steps
from viridian.rollout.state import RolloutState
from viridian.rollout.step_names import step_name
from viridian.rollout.traffic import exposure as exposures
from viridian.rollout.traffic.capacity import PodSplit, pods_for_share, surge_pods
from viridian.rollout.traffic.record import Trial


def target_weight(steps: Sequence[Step], index: int) -> int:
    """The weight that a step begins with: its own, or for an approval that of the step before."""
    weights = [step.share for step in steps[: index + 1] if step.share is not None]
    return weights[-1] if weights else 0


def desired_weight(steps: Sequence[Step], trial: Trial) -> int:
    """The weight that holds in the present step: that of an experiment may have moved since."""
    experiment = steps[trial.step].experiment if trial.step < len(steps) else None
    if experiment is None or experiment.allocation is not Allocation.THOMPSON:
        return target_weight(steps, trial.step)
    known = trial.experiment
    return known.weight if known is not None and known.question == question_of(experiment) else experiment.weight


def target_shadow(steps: Sequence[Step], index: int) -> int:
    """The share of requests that is copied in a step: none but in a step that asks for it."""
    return (steps[index].shadow or 0) if index < len(steps) else 0


def present_step(state: RolloutState) -> Step | None:
    """The step that the trial is in; None where all are passed, and only the promotion is left."""
    return state.steps[state.trial.step] if state.trial.step < len(state.steps) else None


def rises(state: RolloutState, trial: Trial) -> bool:
    """Whether users are to meet the challenger more often in the present step than they do."""
    promoting = trial.step >= len(state.steps)
    more = (100 if promoting else desired_weight(state.steps, trial)) > trial.weight
    return more or target_shadow(state.steps, trial.step) > trial.shadow


def kept_from_more(state: RolloutState, trial: Trial) -> Wait | None:
    """What is waited for where users may not meet the challenger more often now; None where nothing keeps it."""
    if not rises(state, trial):
        return None
    everything = trial.step >= len(state.steps) or target_weight(state.steps, trial.step) >= 100
    return state.halted or (promotion_wait(state) if everything else None)


def pods_needed(state: RolloutState, trial: Trial | None) -> PodSplit:
    """Pods of champion and challenger in the present step; before the first one, as many as that will need.

    They make the weight, so a pause keeps them at the one that was reached. One that needs no steps gets its full size.
    """
    replicas = champion_size(state, state.serving, trial)
    surge, steps = surge_pods(state.spec.rollout.max_surge, replicas), state.steps
    provider = state.inputs.provider
    if trial is not None and trial.weight > 0 and kept_from_more(state, trial):
        return provider.replicas(trial.weight, replicas, surge)
    index = trial.step if trial is not None else 0
    if index >= len(steps) or (trial is None and needs_no_steps(state)):
        return PodSplit(max(1, replicas), max(1, replicas))
    weight = desired_weight(steps, trial) if trial is not None else target_weight(steps, index)
    shadow = target_shadow(steps, index)
    return provider.replicas(weight, replicas, surge) if weight or not shadow else pods_for_share(shadow, replicas)


def hold(state: RolloutState, wait: Wait, trial: Trial | None = None) -> RolloutDecision:
    """The challenger stays where it is; `trial` is what its record says from now on."""
    traffic = replace(state.serving, trial=trial) if trial is not None else state.serving
    return RolloutDecision.hold(traffic, wait, state.trial.revision)


def enter(state: RolloutState, trial: Trial) -> RolloutDecision:
    """The challenger enters the step that this trial has reached."""
    exposure = trial.exposure or exposures.begun(counting(state.inputs, state.other_slot), state.now)
    size = _champion_pods(state, trial)
    entered = replace(trial, entered=state.now, exposure=exposure, champion_pods=size)
    name = step_name(state.steps, trial.step)
    return RolloutDecision.enter_step(replace(state.serving, trial=entered), trial.revision, name)


def _champion_pods(state: RolloutState, trial: Trial) -> int:
    """Those that a step begins with. Where they make the weights, some are there for the weight alone."""
    if autoscaling_of(state) is None:
        return 0
    known, traffic = trial.champion_pods, state.serving
    return known if known and not may_be_more(state) else pods_in(state, traffic.champion, traffic.revision)


def in_new_step(trial: Trial, passed: tuple[str, ...]) -> Trial:
    return replace(trial, passed=passed, since=None, blind_since=None, experiment=None)


def not_ready(state: RolloutState, slot: Slot) -> str:
    deadline = state.spec.rollout.progress_deadline
    return f"not ready within {deadline} (spec.rollout.progressDeadline){state.failure_message(slot)}"
