"""One pass over the trail of an object: what is new goes into the journal, and from the journal to MLflow.

In one pass an entry makes one of three steps: into the journal, to MLflow, and out of the journal once MLflow shows it.
The journal is written only where something is new, and MLflow is asked for nothing while no entry waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.automation import Mode
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import MODEL_DEPLOYMENT, MONITORING_ANNOTATION, NOTE_ANNOTATION
from viridian.api.trail_status import IncidentStatus, SpecRevision
from viridian.core.conditions import Finding, Truth, conditions_in, transition
from viridian.core.kube import without_empty
from viridian.core.lookup import annotations_of, mapping, text
from viridian.core.monitor_results import MonitorResults, parse_annotation, parse_results
from viridian.core.obstacles import from_registry
from viridian.core.ownership import Belongs, belongs
from viridian.core.plan import Action, Apply, CreateRun, Delete, Event, EventType, Plan, TagRun
from viridian.core.times import format_time, length, parse_time
from viridian.trail import spec_changes
from viridian.trail.incidents import IncidentChanges, deadline, is_open, next_incidents, overdue, sentence
from viridian.trail.journal import (
    Journal,
    has_waiting,
    journal_write,
    read_journal,
    shown_edits,
    stored_journal,
    with_delivered,
    with_entries,
    without_entries,
)
from viridian.trail.trail_entry import TrailEntry
from viridian.trail.trail_input import TrailInput
from viridian.trail.trail_pages import TrailBatch, first_batch, owner_uid
from viridian.trail.trail_sources import entries_of_deployment, entries_of_policy

_FIRST_STATUS: Final = timedelta(seconds=30)
"""How long a new object without a status is left alone: that it becomes ready is more urgent than its trail."""
_UNTIL_STATUS: Final = timedelta(seconds=5)
"""Until such an object is looked at again."""
_SHOWS_SOON: Final = timedelta(seconds=1)
"""Until MLflow is asked whether it shows what it has just taken."""
_LOOK_AGAIN: Final = timedelta(seconds=60)
"""Nobody waits for the trail: MLflow is left alone for so long where it does not take it."""
_SENT_AGAIN: Final = "the newest 100 events wait in the cluster, and are sent again until it takes them"
_AGAIN: Final = "the entries wait in the cluster, and are written to MLflow again until it takes them"


def decide_trail(given: TrailInput, now: datetime) -> Plan:
    """What to write, and what the status shows."""
    known = conditions_in(given.status.get("conditions"))
    if _is_new(given, now) and not any(condition.get("type") == reasons.READY for condition in known):
        return Plan(wake=now + _UNTIL_STATUS, summary="trail: the object has no status yet")
    stored = stored_journal(given)
    before = read_journal(stored)
    if text(given.manifest, "spec", "mode") == Mode.OBSERVE:
        return Plan(status=_shown(before), summary="trail: nothing is written in mode Observe")
    incidents = _incidents(given, before, now)
    settled = with_delivered(_without_synced(given, before), given.delivered)
    journal = _next_journal(given, settled, incidents, now)
    write = journal_write(given, journal, stored)
    if write is not None:
        write = replace(write, tells=_recurred(incidents))
    to_mlflow = tuple(_to_mlflow(given, before))
    findings = tuple(_findings(given, before, now))
    conditions = transition(findings, before=known, generation=given.generation, now=now)
    return Plan(
        actions=(*((write,) if write is not None else ()), *to_mlflow, *_left_behind(given)),
        status={**_shown(before), **({"conditions": conditions} if conditions else {})},
        news=tuple(_news(known, findings)),
        wake=_wake(given, before, write, to_mlflow, now),
        summary=f"trail: {journal.count - before.count} new entries, {len(journal.waiting())} wait for MLflow",
    )


def next_batch(given: TrailInput) -> TrailBatch | None:
    """What goes to MLflow next; None where nothing is to be written."""
    return _batch(given, read_journal(stored_journal(given)))


def _is_new(given: TrailInput, now: datetime) -> bool:
    created = parse_time(text(given.manifest, "metadata", "creationTimestamp"))
    return created is not None and now < created + _FIRST_STATUS


def _left_behind(given: TrailInput) -> Iterator[Delete]:
    """The journals of earlier objects of this name that were deleted without them, once MLflow has their entries."""
    for child in given.children:
        is_anothers = owner_uid(child) not in ("", given.uid) and belongs(child, given.uid) is Belongs.ORPHAN
        waits = has_waiting(read_journal(child), has_registry=True, has_sink=given.has_sink)
        if is_anothers and not waits:
            yield Delete(
                "apps/v1", "ControllerRevision", text(child, "metadata", "name"), text(child, "metadata", "uid")
            )


# ---- the journal


def _without_synced(given: TrailInput, before: Journal) -> Journal:
    """The journal without the entries that MLflow shows."""
    batch = _batch(given, before)
    if batch is None or given.page is None or batch.missing(given.page.tags):
        return before
    return without_entries(before, batch.entries[-1].number, has_sink=given.has_sink)


def _next_journal(given: TrailInput, before: Journal, incidents: IncidentChanges, now: datetime) -> Journal:
    edit = _edit(given, before, now)
    found = [*((edit,) if edit is not None else ()), *incidents.entries, *_from_records(given)]
    journal = with_entries(before, found, has_registry=given.has_registry)
    if edit is not None and edit.key in journal.known:
        spec = spec_changes.kept(given.manifest.get("spec"))
        journal = msgspec.structs.replace(journal, generation=given.generation, spec=spec)
    has_all = all(entry.key in journal.known for entry in incidents.entries)
    return msgspec.structs.replace(journal, incidents=incidents.log) if has_all else journal


def _edit(given: TrailInput, before: Journal, now: datetime) -> TrailEntry | None:
    """The edit of the spec that no entry is about; None where there is none."""
    if given.generation == before.generation:
        return None
    by, at = spec_changes.author(given.manifest)
    when = format_time(at if at is not None else now)
    if before.spec is None:
        made = given.generation == 1
        what = "made" if made else f"seen for the first time, at generation {given.generation}"
        name = f"{given.kind} {given.name} {what}"
        identity = f"created {given.generation}"
        return TrailEntry(id=identity, at=when, what=reasons.CREATED, by=by, message=name, generation=given.generation)
    changed = spec_changes.differences(before.spec, spec_changes.kept(given.manifest.get("spec")))
    missed = given.generation - before.generation - 1
    several = f"; {missed} edits before it were not seen by themselves" if missed > 0 else ""
    return TrailEntry(
        id=f"edit {given.generation}",
        at=when,
        what=reasons.SPEC_CHANGED,
        by=by,
        message=f"generation {given.generation}{several}",
        generation=given.generation,
        changed=changed,
    )


def _from_records(given: TrailInput) -> Iterator[TrailEntry]:
    if given.kind == MODEL_DEPLOYMENT:
        return entries_of_deployment(given.children, given.uid)
    return entries_of_policy(given.children, given.name, given.uid)


def _recurred(incidents: IncidentChanges) -> tuple[Event, ...]:
    """An Event for each new incident that comes with a note about an earlier one."""
    noted = (one for one in incidents.began if one.earlier is not None)
    return tuple(Event(EventType.WARNING, reasons.EVENT_INCIDENT_RECURRED, sentence(one)) for one in noted)


# ---- incidents


def _incidents(given: TrailInput, journal: Journal, now: datetime) -> IncidentChanges:
    if given.kind != MODEL_DEPLOYMENT:
        return IncidentChanges(journal.incidents, ())
    note = given.annotations.get(NOTE_ANNOTATION, "")
    return next_incidents(journal.incidents, given.uid, _results(given), _monitors(given), note, now)


def _results(given: TrailInput) -> MonitorResults | None:
    """What the monitors found last: it stands on the record of the champion."""
    mine = (child for child in given.children if belongs(child, given.uid) is Belongs.OURS)
    recorded = (annotations_of(child).get(MONITORING_ANNOTATION, "") for child in mine)
    found = [results for one in recorded if one and (results := parse_results(parse_annotation(one))) is not None]
    return max(found, key=lambda results: results.end, default=None)


def _spec(given: TrailInput) -> ModelDeploymentSpec | None:
    try:
        return msgspec.convert(given.manifest.get("spec"), ModelDeploymentSpec)
    except msgspec.ValidationError:
        return None


def _monitors(given: TrailInput) -> Sequence[str] | None:
    spec = _spec(given)
    if spec is None:
        return None
    return [monitor.name for monitor in spec.monitoring.monitors] if spec.monitoring is not None else []


def _recover_within(given: TrailInput) -> timedelta | None:
    declared = text(given.manifest, "spec", "monitoring", "recoverWithin")
    return length(declared) if declared else None


# ---- MLflow


def _batch(given: TrailInput, before: Journal) -> TrailBatch | None:
    waiting = before.waiting() if given.has_registry else ()
    return first_batch(waiting, given.kind, given.namespace, given.name, given.uid)


def _to_mlflow(given: TrailInput, before: Journal) -> Iterator[Action]:
    """What MLflow does not show yet of the entries in the journal."""
    batch = _batch(given, before)
    if batch is None or given.gap is not None:
        return
    if given.page is None:
        yield CreateRun(batch.experiment, batch.run_key, batch.run_tags)
    elif missing := batch.missing(given.page.tags):
        yield TagRun(given.page.run_id, missing)


def _wake(
    given: TrailInput, before: Journal, write: Apply | None, to_mlflow: Sequence[Action], now: datetime
) -> datetime | None:
    """Soon where an entry has a further way to go; else when an incident will have lasted too long."""
    if from_registry(given.obstacles) is not None:
        return now + _LOOK_AGAIN
    if to_mlflow:
        return now + _SHOWS_SOON
    if write is not None:
        return now
    if given.gap is not None or given.sink_gap:
        return now + _LOOK_AGAIN
    limit = _recover_within(given)
    if limit is None:
        return None
    dues = [deadline(one, limit) for one in before.incidents.known if is_open(one)]
    return min((due for due in dues if due is not None and due > now), default=None)


# ---- the status


def _shown(journal: Journal) -> dict[str, Any]:
    revisions = [
        SpecRevision(number=entry.generation, at=entry.at, by=entry.by, changed=entry.changed)
        for entry in shown_edits(journal)
    ]
    shown: dict[str, Any] = {"revisions": msgspec.to_builtins(revisions)}
    if journal.incidents.known:
        shown["incidents"] = msgspec.to_builtins(journal.incidents.known)
    found: dict[str, Any] = without_empty(shown)
    return found


def _findings(given: TrailInput, before: Journal, now: datetime) -> Iterator[Finding]:
    refused = from_registry(given.obstacles)
    if refused is not None:
        yield Finding(reasons.TRAIL_SYNCED, Truth.FALSE, refused.reason, f"{refused.message}; {_AGAIN}")
    elif given.gap is not None and before.waiting():
        yield Finding(reasons.TRAIL_SYNCED, Truth.FALSE, given.gap.reason, f"{given.gap.message}; {_AGAIN}")
    if given.sink_gap:
        message = f"{given.sink_gap}; {_SENT_AGAIN}"
        yield Finding(reasons.EVENTS_DELIVERED, Truth.FALSE, reasons.SINK_UNAVAILABLE, message)
    limit = _recover_within(given)
    if limit is None or not mapping(given.manifest, "spec", "monitoring"):
        return
    late = overdue(before.incidents.known, limit, now)
    if late:
        yield Finding(reasons.RECOVERY_OVERDUE, Truth.TRUE, reasons.RECOVERY_TOO_LATE, _too_late(late, given))
    else:
        message = "no monitor fires for longer than spec.monitoring.recoverWithin"
        yield Finding(reasons.RECOVERY_OVERDUE, Truth.FALSE, reasons.RECOVERED_IN_TIME, message)


def _too_late(late: Sequence[IncidentStatus], given: TrailInput) -> str:
    which = ", ".join(f"{one.monitor} since {one.began} (incident {one.id})" for one in late)
    limit = text(given.manifest, "spec", "monitoring", "recoverWithin")
    return (
        f"no recovery within {limit}: {which}; roll back, train on newer data, or correct the monitor. To note the "
        f"cause: kubectl -n {given.namespace} annotate --overwrite md {given.name} "
        f"'viridian.dev/note={late[0].id} <what caused it>#<your user name>'"
    )


def _news(known: Sequence[Any], findings: Sequence[Finding]) -> Iterator[Event]:
    """An Event for an incident that lasts too long, once."""
    before = {(c.get("type"), c.get("status")) for c in known}
    for one in findings:
        if one.reason == reasons.RECOVERY_TOO_LATE and (one.type, str(one.status)) not in before:
            yield Event(EventType.WARNING, reasons.EVENT_RECOVERY_OVERDUE, one.message)
