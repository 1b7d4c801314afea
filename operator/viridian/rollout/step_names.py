"""What the steps of a trial are called, and what one that was passed is remembered by."""

from __future__ import annotations

from collections.abc import Sequence

from viridian.api.modeldeployment import Step


def step_name(steps: Sequence[Step], index: int) -> str:
    """As status, Events and messages have it; beyond the last step it is the promotion."""
    if index >= len(steps):
        return "promote"
    step = steps[index]
    return step.name or (f"approval-{index}" if step.approval is not None else step_identity(step))


def step_identity(step: Step) -> str:
    """What a step that was passed is remembered by: its name and what it asks for, not how long or how much of it."""
    asked = _asked(step)
    return f"{step.name} {asked}" if step.name else asked


def _asked(step: Step) -> str:
    if step.experiment is not None:
        return f"experiment-{step.experiment.weight}%"
    return f"{step.weight}%" if step.weight is not None else f"shadow-{step.shadow}%" if step.shadow else "approval"
