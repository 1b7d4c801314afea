"""Whether the run that would begin may begin: by `mode` and `approval`, and by what a person has written about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from viridian.api.automation import Mode, TrainingApproval
from viridian.api.names import ACCEPT_ANNOTATION, APPROVE_ANNOTATION, REJECT_ANNOTATION
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.retraining.run_commands import command_about
from viridian.retraining.triggers.pending import DueRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The run that would begin now."""

    run: DueRun
    # Whether it begins. One that a person has rejected begins as well, and ends at once: its causes are answered.
    begins: bool
    # The annotation that would let it begin; empty where none is awaited.
    awaits: str = ""
    # What people wrote about it, by the annotation.
    commands: Mapping[str, str] = field(default_factory=dict)


def waits_for_people(spec: RetrainPolicySpec) -> bool:
    """Whether what is due may wait for a person, for as long as it takes."""
    return spec.mode is not Mode.AUTOMATIC or spec.approval.training is TrainingApproval.REQUIRED


def propose(spec: RetrainPolicySpec, annotations: Mapping[str, str], due: DueRun | None) -> Proposal | None:
    """What is due, and whether it may begin."""
    if due is None:
        return None
    if spec.mode is Mode.OBSERVE:
        return Proposal(run=due, begins=False)
    awaits = _awaited(spec, due)
    asked = (REJECT_ANNOTATION, APPROVE_ANNOTATION, awaits) if awaits else ()
    found = (command_about(annotations, name, due.id) for name in asked)
    decisive = next((command for command in found if command is not None), None)
    commands = {decisive.annotation: decisive.value} if decisive is not None else {}
    return Proposal(run=due, begins=not awaits or bool(commands), awaits=awaits, commands=commands)


def _awaited(spec: RetrainPolicySpec, due: DueRun) -> str:
    """What a person has to write. An approval accepts as well; who asks for a run has accepted it."""
    if spec.approval.training is TrainingApproval.REQUIRED:
        return APPROVE_ANNOTATION
    requested = any(cause.requested for cause in due.causes)
    return ACCEPT_ANNOTATION if spec.mode is Mode.RECOMMEND and not requested else ""
