"""Whose an object is. Names and labels say little about it: an earlier object of the same name left the same ones.

Three answers are possible. An object with our uid in its owner references is ours. One that has lost its owner is an
orphan: `kubectl delete --cascade=orphan` and backup tools leave those behind. Everything else is somebody else's.

An orphan that serves (a Service, a Deployment) is adopted with its name, since users would be cut off otherwise. An
orphan that only remembers (the record of a revision) is believed where it names the owner's uid, or where it is adopted
together with something that serves: any other may tell of an earlier object of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from viridian.api.names import API_VERSION, GROUP, MANAGED_BY, MANAGED_BY_LABEL, OWNER_ANNOTATION
from viridian.core.lookup import text
from viridian.core.times import parse_time

Object = Mapping[str, Any]
Child = TypeVar("Child", bound=Mapping[str, Any])


class Belongs(StrEnum):
    """Whose an object is, as seen by one of our objects."""

    OURS = "ours"
    ORPHAN = "orphan"
    OTHERS = "others"


class Owner(Protocol):
    """One of our objects, for which others are made."""

    @property
    def name(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def uid(self) -> str: ...


def owned_metadata(owner: Owner, kind: str, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Of an object that is made for the owner, which is of this kind, and goes with it."""
    references = [owner_reference(kind, owner.name, owner.uid)]
    return {"name": name, "namespace": owner.namespace, "labels": dict(labels), "ownerReferences": references}


def owner_reference(kind: str, name: str, uid: str) -> dict[str, Any]:
    """What makes one of our objects the controller of another."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def belongs(child: Object, uid: str) -> Belongs:
    """Whose the object is for the owner with that uid; an orphan is one of ours that lost its owner reference."""
    references = _owners(child)
    if any(reference.get("uid") == uid for reference in references):
        return Belongs.OURS
    theirs = any(reference.get("controller") or _is_ours(reference) for reference in references)
    labels = child["metadata"].get("labels") or {}
    return Belongs.ORPHAN if labels.get(MANAGED_BY_LABEL) == MANAGED_BY and not theirs else Belongs.OTHERS


def believed(
    records: Iterable[Child], uid: str, created: datetime | None, companions: Sequence[Object]
) -> tuple[Child, ...]:
    """The records that tell of the owner with this uid, which was created at that time.

    Orphaned records count where they name the uid. All of them do where one of the `companions`, which are the owner's
    other objects, is an orphan too, or is older than the owner and so has been adopted: the second holds after a pass
    that died half-way through.
    """
    adopting = any(_is_adopted(companion, uid, created) for companion in companions)

    def counts(record: Object) -> bool:
        whose = belongs(record, uid)
        return whose is Belongs.OURS or (whose is Belongs.ORPHAN and (adopting or _names_owner(record, uid)))

    return tuple(filter(counts, records))


def remembered_by(record: Object, uid: str) -> bool:
    """Whether it is memory of the policy with that uid: owned by it, or left without an owner and made by it."""
    whose = belongs(record, uid)
    return whose is Belongs.OURS or (whose is Belongs.ORPHAN and text(record, "data", "policy", "uid") == uid)


def remembered(records: Iterable[Object], name: str, uid: str) -> Object | None:
    """The record of that name, where it is memory of the policy with that uid."""
    named = (record for record in records if text(record, "metadata", "name") == name)
    return next((record for record in named if remembered_by(record, uid)), None)


def is_left_behind(child: Object, uid: str, kind: str, name: str) -> bool:
    """Whether it belongs to an earlier object of the same kind and name, so that the garbage collector will take it."""
    return any(
        _is_ours(owner) and (owner.get("kind"), owner.get("name")) == (kind, name) and owner.get("uid") != uid
        for owner in _owners(child)
    )


def _is_adopted(companion: Object, uid: str, created: datetime | None) -> bool:
    whose = belongs(companion, uid)
    if whose is not Belongs.OURS:
        return whose is Belongs.ORPHAN
    made = parse_time(companion["metadata"].get("creationTimestamp"))
    return made is not None and created is not None and made < created


def _names_owner(record: Object, uid: str) -> bool:
    return (record["metadata"].get("annotations") or {}).get(OWNER_ANNOTATION) == uid


def _is_ours(reference: Mapping[str, Any]) -> bool:
    return str(reference.get("apiVersion", "")).startswith(f"{GROUP}/")


def _owners(child: Object) -> Sequence[Mapping[str, Any]]:
    references = child["metadata"].get("ownerReferences")
    return tuple(_mappings(references)) if isinstance(references, list | tuple) else ()


def _mappings(entries: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    return (entry for entry in entries if isinstance(entry, Mapping))
