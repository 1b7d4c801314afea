"""The next list of conditions: what is true now, with the time at which it became so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from viridian.api.texts import one_line

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


def stamp(now: datetime) -> str:
    """A point in time as the Kubernetes API writes it, in whole seconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp_exact(now: datetime) -> str:
    """The same in microseconds, for measuring."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: Any) -> datetime | None:
    """The point in time that such a text names, None for anything else.

    Years that nobody means are nothing as well: adding a duration to them would leave the calendar.
    """
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1970 <= parsed.year < 9000:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def longer_ago(since: datetime | None, limit: timedelta, now: datetime) -> bool:
    """Whether it is known since when, and longer than that."""
    return since is not None and now - since > limit


def transition(findings: Iterable[Finding], *, before: Any, generation: int, now: datetime) -> list[dict[str, Any]]:
    """The findings as conditions: lastTransitionTime moves only when the status changes.

    `before` is the list that was stored; whoever wrote it, what is no condition in it counts for nothing.
    """
    known = {str(condition.get("type")): condition for condition in conditions_in(before)}
    return [_condition(finding, known.get(finding.type), generation, now) for finding in findings]


def _condition(finding: Finding, before: Mapping[str, Any] | None, generation: int, now: datetime) -> dict[str, Any]:
    same = before is not None and before.get("status") == finding.status
    since = before.get("lastTransitionTime") if before is not None and same else None
    since = since if moment(since) else None
    return {
        "type": finding.type,
        "status": str(finding.status),
        "reason": finding.reason,
        "message": one_line(finding.message, _LONGEST),
        "lastTransitionTime": since or stamp(now),
        "observedGeneration": generation,
    }


def conditions_in(stored: Any) -> list[Mapping[str, Any]]:
    """The conditions in what was stored as their list."""
    return [entry for entry in stored if isinstance(entry, Mapping)] if isinstance(stored, list | tuple) else []


def is_true(conditions: Iterable[Mapping[str, Any]], type_: str) -> bool:
    return any(c.get("type") == type_ and c.get("status") == "True" for c in conditions)


def reason_of(conditions: Iterable[Mapping[str, Any]], type_: str) -> str | None:
    return next((c.get("reason") for c in conditions if c.get("type") == type_), None)
