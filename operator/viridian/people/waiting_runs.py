"""Runs, and candidates of runs, that go on only once a person says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viridian.api import names, reasons
from viridian.api.automation import Mode, TrainingApproval
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import RetrainPolicyStatus
from viridian.people.policy_objects import known_status, spec_in_force


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A run, or the candidate of one, that waits for a person."""

    id: str
    annotation: str
    """What lets it go on."""
    about: str
    """The part of a command behind the id, which tells a candidate from the run before it."""
    sentence: str
    """What happens once it goes on."""


def waiting_runs(policy: Mapping[str, Any]) -> list[WaitingRun]:
    """Everything that a person may decide now, what would begin before what would be handed over."""
    spec, status = spec_in_force(policy), known_status(policy)
    return [*_to_begin(spec, status), *_to_hand_over(status)]


def _to_begin(spec: RetrainPolicySpec, status: RetrainPolicyStatus) -> list[WaitingRun]:
    proposed = status.recommended
    if proposed is None or spec.mode is Mode.OBSERVE:
        return []
    approved = spec.approval.training is TrainingApproval.REQUIRED
    annotation = names.APPROVE_ANNOTATION if approved else names.ACCEPT_ANNOTATION
    return [WaitingRun(proposed.run, annotation, "", f"run {proposed.run} begins: {', '.join(proposed.reasons)}")]


def _to_hand_over(status: RetrainPolicyStatus) -> list[WaitingRun]:
    return [
        WaitingRun(one.id, names.APPROVE_ANNOTATION, f" version {one.version}", f"version {one.version} is handed over")
        for one in status.runs
        if one.outcome == reasons.AWAITING_APPROVAL and one.waits_until is None
    ]
