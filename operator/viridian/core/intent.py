"""Whether the world already is what we intend, so that a settled world is not written to.

Two looks together decide it. The hash of the intent stands on the object: another hash means that we changed our
mind, even where only something was left out. And the object must *cover* the intent: every field that we ask for is
there with that value. What the API server added (defaults, fields of other writers) does not count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from viridian.api.child_kinds import ChildKind, child_kind
from viridian.api.names import INTENT_ANNOTATION, short_hash
from viridian.core.plan import Apply, Manifest

_OWNERS = "uid"
"""The key of owner references, for every kind."""


def apply_unless_covered(
    intent: Manifest, observed: Manifest | None, *, identity: Manifest | None = None
) -> Apply | None:
    """The apply that makes the world follow the intent, or None where it already does.

    `identity`: what of the intent is hashed, where a part of it follows what was observed.
    """
    stamped = with_intent_hash(intent, identity)
    if (
        observed is not None
        and intent_hash(observed) == intent_hash(stamped)
        and covers(observed, stamped, child_kind(intent["kind"]))
    ):
        return None
    return Apply(of_the_same(stamped, observed))


def of_the_same(intent: Manifest, observed: Manifest | None) -> Manifest:
    """The intent for the very object that was observed: another one that has taken its name is left alone."""
    uid = (observed or {}).get("metadata", {}).get("uid")
    return {**intent, "metadata": {**intent["metadata"], "uid": uid}} if uid else intent


def unless_changed(action: Apply, observed: Manifest | None) -> Apply:
    """The apply as an answer to what was observed: the API server refuses it once somebody else has written there."""
    version = (observed or {}).get("metadata", {}).get("resourceVersion")
    if not version:
        return action
    metadata = {**action.manifest["metadata"], "resourceVersion": version}
    return replace(action, manifest={**action.manifest, "metadata": metadata})


def with_intent_hash(intent: Manifest, identity: Manifest | None = None) -> Manifest:
    """The intent with its own hash, or that of its identity, among its annotations."""
    digest = short_hash(msgspec.json.encode(identity or intent, order="deterministic").decode(), length=16)
    metadata = dict(intent["metadata"])
    metadata["annotations"] = {**metadata.get("annotations", {}), INTENT_ANNOTATION: digest}
    return {**intent, "metadata": metadata}


def intent_hash(manifest: Manifest) -> str | None:
    annotations = manifest.get("metadata", {}).get("annotations") or {}
    value = annotations.get(INTENT_ANNOTATION)
    return value if isinstance(value, str) else None


def covers(observed: Any, intended: Any, row: ChildKind) -> bool:
    """Whether everything intended stands in what was observed; lists and whole fields are as the row says."""
    if observed == intended:
        return True
    if isinstance(intended, Mapping):
        return _map_covers(observed, intended, row)
    if isinstance(intended, (list, tuple)):
        return _list_covers(observed, intended, row)
    return _same_quantity(observed, intended)


def _map_covers(observed: Any, intended: Mapping[str, Any], row: ChildKind) -> bool:
    if not isinstance(observed, Mapping):
        # The API server drops empty maps.
        return observed is None and not any(_is_content(value) for value in intended.values())
    return all(_field_covers(observed, key, value, row) for key, value in intended.items())


def _field_covers(observed: Mapping[str, Any], key: str, intended: Any, row: ChildKind) -> bool:
    if key not in observed:
        return not _is_content(intended)
    if key in row.whole_fields:
        return bool(observed[key] == intended)
    return covers(observed[key], intended, row)


def _is_content(value: Any) -> bool:
    """False for what the API server leaves out when it stores an object: null, empty, and most zeros."""
    if isinstance(value, Mapping):
        return any(_is_content(inner) for inner in value.values())
    return bool(value)


def _list_covers(observed: Any, intended: Sequence[Any], row: ChildKind) -> bool:
    if not isinstance(observed, (list, tuple)):
        return not intended
    if all(isinstance(entry, Mapping) for entry in intended):
        for key in (*row.merge_keys, _OWNERS):
            if intended and all(key in entry for entry in intended):
                return _keyed_covers(observed, intended, key, row)
    return len(observed) == len(intended) and all(
        covers(seen, wanted, row) for seen, wanted in zip(observed, intended, strict=True)
    )


def _keyed_covers(observed: Sequence[Any], intended: Sequence[Any], key: str, row: ChildKind) -> bool:
    by_key = {entry.get(key): entry for entry in observed if isinstance(entry, Mapping)}
    return all(entry[key] in by_key and covers(by_key[entry[key]], entry, row) for entry in intended)


_QUANTITY = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)([eE][+-]?[0-9]{1,2}|n|u|m|k|[MGTPE]|[KMGTPE]i)?")
_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("0.001"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}


def _same_quantity(observed: Any, intended: Any) -> bool:
    """`cpu: 0.5` comes back as `500m`: the same quantity in the canonical form of the API server."""
    if isinstance(observed, bool) or isinstance(intended, bool):
        return False
    left, right = _quantity(observed), _quantity(intended)
    return left is not None and left == right


def _quantity(value: Any) -> Decimal | None:
    if not isinstance(value, (str, int, float)):
        return None
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        return None
    number, suffix = found[1], found[2] or ""
    factor = _SUFFIXES.get(suffix)
    return Decimal(number) * (factor if factor is not None else Decimal(f"1{suffix}"))
