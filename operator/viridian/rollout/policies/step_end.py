"""What a step waits for before it ends: its time, its requests, bounds that are kept, evidence beside the champion."""

from __future__ import annotations

from datetime import timedelta

from viridian.api import durations
from viridian.judgement.beside_champion import margin_sentence
from viridian.rollout.analysis.metric_bounds import margin_of
from viridian.rollout.analysis.pods import counting
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.policies.trial_steps import hold, present_step
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic import exposure as exposures


def has_not_lasted(state: RolloutState) -> RolloutDecision | None:
    step = present_step(state)
    if step is None:
        return None
    left = (state.trial.since or state.now) + durations.parse(step.duration) - state.now
    if left <= timedelta():
        return None
    return hold(state, Wait(WaitKind.STEP_DURATION, remaining=left, detail=step.duration))


def lacks_requests(state: RolloutState) -> RolloutDecision | None:
    step = present_step(state)
    if step is None or not step.min_requests:
        return None
    answered = requests_of_step(state)
    if answered >= step.min_requests:
        return None
    return hold(state, Wait(WaitKind.STEP_REQUESTS, have=answered, need=step.min_requests))


def is_beyond_a_bound(state: RolloutState) -> RolloutDecision | None:
    """Too little for a breach, and too much to go further: more answers show which of both it is."""
    if present_step(state) is None:
        return None
    beyond = (one for one in state.judgements if one.beyond and not one.guard_rail)
    worst = max(beyond, key=lambda judgement: judgement.evidence or 0.0, default=None)
    return hold(state, Wait(WaitKind.STEP_BOUND, detail=worst.message)) if worst is not None else None


def lacks_evidence(state: RolloutState) -> RolloutDecision | None:
    """Where a margin is set, a step beside a champion that serves ends with evidence that it is kept."""
    step, needed = present_step(state), state.spec.rollout.analysis.judge.promote_evidence
    alone = state.champion is None or not state.champion.serves
    if step is None or step.weight is None or step.weight >= 100 or alone or needed <= 1:
        return None
    weakest = min(
        (one for one in state.judgements if one.no_worse is not None and not one.guard_rail),
        key=lambda judgement: judgement.no_worse or 0.0,
        default=None,
    )
    if weakest is None or weakest.no_worse is None or weakest.no_worse >= needed:
        return None
    margins = {metric.name: margin_of(metric) for metric in state.spec.rollout.analysis.metrics}
    margin = margin_sentence(weakest.name, margins[weakest.name])
    missing = f"evidence {weakest.no_worse:.3g} of {needed:g}"
    detail = f"{missing} that {weakest.name} is not worse than the champion's {margin}"
    return hold(state, Wait(WaitKind.STEP_EVIDENCE, detail=detail))


def requests_of_step(state: RolloutState) -> int:
    """How many requests the challenger has answered in the present step."""
    if state.trial.exposure is None:
        return 0
    read = [pod.reading for pod in counting(state.inputs, state.other_slot) if pod.reading is not None]
    return int(sum(exposures.answered_in_step(state.trial.exposure, newest) for newest in read))
