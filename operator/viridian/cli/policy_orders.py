"""What a command of a person writes to a RetrainPolicy: one annotation about a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from viridian.api import names, reasons
from viridian.api.automation import Mode, TrainingApproval
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import RetrainPolicyStatus
from viridian.cli.files import name_of, policy_spec, policy_status
from viridian.core.times import format_time
from viridian.people.person_orders import NothingToOrder, PersonOrder


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


def train(policy: Mapping[str, Any], user: str, now: datetime) -> PersonOrder:
    """One run begins, whatever the triggers say."""
    active = policy_status(policy).active_run
    waits = f", once run {active.id} has ended" if active is not None else ""
    value = f"{format_time(now)}#{user}"
    return _annotated(names.RUN_ANNOTATION, value, f"a run of {name_of(policy)} begins{waits}")


def accept(policy: Mapping[str, Any], run: str, reason: str, user: str) -> PersonOrder:
    """What waits for a person goes on: a run begins, or a candidate is handed over."""
    found = _waiting(policy, run)
    return _annotated(found.annotation, _command(found, reason, user), found.sentence)


def dismiss(policy: Mapping[str, Any], run: str, reason: str, user: str) -> PersonOrder:
    """What waits for a person does not go on."""
    found = _waiting(policy, run)
    return _annotated(names.REJECT_ANNOTATION, _command(found, reason, user), f"run {found.id} is dismissed")


def waiting_runs(policy: Mapping[str, Any]) -> list[WaitingRun]:
    """Everything that a person may decide now, what would begin before what would be handed over."""
    spec, status = policy_spec(policy), policy_status(policy)
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


def _waiting(policy: Mapping[str, Any], run: str) -> WaitingRun:
    name, known = name_of(policy), waiting_runs(policy)
    found = [one for one in known if run in ("", one.id)]
    if len(found) == 1:
        return found[0]
    if not known:
        observed = policy_spec(policy).mode is Mode.OBSERVE
        why = "; in mode Observe nothing begins but by `train`" if observed else ""
        raise NothingToOrder(f"no run of {name} waits for a person{why}")
    listed = ", ".join(f"{one.id} ({one.sentence})" for one in known)
    raise NothingToOrder(f"name one of the runs of {name} that wait for a person: {listed}")


def _command(found: WaitingRun, reason: str, user: str) -> str:
    more = f" {' '.join(reason.replace('#', ' ').split())}" if reason.strip() else ""
    return f"{found.id}{found.about}{more}#{user}"


def _annotated(annotation: str, value: str, sentence: str) -> PersonOrder:
    return PersonOrder({"metadata": {"annotations": {annotation: value}}}, sentence)
