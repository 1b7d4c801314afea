"""A ModelDeployment in one line: who serves, who is on trial, and whether somebody has to act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.modeldeployment_status import ChallengerStatus, Condition, ModelDeploymentStatus, SlotStatus
from viridian.core.lenient import readable
from viridian.rollout.decision import WaitKind


class ModelHealth(IntEnum):
    """How urgent it is to look at a model; the lowest comes first in a list."""

    BROKEN = 0
    """Users are not served as they should be, or nothing can be decided."""
    NEEDS_A_PERSON = 1
    """It serves, and waits for somebody."""
    ROLLING_OUT = 2
    WELL = 3

    @property
    def word(self) -> str:
        """As people read it: `needs a person`."""
        return self.name.replace("_", " ").lower()


FOR_PEOPLE: Final[frozenset[str]] = frozenset(
    {
        WaitKind.APPROVAL,
        WaitKind.BREACH_HELD,
        WaitKind.UNPAUSED,
        WaitKind.PROMOTION_HOLD,
        WaitKind.FORMER_CHAMPION,
        WaitKind.NEW_REVISION,
    }
)
"""Reasons of waiting (`status.challenger.waitingReason`) that only a person can end."""
ALARMS: Final = (
    reasons.RECOVERY_OVERDUE,
    reasons.ROLLBACK_UNTESTED,
    reasons.REVIEW_REQUIRED,
    reasons.CONCEPT_DRIFT,
    reasons.DECAY,
    reasons.DATA_DRIFT,
    reasons.PREDICTION_DRIFT,
)
"""Conditions that ask for a look while they are True."""


class _ListedStatus(msgspec.Struct, frozen=True, gc=False):
    """What a list shows of a status; the rest of it is passed over."""

    champion: SlotStatus | None = None
    challenger: ChallengerStatus | None = None
    conditions: tuple[Condition, ...] = ()

    def status(self) -> ModelDeploymentStatus:
        return ModelDeploymentStatus(champion=self.champion, challenger=self.challenger, conditions=self.conditions)


_STATUS: Final = msgspec.json.Decoder(_ListedStatus | None)


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What a list shows of a model."""

    namespace: str
    name: str
    health: ModelHealth
    status: ModelDeploymentStatus
    resource_version: str
    annotations: Mapping[str, str]

    @property
    def champion(self) -> str:
        return _named(self.status.champion)

    @property
    def challenger(self) -> str:
        return _named(self.status.challenger)

    @property
    def step(self) -> str:
        """The step of the challenger with its weight, such as `few (5 %)`."""
        challenger = self.status.challenger
        if challenger is None:
            return ""
        weight = f"{challenger.weight} %"
        return f"{challenger.step.name} ({weight})" if challenger.step is not None else weight

    @property
    def about(self) -> Condition | None:
        """The condition that says most about it now."""
        return next(iter(_telling(self.status)), None)


class ListedMetadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a list needs of the metadata of a model."""

    namespace: str
    name: str
    resource_version: str = ""
    annotations: dict[str, str] = {}


class ListedModel(msgspec.Struct, frozen=True, gc=False):
    """What a list needs of a model: to read a thousand whole ones would take longer than all the rest."""

    metadata: ListedMetadata
    status: msgspec.Raw = msgspec.Raw(b"{}")
    """As the API server sends it, read one at a time: one that another release has written spoils no other."""


class ModelList(msgspec.Struct, frozen=True, gc=False):
    """What is read of the API server's answer to a list."""

    items: tuple[ListedModel, ...] | None = None


def summary(manifest: Mapping[str, Any]) -> ModelSummary:
    """Of an object as the API server shows it; what this release cannot read of its status is left out."""
    metadata = manifest["metadata"]
    return _summary(
        ListedMetadata(
            metadata["namespace"],
            metadata["name"],
            metadata.get("resourceVersion", ""),
            metadata.get("annotations") or {},
        ),
        readable(manifest.get("status") or {}, ModelDeploymentStatus) or ModelDeploymentStatus(),
    )


def listed_summary(model: ListedModel) -> ModelSummary:
    """The same of a model in a list, whose status is known by its slots and conditions alone."""
    return _summary(model.metadata, _listed_status(model.status).status())


def _listed_status(sent: msgspec.Raw) -> _ListedStatus:
    """What is known is read at once, and what is not part by part, since there are a thousand of them."""
    try:
        return _STATUS.decode(sent) or _ListedStatus()
    except msgspec.ValidationError:
        return readable(msgspec.json.decode(sent), _ListedStatus) or _ListedStatus()


def _summary(metadata: ListedMetadata, status: ModelDeploymentStatus) -> ModelSummary:
    return ModelSummary(
        metadata.namespace, metadata.name, _health(status), status, metadata.resource_version, metadata.annotations
    )


def most_urgent_first(summaries: Sequence[ModelSummary]) -> list[ModelSummary]:
    return sorted(summaries, key=lambda one: (one.health, one.namespace, one.name))


def condition(status: ModelDeploymentStatus, type_: str) -> Condition | None:
    for one in status.conditions:
        if one.type == type_:
            return one
    return None


def is_true(status: ModelDeploymentStatus, type_: str) -> bool:
    found = condition(status, type_)
    return found is not None and found.status == "True"


def _health(status: ModelDeploymentStatus) -> ModelHealth:
    if is_true(status, reasons.STALLED) or not is_true(status, reasons.READY):
        return ModelHealth.BROKEN
    waiting = status.challenger.waiting_reason if status.challenger is not None else None
    if waiting in FOR_PEOPLE or any(is_true(status, alarm) for alarm in ALARMS):
        return ModelHealth.NEEDS_A_PERSON
    return ModelHealth.ROLLING_OUT if status.challenger is not None else ModelHealth.WELL


def _telling(status: ModelDeploymentStatus) -> list[Condition]:
    """Conditions in the order in which they matter to people."""
    bad = [one for type_ in (reasons.STALLED, *ALARMS) if (one := condition(status, type_)) and one.status == "True"]
    ready = condition(status, reasons.READY)
    if ready is None:
        return bad
    return [ready, *bad] if ready.status != "True" and not is_true(status, reasons.STALLED) else [*bad, ready]


def _named(slot: Any) -> str:
    """By its version in the registry, or else by its revision."""
    return "" if slot is None else (slot.version or slot.revision)
