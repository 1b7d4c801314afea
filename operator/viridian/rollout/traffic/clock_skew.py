"""Times of the traffic record that lie ahead: the clock has gone back since, or another operator's clock is ahead.

Evidence counts from such a time on, and so do steps and deadlines. Without a correction nothing would be judged until
the clock has come there, and users would meet a bad challenger as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, cast

from viridian.rollout.traffic.record import Traffic

TOLERATED: Final = timedelta(seconds=5)
"""Clocks of several computers differ by less, and waiting for so long harms nobody."""


def none_ahead(traffic: Traffic | None, now: datetime) -> Traffic | None:
    """The record with the present time in the place of each that lies ahead; the same object where none does."""
    return cast("Traffic | None", _corrected(traffic, now))


def _corrected(value: Any, now: datetime) -> Any:
    if isinstance(value, datetime):
        return now if value > now + TOLERATED else value
    if isinstance(value, Mapping):
        corrected = {key: _corrected(part, now) for key, part in value.items()}
        return corrected if any(corrected[key] is not part for key, part in value.items()) else value
    if is_dataclass(value) and not isinstance(value, type):
        parts = {one.name: getattr(value, one.name) for one in fields(value)}
        changed = {name: new for name, part in parts.items() if (new := _corrected(part, now)) is not part}
        return replace(value, **changed) if changed else value
    return value
