"""Who gets the traffic: the selector of the live Service, and the record that is written together with it.

Both stand in one object and change in one write. So a process that dies right after the write loses nothing: the next
one reads who serves, which step the trial is in, or why and when a challenger was sent home.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from viridian.api.names import MODEL_DEPLOYMENT_LABEL, REVERTED_ANNOTATION, SLOT_LABEL, TRAFFIC_ANNOTATION, Slot
from viridian.rollout.analysis.exposure import CounterBaseline, Exposure


@dataclass(frozen=True, slots=True)
class Trial:
    """A challenger on its way through the steps."""

    revision: str
    # The steps behind it, by what they are: an index alone would mean another step as soon as the list is edited.
    passed: tuple[str, ...] = ()
    weight: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    # When the step was entered: its pods have a deadline from then on.
    entered: str = ""
    # When the step's split was reached; empty until then.
    since: str = ""
    # Since when users can meet its pods; while they cannot, since when it is on trial.
    exposure: Exposure | None = None
    # Since when the judge sees nothing; empty while it sees.
    blind_since: str = ""
    # The latest approval of a person, in its own words, and when it was counted.
    approved: str = ""
    approved_at: str = ""

    @property
    def step(self) -> int:
        """Index of the present step; that of the promotion is one beyond the last."""
        return len(self.passed)


@dataclass(frozen=True, slots=True)
class Reverted:
    """A revision that lost the traffic, or its chance of getting it, and why."""

    revision: str
    outcome: str
    reason: str
    message: str
    at: str
    breach_at: str = ""
    by: str = "Viridian"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the live Service says."""

    champion: Slot
    revision: str
    since: str
    # The champion before, for the way back and for the alias `previous`.
    former: str = ""
    trial: Trial | None = None
    reverted: Reverted | None = None
    # How the present champion came to be one: a promotion is followed by probation, a rollback is not.
    cause: str = "Promoted"
    # Those that lost it before and whose records cannot be written, newest first.
    unrecorded: tuple[Reverted, ...] = ()
    # Since when users can meet the pods of a champion that was on trial before.
    exposure: Exposure | None = None

    @property
    def rejected(self) -> tuple[Reverted, ...]:
        """All that this record remembers to have lost the traffic, or the chance of getting it."""
        return (*((self.reverted,) if self.reverted is not None else ()), *self.unrecorded)

    @property
    def receiving(self) -> frozenset[Slot]:
        """The slots that users can meet."""
        weight = self.trial.weight if self.trial else 0
        if weight <= 0:
            return frozenset({self.champion})
        if weight >= 100:
            return frozenset({self.champion.other})
        return frozenset(Slot)


def selector(name: str, traffic: Traffic) -> dict[str, str]:
    """The live Service's selector: one slot, or both while they share the traffic by their ready pods."""
    owner = {MODEL_DEPLOYMENT_LABEL: name}
    receiving = traffic.receiving
    return owner if len(receiving) > 1 else {**owner, SLOT_LABEL: str(next(iter(receiving)))}


def dump(traffic: Traffic) -> str:
    return json.dumps(_plain(traffic), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Traffic | Trial | Reverted | Exposure | CounterBaseline):
        parts = {name: _plain(getattr(value, name)) for name in type(value).__slots__}
        return {name: part for name, part in parts.items() if part not in (None, "", 0, [], {})}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Slot) else value


def dump_reverted(reverted: Reverted) -> str:
    return json.dumps(_plain(reverted), sort_keys=True)


def parse_reverted(deployment: Mapping[str, Any]) -> Reverted | None:
    """Why a Deployment has lost the traffic by itself, None where it has not."""
    text = (deployment.get("metadata", {}).get("annotations") or {}).get(REVERTED_ANNOTATION, "")
    try:
        return msgspec.json.decode(text, type=Reverted)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None


def parse(service: Mapping[str, Any] | None) -> Traffic | None:
    """What a live Service records, None where there is none or its record was destroyed.

    Fields that a newer operator has added are passed over.
    """
    text = ((service or {}).get("metadata", {}).get("annotations") or {}).get(TRAFFIC_ANNOTATION, "")
    try:
        found = msgspec.json.decode(text, type=Traffic)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None
    return found if found.revision else None
