"""What others have changed in an object that the operator makes: found by the hash of the intent that stands on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from viridian.api import reasons
from viridian.api.child_kinds import child_kind
from viridian.api.names import CHILDREN_MANAGER, INTENT_ANNOTATION
from viridian.core.intent import covers, intent_hash, with_intent_hash
from viridian.core.lookup import annotations_of, dig, entries, mapping, text
from viridian.core.plan import Event, EventType
from viridian.rollout.manifests import Manifest

Object = Mapping[str, Any]
_MAX_AUTHOR = 64


def foreign_edit(intended: Manifest, observed: Object) -> str:
    """The sentence about an edit of the object since it was written with this intent; empty where there was none.

    An object that bears the hash of another intent was written for something else: nothing is known of it then.
    """
    stamped = with_intent_hash(intended)
    if intent_hash(observed) not in (None, intent_hash(stamped)):
        return ""
    changed = ", ".join(_changed(observed, stamped))
    if not changed:
        return ""
    by = last_author(observed)
    kind, name = intended["kind"], intended["metadata"]["name"]
    return f"{by or 'another writer'} has changed {changed} of the {kind} {name}, which this ModelDeployment owns"


def last_author(observed: Object) -> str:
    """The field manager that has written to the object since the operator did; empty where nobody can tell."""
    written = [
        (text(entry, "time"), dig(entry, "fieldsV1", "f:spec", "f:rules") is not None, text(entry, "manager"))
        for entry in entries(observed, "metadata", "managedFields")
        if not entry.get("subresource")
    ]
    own = max((at for at, _, manager in written if manager == CHILDREN_MANAGER), default="")
    # Of two in the same second, the one that has the rules now.
    others = [one for one in written if one[2] != CHILDREN_MANAGER and one[0] >= own]
    return max(others)[2][:_MAX_AUTHOR] if others else ""


def route_edited(name: str, edit: str) -> Event:
    """Sent once the write is done that puts an edit of the route right."""
    message = f"{edit}; it is put right. To change the route, edit spec.traffic of the ModelDeployment {name}"
    return Event(EventType.WARNING, reasons.EVENT_ROUTE_EDITED, message)


def _changed(observed: Object, intended: Object) -> Iterator[str]:
    """The fields that are not as intended."""
    row, spec = child_kind(intended["kind"]), mapping(observed, "spec")
    yield from (f"spec.{field}" for field, value in intended["spec"].items() if not covers(spec.get(field), value, row))
    annotations = annotations_of(observed)
    wanted: Mapping[str, str] = intended["metadata"].get("annotations") or {}
    yield from (
        f"the annotation {key}" for key in wanted if key != INTENT_ANNOTATION and annotations.get(key) != wanted[key]
    )
