"""Which slot of a model runs what, and for which share of the users."""

from __future__ import annotations

from dataclasses import dataclass

from viridian.api.modeldeployment_status import ModelDeploymentStatus
from viridian.api.names import Slot


@dataclass(frozen=True, slots=True)
class SlotRole:
    """A slot that runs something; `share` is in percent."""

    slot: Slot
    role: str
    version: str
    revision: str
    share: int


def slot_roles(status: ModelDeploymentStatus) -> list[SlotRole]:
    """Champion and challenger, or else champion and fallback; blue first."""
    share = status.challenger.weight if status.challenger is not None else 0
    roles: dict[Slot, SlotRole] = {}
    for role, one, percent in (("champion", status.champion, 100 - share), ("challenger", status.challenger, share)):
        if one is not None:
            roles[one.slot] = SlotRole(one.slot, role, one.version or "", one.revision, percent)
    if status.challenger is None and (fallback := status.fallback) is not None:
        ready = "fallback" if fallback.ready else "fallback, not ready"
        roles[fallback.slot] = SlotRole(fallback.slot, ready, fallback.version or "", fallback.revision, 0)
    return [roles[slot] for slot in sorted(roles)]
