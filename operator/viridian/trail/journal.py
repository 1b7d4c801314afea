"""The journal of one object: what of its trail is in the cluster.

It is a ControllerRevision. It holds the entries that MLflow is not known to have, the newest edits of the spec, and
what the next entries follow from. One write adds an entry together with all that keeps it from being added again. Only
an entry of the journal goes to MLflow, as a tag whose name follows from the entry, and it leaves the journal only once
MLflow shows that tag. So an operator that dies between any two writes leaves neither a gap nor a double.

While entries wait for MLflow, the journal belongs to nobody, from the write after the one that makes it: an object that
is deleted meanwhile does not take them with it. Once MLflow has them, it belongs to its object and goes with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

import msgspec

from viridian.api.names import (
    MODEL_DEPLOYMENT,
    MODEL_DEPLOYMENT_LABEL,
    RETRAIN_POLICY,
    RETRAIN_POLICY_LABEL,
    TRAIL_ANNOTATION,
    TRAIL_LABEL,
    TRAIL_WAITING,
    trail_journal,
)
from viridian.api.trail_status import SHOWN_REVISIONS
from viridian.core.intent import apply_unless_covered
from viridian.core.kube import managed_labels
from viridian.core.lenient import readable
from viridian.core.lookup import Object, annotations_of, json_in, text
from viridian.core.ownership import Belongs, belongs, owned_metadata
from viridian.core.plan import Apply
from viridian.trail.incidents import IncidentLog
from viridian.trail.trail_entry import TrailEntry
from viridian.trail.trail_input import TrailInput

MAX_WAITING: Final = 100
"""Entries that wait for MLflow at most; further ones stay where they come from until there is room."""
MAX_WAITING_BYTES: Final = 100_000
"""What they may take of the 256 KiB that the annotations of an object have."""
MAX_UNDELIVERED_BYTES: Final = 60_000
"""The same of entries that MLflow has and that wait for the event sink alone. Older ones are not sent any more."""
MAX_KNOWN: Final = 1000
"""Keys of entries that are remembered although nothing in the cluster shows their change any more."""
OWNER_LABELS: Final = {MODEL_DEPLOYMENT: MODEL_DEPLOYMENT_LABEL, RETRAIN_POLICY: RETRAIN_POLICY_LABEL}


class Journal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the annotation of the journal holds."""

    count: int = 0
    """The number of the newest entry."""
    synced: int = 0
    """The number of the newest entry that MLflow has."""
    delivered: int = 0
    """The number of the newest entry that the event sink has."""
    entries: tuple[TrailEntry, ...] = ()
    """Those that are still in the cluster, oldest first."""
    known: tuple[str, ...] = ()
    """Keys of the entries so far, oldest first: those are no news."""
    generation: int = 0
    """Of the spec that was seen last."""
    spec: Any = None
    """What the next edit is compared with."""
    incidents: IncidentLog = msgspec.field(default_factory=IncidentLog)

    def waiting(self) -> tuple[TrailEntry, ...]:
        """The entries that MLflow is not known to have."""
        return tuple(entry for entry in self.entries if entry.number > self.synced)

    def undelivered(self) -> tuple[TrailEntry, ...]:
        """The entries that the event sink is not known to have."""
        return tuple(entry for entry in self.entries if entry.number > self.delivered)


def stored_journal(given: TrailInput) -> Object | None:
    """The object with the journal of this very object."""
    name = trail_journal(given.name, given.uid)
    found = next((one for one in given.children if text(one, "metadata", "name") == name), None)
    return found if found is not None and _is_of(found, given.uid) else None


def read_journal(stored: Object | None) -> Journal:
    """The journal in such an object; an empty one where there is none, or none that can be read."""
    return readable(json_in(annotations_of(stored).get(TRAIL_ANNOTATION, "{}")), Journal) or Journal()


def with_entries(before: Journal, found: Iterable[TrailEntry], *, has_registry: bool) -> Journal:
    """The journal with what is new of the entries that were found.

    Without a registry the newest entries are kept, and nothing waits.
    """
    by_key, known = {entry.key: entry for entry in found}, frozenset(before.known)
    news = sorted((entry for key, entry in by_key.items() if key not in known), key=lambda entry: entry.at)
    if has_registry:
        waiting = before.waiting()
        news = news[: max(_how_many_fit((*waiting, *news)) - len(waiting), 0)]
    if not news:
        return before
    count = before.count + len(news)
    added = [msgspec.structs.replace(entry, number=before.count + at) for at, entry in enumerate(news, start=1)]
    keys = (*before.known, *(entry.key for entry in added))
    longer = msgspec.structs.replace(
        before,
        count=count,
        entries=(*before.entries, *added),
        known=tuple(key for at, key in enumerate(keys) if key in by_key or at >= len(keys) - MAX_KNOWN),
    )
    return longer if has_registry else without_entries(longer, count - _how_many_fit(longer.entries[::-1]))


def without_entries(before: Journal, synced: int, *, has_sink: bool = False) -> Journal:
    """The journal without the entries up to that number, which MLflow has; the newest edits stay for the status.

    With an event sink the newest of those stay, too, that it does not have yet.
    """
    stay = {entry.number for entry in edits(before.entries)[:SHOWN_REVISIONS]}
    if has_sink:
        newest = [entry for entry in reversed(before.undelivered()) if entry.number <= synced]
        stay |= {entry.number for entry in newest[: _how_many_fit(newest, MAX_UNDELIVERED_BYTES)]}
    kept = tuple(entry for entry in before.entries if entry.number > synced or entry.number in stay)
    return msgspec.structs.replace(before, synced=max(synced, 0), entries=kept)


def with_delivered(before: Journal, number: int) -> Journal:
    """The journal once the event sink has the entries up to that number, without those that nobody waits for."""
    if number <= before.delivered:
        return before
    return without_entries(msgspec.structs.replace(before, delivered=number), before.synced, has_sink=True)


def edits(entries: Iterable[TrailEntry]) -> list[TrailEntry]:
    """The edits of the spec among them, the newest first."""
    return sorted((one for one in entries if one.generation), key=lambda one: one.number, reverse=True)


def journal_write(given: TrailInput, journal: Journal, stored: Object | None) -> Apply | None:
    """The write after which the journal is this one; None where it is."""
    labels = {OWNER_LABELS[given.kind]: given.name, **managed_labels("trail", given.name)}
    metadata = owned_metadata(given, given.kind, trail_journal(given.name, given.uid), labels)
    if has_waiting(journal, has_registry=given.has_registry, has_sink=given.has_sink):
        metadata["labels"][TRAIL_LABEL] = TRAIL_WAITING
        if stored is not None:  # the operator may make nothing that is not controlled by one of our objects
            del metadata["ownerReferences"]
    metadata["annotations"] = {TRAIL_ANNOTATION: json.dumps(msgspec.to_builtins(journal), ensure_ascii=False)}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "revision": 1,
        "data": {"owner": {"uid": given.uid}},
    }
    return apply_unless_covered(manifest, stored)


def shown_edits(journal: Journal) -> Sequence[TrailEntry]:
    """Those that the status shows."""
    return edits(journal.entries)[:SHOWN_REVISIONS]


def has_waiting(journal: Journal, *, has_registry: bool, has_sink: bool) -> bool:
    """Whether anything would be lost with the journal."""
    return (has_registry and bool(journal.waiting())) or (has_sink and bool(journal.undelivered()))


def _how_many_fit(entries: Sequence[TrailEntry], size_limit: int = MAX_WAITING_BYTES) -> int:
    """How many of them a journal has room for, from the first on."""
    sizes = accumulate(entry.size for entry in entries[:MAX_WAITING])
    return sum(size <= size_limit for size in sizes)


def _is_of(manifest: Object, uid: str) -> bool:
    whose = belongs(manifest, uid)
    return whose is Belongs.OURS or (whose is Belongs.ORPHAN and text(manifest, "data", "owner", "uid") == uid)
