"""What has changed since a time, what is open, and what waits for people: from the statuses of models and policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from viridian.api import reasons
from viridian.core.lookup import text
from viridian.core.times import parse_time
from viridian.people.model_summary import ModelHealth, ModelSummary, summary
from viridian.people.next_step import next_steps
from viridian.people.policy_objects import known_status
from viridian.people.waiting_runs import waiting_runs

WITHOUT_TICKET = "without a ticket"


@dataclass(frozen=True, slots=True)
class DigestEntry:
    """One change."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class DigestSection:
    """All about one namespace, or about one ticket."""

    title: str
    changes: Sequence[DigestEntry]
    open: Sequence[str]
    """What waits for people, or is wrong, now."""


def digest(
    models: Iterable[Mapping[str, Any]], policies: Iterable[Mapping[str, Any]], since: datetime, *, by_ticket: bool
) -> list[DigestSection]:
    """The sections in the order of their titles; one in which nothing has happened and nothing is open is left out.

    A status keeps the ten newest entries of each kind. What is older stands in the trail of audit.
    """
    changes: dict[str, list[DigestEntry]] = {}
    waiting: dict[str, list[str]] = {}
    for found, changes_of, open_of in ((models, _of_model, _open_of_model), (policies, _of_policy, _open_of_policy)):
        for manifest in found:
            title = _ticket(manifest) if by_ticket else str(manifest["metadata"]["namespace"])
            changes.setdefault(title, []).extend(one for one in changes_of(manifest) if one.at >= since)
            waiting.setdefault(title, []).extend(open_of(manifest))
    return [
        DigestSection(title, sorted(changes[title], key=lambda one: (one.at, one.text)), sorted(waiting[title]))
        for title in sorted(changes)
        if changes[title] or waiting[title]
    ]


def _of_model(manifest: Mapping[str, Any]) -> Iterator[DigestEntry]:
    model = summary(manifest)
    name, status = f"{model.namespace}/{model.name}", model.status
    for past in status.history:
        yield from _entry(past.at, f"{name}: version {past.version or past.revision} {past.outcome}, by {past.by}")
    for edit in status.revisions:
        yield from _entry(edit.at, f"{name}: {_edit(edit.number, edit.by, edit.changed)}")
    for incident in status.incidents:
        about = f"{name}: incident {incident.id} of monitor {incident.monitor}"
        yield from _entry(incident.began, f"{about} begins: {incident.message}")
        yield from _entry(incident.recovered, f"{about} is over")
    if status.drill is not None:
        yield from _entry(status.drill.ended_at, f"{name}: drill of the rollback {status.drill.outcome}")


def _of_policy(manifest: Mapping[str, Any]) -> Iterator[DigestEntry]:
    status = known_status(manifest)
    name = f"{manifest['metadata']['namespace']}/{text(manifest, 'metadata', 'name')}"
    for run in status.runs:
        made = f", version {run.version}" if run.version else ""
        yield from _entry(run.finished_at, f"{name}: run {run.id} {run.outcome}{made} ({', '.join(run.reasons)})")
        yield from _entry(run.handed_over_at, f"{name}: version {run.version} of run {run.id} is handed over")
    for edit in status.revisions:
        yield from _entry(edit.at, f"{name}: {_edit(edit.number, edit.by, edit.changed)}")


def _open_of_model(manifest: Mapping[str, Any]) -> Iterator[str]:
    model = summary(manifest)
    if model.health in (ModelHealth.BROKEN, ModelHealth.NEEDS_A_PERSON) and model.about is not None:
        commands = " or ".join(f"`{step.command}`" for step in next_steps(model))
        yield _sentence(model, f": {commands}" if commands else "")
    ended = f"{model.namespace}/{model.name}: incident"
    yield from (f"{ended} {one.id} of monitor {one.monitor}" for one in model.status.incidents if not one.recovered)


def _sentence(model: ModelSummary, commands: str) -> str:
    challenger, about = model.status.challenger, model.about
    waits = challenger.waiting_for if challenger is not None else None
    what = f"waits for {waits}" if waits else f"{about.reason}, {about.message}" if about is not None else ""
    return f"{model.namespace}/{model.name} {what}{commands}"


def _open_of_policy(manifest: Mapping[str, Any]) -> Iterator[str]:
    namespace, name = manifest["metadata"]["namespace"], text(manifest, "metadata", "name")
    for one in waiting_runs(manifest):
        command = f"kubectl viridian accept {name} {one.id} -n {namespace}"
        yield f"{namespace}/{name} waits for a person, so that {one.sentence}: `{command}`"
    paused = next((one for one in known_status(manifest).conditions if one.type == reasons.PAUSED), None)
    if paused is not None and paused.status == "True":
        yield f"{namespace}/{name} is paused: {paused.message}"


def _edit(number: int, by: str, changed: Sequence[str]) -> str:
    author = f" by {by}" if by else ""
    return f"edit {number}{author}{': ' if changed else ''}{'; '.join(changed)}"


def _entry(at: str | None, change: str) -> Iterator[DigestEntry]:
    found = parse_time(at)
    if found is not None:
        yield DigestEntry(found, change)


def _ticket(manifest: Mapping[str, Any]) -> str:
    governance = (manifest.get("spec") or {}).get("governance") or {}
    return str(governance.get("ticketRef") or WITHOUT_TICKET)
