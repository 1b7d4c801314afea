"""How a challenger gets past its steps by the word of a person, and what it waits for once they are behind it."""

from __future__ import annotations

from dataclasses import replace

from viridian.rollout.decision import RolloutDecision
from viridian.rollout.policies.commands import promotion_command, skip_command
from viridian.rollout.policies.promotion_times import promotion_wait
from viridian.rollout.policies.trial_steps import enter, in_new_step, present_step
from viridian.rollout.state import RolloutState
from viridian.rollout.step_names import step_identity, step_name


def command_that_passes(state: RolloutState) -> str | None:
    """A command of a person that passes the present step, or all of them."""
    return promotion_command(state) or skip_command(
        state, state.trial.revision, step_name(state.steps, state.trial.step)
    )


def passes_steps_by_command(state: RolloutState) -> RolloutDecision | None:
    """A person passes the present step by its name, or all of them. What halts every rollout halts this one too."""
    trial, step, order = state.trial, present_step(state), command_that_passes(state)
    if step is None or state.halted or order is None:
        return None
    everything = promotion_command(state) is not None
    passed = tuple(map(step_identity, state.steps)) if everything else (*trial.passed, step_identity(step))
    at = state.now if order != trial.approved else trial.approved_at
    return enter(state, replace(in_new_step(trial, passed), approved=order, approved_at=at))


def waits_for_its_promotion(state: RolloutState) -> RolloutDecision | None:
    """It has passed its steps, and stays promotable while promotions are held or the window is closed."""
    wait = promotion_wait(state)
    return RolloutDecision.hold(state.serving, wait, state.trial.revision) if wait is not None else None
