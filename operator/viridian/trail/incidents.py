"""Incidents: spans of time in which a monitor fires. Each has a beginning, and an end once the monitor is quiet again.

An incident goes on when another version becomes the champion: the time to recovery is what users wait. A monitor that
has too little data is not quiet. What a person notes about an incident is shown again with the next one of the same
monitor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from viridian.api import reasons
from viridian.api.monitoring_status import MonitorStatus
from viridian.api.names import short_hash
from viridian.api.schema import MAX_WORD
from viridian.api.texts import introduced, one_line
from viridian.api.trail_status import MAX_NOTE, SHOWN_INCIDENTS, IncidentNote, IncidentStatus
from viridian.core.monitor_results import FIRED, QUIET, MonitorResults
from viridian.core.times import format_time, parse_time
from viridian.trail.trail_entry import MAX_MESSAGE, TrailEntry

_MAX_MESSAGE: Final = 300
_MAX_NOTES: Final = 40
"""Monitors whose newest note is kept; a spec has fewer monitors."""


class IncidentLog(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the journal remembers of incidents."""

    known: tuple[IncidentStatus, ...] = ()
    """The newest ones and all that are open, newest first."""
    notes: dict[str, IncidentNote] = {}
    """The newest note about an incident of each monitor."""


@dataclass(frozen=True, slots=True)
class IncidentChanges:
    """The next log, and what is new in it."""

    log: IncidentLog
    entries: tuple[TrailEntry, ...]
    began: tuple[IncidentStatus, ...] = ()


def next_incidents(
    log: IncidentLog,
    uid: str,
    results: MonitorResults | None,
    monitors: Sequence[str] | None,
    note: str,
    now: datetime,
) -> IncidentChanges:
    """What the newest results of the monitors, and a person's note, make of the incidents.

    `monitors`: those that the spec has; None where the spec cannot be read. `note`: the annotation `viridian.dev/note`.
    """
    known, entries, began = list(log.known), list[TrailEntry](), list[IncidentStatus]()
    for monitor in results.status.monitors if results is not None else ():
        position = next((at for at, one in enumerate(known) if one.monitor == monitor.name and is_open(one)), None)
        if results is not None and position is None and monitor.verdict == FIRED:
            began.append(_begun(uid, monitor, results.end, log.notes.get(monitor.name)))
            known.insert(0, began[-1])
            entries.append(_entry(began[-1], reasons.INCIDENT_BEGAN, began[-1].began, began[-1].message))
        elif results is not None and position is not None and monitor.verdict == QUIET:
            known[position] = ended = _recovered(known[position], results.end)
            entries.append(_entry(ended, reasons.INCIDENT_RECOVERED, ended.recovered or "", _took(ended)))
    removed = [one for one in known if is_open(one) and monitors is not None and one.monitor not in monitors]
    entries += [_entry(one, reasons.INCIDENT_DROPPED, format_time(now), "its monitor was removed") for one in removed]
    known = [one for one in known if one not in removed]
    log, noted = _with_note(IncidentLog(known=tuple(known), notes=log.notes), note, now)
    kept = tuple(one for at, one in enumerate(log.known) if at < SHOWN_INCIDENTS or is_open(one))
    return IncidentChanges(IncidentLog(known=kept, notes=log.notes), (*entries, *noted), tuple(began))


def is_open(incident: IncidentStatus) -> bool:
    """Whether the monitor is not quiet again."""
    return incident.recovered is None


def overdue(known: Sequence[IncidentStatus], limit: timedelta, now: datetime) -> tuple[IncidentStatus, ...]:
    """The open incidents that have lasted longer than the declared time to recovery."""
    return tuple(one for one in known if is_open(one) and (due := deadline(one, limit)) is not None and due <= now)


def deadline(incident: IncidentStatus, limit: timedelta) -> datetime | None:
    """By when an incident should have ended."""
    began = parse_time(incident.began)
    return began + limit if began is not None else None


def sentence(incident: IncidentStatus) -> str:
    """What is reported when it begins: the finding, and what a person noted about an earlier one."""
    text = f"{introduced(incident.monitor, incident.message or 'fires')} (incident {incident.id})"
    if incident.earlier is None:
        return text
    by = f" by {incident.earlier.by}" if incident.earlier.by else ""
    return f"{text}; noted{by} about the incident of {incident.earlier.began}: {incident.earlier.text}"


def _begun(uid: str, monitor: MonitorStatus, end: datetime, earlier: IncidentNote | None) -> IncidentStatus:
    began = format_time(end)
    return IncidentStatus(
        id=short_hash(uid, monitor.name, began),
        monitor=monitor.name,
        began=began,
        message=one_line(monitor.message, _MAX_MESSAGE),
        earlier=earlier,
    )


def _recovered(incident: IncidentStatus, end: datetime) -> IncidentStatus:
    began = parse_time(incident.began) or end
    seconds = max((end - began) / timedelta(seconds=1), 0.0)
    return msgspec.structs.replace(incident, recovered=format_time(end), seconds=seconds)


def _took(incident: IncidentStatus) -> str:
    return f"quiet again {timedelta(seconds=incident.seconds or 0)} after it was first seen to fire"


def _entry(incident: IncidentStatus, what: str, at: str, message: str, by: str = "") -> TrailEntry:
    text = one_line(f"incident {incident.id} of {introduced(incident.monitor, message)}", MAX_MESSAGE)
    identity = f"{what} {incident.id}" + (f" {by}: {message}" if by else "")
    return TrailEntry(id=identity, at=at, what=what, by=by, message=text)


def _with_note(log: IncidentLog, annotation: str, now: datetime) -> tuple[IncidentLog, tuple[TrailEntry, ...]]:
    """The log with what a person has noted; nothing new where it is known, or is about none of the incidents."""
    found = _parsed(annotation)
    about = next((one for one in log.known if found is not None and one.id == found.incident), None)
    if found is None or about is None or (about.note is not None and _same(about.note, found)):
        return log, ()
    note = msgspec.structs.replace(found, began=about.began)
    known = tuple(msgspec.structs.replace(one, note=note) if one is about else one for one in log.known)
    notes = {name: one for name, one in log.notes.items() if name != about.monitor} | {about.monitor: note}
    entry = _entry(about, reasons.INCIDENT_NOTED, format_time(now), note.text, note.by or "a person")
    return IncidentLog(known=known, notes=dict(list(notes.items())[-_MAX_NOTES:])), (entry,)


def _same(stored: IncidentNote, found: IncidentNote) -> bool:
    return (stored.text, stored.by) == (found.text, found.by)


def _parsed(annotation: str) -> IncidentNote | None:
    """The note in `<incident> <note>[#<user>]`; None where there is none."""
    head, by = annotation.rsplit("#", 1) if "#" in annotation else (annotation, "")
    incident, _, text = head.strip().partition(" ")
    if not incident or not text.strip():
        return None
    return IncidentNote(text=one_line(text, MAX_NOTE), by=one_line(by.strip(), MAX_WORD), incident=incident)
