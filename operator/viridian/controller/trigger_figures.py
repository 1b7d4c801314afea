"""Figures about the triggers of a RetrainPolicy, from its status: what started no run, and how long a cause waited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from viridian.controller.exposition import line
from viridian.core.times import parse_time

SUPPRESSED: Final = "viridian_trigger_suppressed"
WAIT: Final = "viridian_trigger_wait_seconds"
WAIT_BOUNDS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 6 * 3600.0, 86400.0, 7 * 86400.0, 30 * 86400.0)
"""From seconds on an idle policy to weeks behind a pause."""

Fired = Mapping[str, str]
"""When each trigger last fired, by its name."""


def suppressed_lines(labels: Mapping[str, str], status: Mapping[str, Any]) -> bytes:
    """A series for each trigger that has occurred and has started no run. Where the status has no count, it is 1."""
    shown = ((one.get("name", ""), one.get("suppressed")) for one in _all(status))
    return b"".join(
        line(SUPPRESSED, {**labels, "reason": why.get("reason", ""), "trigger": name}, why.get("count") or 1)
        for name, why in shown
        if why
    )


def _all(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from status.get("triggers") or ()
    yield from status.get("unnamedTriggers") or ()


def fired_in(status: Mapping[str, Any]) -> Fired:
    """When each trigger last fired, as the status has it."""
    shown = ((one.get("name", ""), one.get("lastFired")) for one in status.get("triggers") or ())
    return {name: at for name, at in shown if at}


def waits(before: Fired, status: Mapping[str, Any]) -> Iterator[float]:
    """Seconds from what has occurred to the begin of the run that answers it, for each trigger that has just fired."""
    began = parse_time((status.get("activeRun") or {}).get("startedAt") or "")
    for name, at in fired_in(status).items():
        occurred = parse_time(at)
        if began is not None and occurred is not None and before.get(name) != at:
            yield max(0.0, (began - occurred).total_seconds())
