"""What the status shows of the trail of audit: the newest edits of a spec, and the newest incidents."""

from __future__ import annotations

from typing import Annotated, Final

from viridian.api.schema import Struct, doc, prose, time, word

SHOWN_REVISIONS: Final = 10
SHOWN_INCIDENTS: Final = 10
MAX_INCIDENTS: Final = SHOWN_INCIDENTS + 20
"""With those that are still open: one for each monitor at most."""
MAX_CHANGES: Final = 10
"""Differences of one edit that are shown one by one."""
MAX_CHANGE: Final = 200
MAX_NOTE: Final = 500
"""Characters of a person's note about an incident."""


class SpecRevision(Struct, frozen=True, kw_only=True):
    """One accepted edit of the spec."""

    number: Annotated[int, doc("The generation that it made.")]
    at: Annotated[str, time("When the API server took it, or when it was first seen.")]
    by: Annotated[
        str, word("The field manager that wrote it, such as kubectl-edit; empty where that is not known.")
    ] = ""
    changed: Annotated[
        tuple[Annotated[str, doc("One difference: field: before → after.", max_length=MAX_CHANGE)], ...],
        doc(
            "What it changed. Of pod templates, addresses and queries only the field is shown.", max_length=MAX_CHANGES
        ),
    ] = ()


class IncidentNote(Struct, frozen=True, kw_only=True):
    """What a person wrote about an incident."""

    text: Annotated[str, doc("The note.", max_length=MAX_NOTE)]
    by: Annotated[str, word("Who wrote it.")] = ""
    incident: Annotated[str, word("Id of the incident that it is about.")] = ""
    began: Annotated[str, time("When that incident began.")] | None = None


class IncidentStatus(Struct, frozen=True, kw_only=True):
    """A span of time in which a monitor fires."""

    id: Annotated[str, word("Identity; the annotation viridian.dev/note names it.")]
    monitor: Annotated[str, word("Name of the monitor.")]
    began: Annotated[str, time("End of the window in which it was first seen to fire.")]
    recovered: Annotated[str, time("End of the window in which it was quiet again.")] | None = None
    seconds: Annotated[float, doc("Time to recovery: from the one to the other.", ge=0)] | None = None
    message: Annotated[str, prose("What the monitor found.")] = ""
    note: Annotated[IncidentNote, doc("What a person wrote about it.")] | None = None
    earlier: Annotated[IncidentNote, doc("The newest note about an earlier incident of the same monitor.")] | None = (
        None
    )
