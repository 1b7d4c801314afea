"""What a pass of registry-sync has read, frozen: records, who serves, and the registry where it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from viridian.core.model_owners import OwnerRule, Owners, OwnersUnknown
from viridian.core.obstacles import Obstacles
from viridian.rollout.records import RevisionRecord
from viridian.rollout.traffic.record import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncInput:
    """A ModelDeployment as registry-sync sees it."""

    name: str
    namespace: str
    generation: int = 0
    status: Mapping[str, Any] = field(default_factory=dict)
    records: Mapping[str, RevisionRecord] = field(default_factory=dict)
    traffic: Traffic | None = None
    owners: Mapping[str, Owners | OwnersUnknown] = field(default_factory=dict)
    """To whom each registered model belongs that something is to be written to."""
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of these registered models, as far as they are known."""
    ticket: str = ""
    """`spec.governance.ticketRef`."""
    rules: tuple[OwnerRule, ...] = ()
    """The operator's configuration of owners."""
    replaced: frozenset[str] = frozenset()
    """Revisions whose version has left the registry, and whose number belongs to another one by now."""
    obstacles: Obstacles = field(default_factory=dict)


def unsynced(records: Mapping[str, RevisionRecord]) -> list[RevisionRecord]:
    """The records of registered versions whose newest outcome is not in the registry."""
    return [
        record
        for record in records.values()
        if record.model.name and record.model.version and record.decision and record.synced != record.decision.at
    ]


def models_to_write(records: Mapping[str, RevisionRecord]) -> frozenset[str]:
    """The registered models that a pass needs to know: none at rest."""
    return frozenset(record.model.name for record in unsynced(records) if record.model.name)
