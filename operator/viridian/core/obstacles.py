"""What prevents a write. Conditions and Events report it, and everything else goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from viridian.api import reasons
from viridian.core.plan import Manifest, Target

_SHOWN: Final = 2
"""Obstacles that a message quotes; the others are named."""
_QUOTED: Final = 350
_REFUSED: Final = (
    "whatever refuses it must let it through, or the spec must change. It is tried again within 30 s; everything else "
    "goes on"
)
_UNAVAILABLE: Final = (
    "if a webhook is named here, repair it or remove its configuration. It is tried again within 15 s; everything else "
    "goes on"
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a write of one object is not done."""

    kind: str
    name: str
    # The API server's sentence: it names the object, and the policy, webhook or quota that stands in the way.
    message: str
    # Whether the API server refuses it; otherwise nothing is known to be wrong with it.
    refused: bool
    # Whether it is reported: an obstacle that has only just appeared may be gone with the next attempt.
    lasting: bool = True
    # What was to be applied when it was met last.
    wanted: Manifest | None = field(default=None, compare=False)
    # Whether an object was to be deleted: nothing waits for that.
    deletion: bool = False
    # Whether it is not yet time to try the same again.
    waits: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class RegistryObstacle(Obstacle):
    """Why the registry has not taken a write of this pass, or is not known to have."""

    # One of viridian.api.reasons.
    reason: str = ""
    # Whether what was to be written to does not exist any more.
    gone: bool = False


Obstacles = Mapping[Target, Obstacle]
NO_OBSTACLES: Final[Obstacles] = {}


def from_registry(obstacles: Obstacles) -> RegistryObstacle | None:
    """What the registry had against the first write that it did not take; None where it took all."""
    return next((one for one in obstacles.values() if isinstance(one, RegistryObstacle)), None)


def from_cluster(obstacles: Obstacles) -> Obstacles:
    """What the API server has not taken."""
    return {target: one for target, one in obstacles.items() if not isinstance(one, RegistryObstacle)}


def refusal(obstacles: Obstacles) -> tuple[str, str] | None:
    """Reason and sentence of `Stalled`: what needs a change by someone."""
    return _reported(reasons.APPLY_REFUSED, [one for one in _sorted(obstacles) if one.refused], _REFUSED)


def outage(obstacles: Obstacles) -> tuple[str, str] | None:
    """Reason and sentence of `Reconciling`: what may end by itself."""
    lasting = [one for one in _sorted(obstacles) if one.lasting and not one.refused]
    return _reported(reasons.APPLY_UNAVAILABLE, lasting, _UNAVAILABLE)


def needed(obstacles: Obstacles, *kinds: str) -> Obstacles:
    """Those in the way of objects of these kinds that are to be there."""
    return {target: one for target, one in obstacles.items() if one.kind in kinds and not one.deletion}


def _sorted(obstacles: Obstacles) -> list[Obstacle]:
    return [obstacles[target] for target in sorted(obstacles)]


def _reported(reason: str, found: list[Obstacle], advice: str) -> tuple[str, str] | None:
    if not found:
        return None
    quoted = [_cut(one.message) for one in found[:_SHOWN]]
    others = [f"{one.kind} {one.name}" for one in found[_SHOWN:]]
    more = [f"and the same of {', '.join(others[:4])}{' and others' if len(others) > 4 else ''}"] if others else []
    return reason, f"{'; '.join([*quoted, *more])}. {advice[0].upper()}{advice[1:]}"


def _cut(message: str) -> str:
    return message if len(message) <= _QUOTED else f"{message[: _QUOTED - 1]}…"
