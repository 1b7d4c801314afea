"""`spec.review`: when the next review is due, and whether a person has reviewed the model since.

The annotation viridian.dev/review is the memory. An admission policy holds its author to the name of the user that the
API server has authenticated. A review dates from the day that it names. A day that is still to come counts for nothing,
so nobody reviews in advance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from viridian.api import durations, reasons
from viridian.api.names import REVIEW_ANNOTATION
from viridian.core.conditions import Finding, Truth
from viridian.core.plan import Event, EventType
from viridian.core.times import parse_time
from viridian.monitoring.input import MonitoringInput

_ANSWER: Final = re.compile(r"(\d{4}-\d{2}-\d{2}) (fits|changed): ")
"""How the annotation viridian.dev/review begins; note, `#` and who reviewed follow. The admission policy asks for the
same."""
_NOTE_LENGTH: Final = range(3, 501)
_REVIEWER_LENGTH: Final = range(1, 301)
_ZONES: Final = timedelta(hours=14)
"""It is tomorrow somewhere up to so long before it is here."""


@dataclass(frozen=True, slots=True)
class HeldReview:
    """A review that a person has held."""

    at: datetime
    answer: str
    """`fits` or `changed`."""
    note: str
    by: str


def held_review(annotation: str, now: datetime) -> HeldReview | None:
    """The review that an annotation tells of; None where it tells of none."""
    text, _, by = annotation.strip().partition("#")
    found = _ANSWER.match(text)
    at = parse_time(found[1]) if found is not None else None
    if found is None or at is None or at > now + _ZONES:
        return None
    note = text[found.end() :]
    if len(note) not in _NOTE_LENGTH or len(by) not in _REVIEWER_LENGTH or "#" in by:
        return None
    return HeldReview(at, found[2], note.strip(), by)


def next_due(inputs: MonitoringInput, now: datetime) -> datetime | None:
    """When the next review is due; None where none is asked for."""
    review = inputs.spec.review if inputs.spec is not None else None
    if review is None or inputs.created is None:
        return None
    held = held_review(inputs.review_annotation, now)
    latest = max(inputs.created, held.at) if held is not None else inputs.created
    return latest + durations.parse(review.every)


def review_findings(inputs: MonitoringInput, now: datetime) -> Iterator[Finding]:
    """The condition ReviewDue, where reviews are asked for."""
    due = next_due(inputs, now)
    if due is None or inputs.spec is None or inputs.spec.review is None:
        return
    every = inputs.spec.review.every
    if now < due:
        held = held_review(inputs.review_annotation, now)
        before = f"; the last one, on {held.at:%Y-%m-%d}, by {held.by}: {held.answer}: {held.note}" if held else ""
        message = f"the next review is due on {due:%Y-%m-%d}{before}"
        yield Finding(reasons.REVIEW_DUE, Truth.FALSE, reasons.REVIEW_NOT_DUE, message)
        return
    value = f"{REVIEW_ANNOTATION}=<date> fits: <what was looked at>#<your user name>"
    command = f"kubectl -n {inputs.namespace} annotate --overwrite md {inputs.name} '{value}'"
    message = (
        f"a review is due every {every}, and was due on {due:%Y-%m-%d}: look at thresholds, objective and context "
        f"(python -m viridian.cli review), then {command}, with changed instead of fits where something was changed"
    )
    yield Finding(reasons.REVIEW_DUE, Truth.TRUE, reasons.REVIEW_OVERDUE, message)


def review_events(before: Sequence[Mapping[str, Any]], findings: Sequence[Finding]) -> Iterator[Event]:
    """A review has become due, or was held."""
    was = {condition.get("type"): condition.get("status") for condition in before}
    for finding in findings:
        if finding.type != reasons.REVIEW_DUE:
            continue
        if finding.status is Truth.TRUE and was.get(finding.type) != Truth.TRUE:
            yield Event(EventType.WARNING, reasons.EVENT_REVIEW_DUE, finding.message)
        elif finding.status is Truth.FALSE and was.get(finding.type) == Truth.TRUE:
            yield Event(EventType.NORMAL, reasons.EVENT_REVIEW_HELD, finding.message)
