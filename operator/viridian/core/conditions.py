"""The next list of conditions: what is true now, with the time at which it became so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from viridian.api.texts import one_line
from viridian.core.times import format_time, parse_time

_LONGEST = 1024


class Truth(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"

    @classmethod
    def of(cls, value: bool) -> Truth:
        return cls.TRUE if value else cls.FALSE


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition before it has a time: what holds, why, and the sentence for people."""

    type: str
    status: Truth
    reason: str
    message: str


def transition(findings: Iterable[Finding], *, before: Any, generation: int, now: datetime) -> list[dict[str, Any]]:
    """The findings as conditions: lastTransitionTime moves only when the status changes.

    `before` is the list that was stored; entries that are not conditions are ignored.
    """
    known = {str(condition.get("type")): condition for condition in conditions_in(before)}
    return [_condition(finding, known.get(finding.type), generation, now) for finding in findings]


def _condition(finding: Finding, before: Mapping[str, Any] | None, generation: int, now: datetime) -> dict[str, Any]:
    same = before is not None and before.get("status") == finding.status
    since = before.get("lastTransitionTime") if before is not None and same else None
    since = since if parse_time(since) else None
    return {
        "type": finding.type,
        "status": str(finding.status),
        "reason": finding.reason,
        "message": one_line(finding.message, _LONGEST),
        "lastTransitionTime": since or format_time(now),
        "observedGeneration": generation,
    }


def conditions_in(stored: Any) -> list[Mapping[str, Any]]:
    """The conditions in what was stored as their list."""
    return [entry for entry in stored if isinstance(entry, Mapping)] if isinstance(stored, list | tuple) else []


def is_true(conditions: Iterable[Mapping[str, Any]], type_: str) -> bool:
    return any(c.get("type") == type_ and c.get("status") == "True" for c in conditions)


def reason_of(conditions: Iterable[Mapping[str, Any]], type_: str) -> str | None:
    return next((c.get("reason") for c in conditions if c.get("type") == type_), None)
