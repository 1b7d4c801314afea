"""What a command of a person writes to a RetrainPolicy: one annotation about a run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from viridian.api import names
from viridian.api.automation import Mode
from viridian.cli.files import name_of
from viridian.core.times import format_time
from viridian.people.person_orders import NothingToOrder, PersonOrder
from viridian.people.policy_objects import known_status, spec_in_force
from viridian.people.waiting_runs import WaitingRun, waiting_runs


def train(policy: Mapping[str, Any], user: str, now: datetime) -> PersonOrder:
    """One run begins, whatever the triggers say."""
    active = known_status(policy).active_run
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


def _waiting(policy: Mapping[str, Any], run: str) -> WaitingRun:
    name, known = name_of(policy), waiting_runs(policy)
    found = [one for one in known if run in ("", one.id)]
    if len(found) == 1:
        return found[0]
    if not known:
        observed = spec_in_force(policy).mode is Mode.OBSERVE
        why = "; in mode Observe nothing begins but by `train`" if observed else ""
        raise NothingToOrder(f"no run of {name} waits for a person{why}")
    listed = ", ".join(f"{one.id} ({one.sentence})" for one in known)
    raise NothingToOrder(f"name one of the runs of {name} that wait for a person: {listed}")


def _command(found: WaitingRun, reason: str, user: str) -> str:
    more = f" {' '.join(reason.replace('#', ' ').split())}" if reason.strip() else ""
    return f"{found.id}{found.about}{more}#{user}"


def _annotated(annotation: str, value: str, sentence: str) -> PersonOrder:
    return PersonOrder({"metadata": {"annotations": {annotation: value}}}, sentence)
