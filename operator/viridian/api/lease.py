"""What a Lease says about who leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEASE_SECONDS: Final = 4
"""How long a leader may go without renewing, unless the operator's flags say otherwise."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Empty texts where the Lease says nothing."""

    holder: str = ""
    seconds: int = LEASE_SECONDS
    """How long the holder may go without renewing."""
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    version: str = ""
    """Of the stored object; empty for one that is to be made."""
