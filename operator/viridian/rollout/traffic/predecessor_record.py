"""Who served users before the first version: a Deployment that is not the operator's, behind a Service that is now.

What its way to users was stands in the traffic record, so that one write of the Service brings it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from viridian.api.names import Slot

PREDECESSOR_SLOT: Final = Slot.GREEN
"""The slot that it takes in the record. The first version goes to the other one."""
_OF_A_PORT: Final = ("name", "port", "protocol", "targetPort", "appProtocol")


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A Deployment, and how its Service led to its pods."""

    deployment: str
    selector: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Mapping[str, Any], ...] = ()

    @property
    def revision(self) -> str:
        """What stands for it where a revision is named; no revision of a model is called so."""
        return predecessor_revision(self.deployment)


def predecessor_revision(deployment: str) -> str:
    return f"deployment:{deployment}"


def predecessor_of(deployment: str, service: Mapping[str, Any]) -> Predecessor:
    """The Deployment behind a Service as that is now."""
    spec = service.get("spec") or {}
    ports = tuple({name: port[name] for name in _OF_A_PORT if name in port} for port in spec.get("ports") or ())
    return Predecessor(deployment, dict(spec.get("selector") or {}), ports)
