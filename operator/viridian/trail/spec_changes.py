"""What an edit of a spec changed, in short, and who made it.

Of a spec is kept what its next edit is compared with. Values are kept only where they cannot be a secret: numbers,
booleans and short texts. Of everything in a pod template or a manifest, and of addresses and queries, a hash is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from viridian.api.names import short_hash
from viridian.api.schema import MAX_WORD
from viridian.api.texts import one_line
from viridian.api.trail_status import MAX_CHANGE, MAX_CHANGES
from viridian.core.lookup import Object, entries, mapping, text
from viridian.core.times import parse_time

_HIDDEN: Final = frozenset({"template", "resource", "uri", "expression"})
"""Fields in which no value is kept."""
_LONGEST_VALUE: Final = 60
_MAX_KEPT: Final = 60_000
"""Characters of JSON: annotations of one object have room for 256 KiB."""
_HASH: Final = "~"
"""The one field of what stands for a value that is not kept."""
_MISSING: Final = object()


def kept(spec: Any) -> Any:
    """What the next edit of the spec is compared with."""
    whole = _kept(spec, hidden=False)
    if len(json.dumps(whole)) <= _MAX_KEPT or not isinstance(spec, Mapping):
        return whole
    return {name: _hashed(value) for name, value in spec.items()}


def differences(before: Any, after: Any) -> tuple[str, ...]:
    """What differs between two such forms of a spec; where that is much, the last text says how much is left out."""
    found = [one_line(change, MAX_CHANGE) for change in _changes("", before, after)]
    if len(found) <= MAX_CHANGES:
        return tuple(found)
    shown = found[: MAX_CHANGES - 1]
    return (*shown, f"and {len(found) - len(shown)} more")


def author(manifest: Object) -> tuple[str, datetime | None]:
    """The field manager that wrote to the spec last, and when; nothing where the API server does not show it."""
    writers = [
        (parse_time(entry.get("time")), text(entry, "manager"))
        for entry in entries(manifest, "metadata", "managedFields")
        if not entry.get("subresource") and mapping(entry, "fieldsV1", "f:spec")
    ]
    dated = [(at, name) for at, name in writers if at is not None]
    if not dated:
        return "", None
    at, name = max(dated)
    return name[:MAX_WORD], at


def _kept(value: Any, *, hidden: bool) -> Any:
    if isinstance(value, Mapping):
        return {name: _kept(inner, hidden=_is_hidden(name, hidden)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(inner, hidden=hidden) for inner in value]
    return _hashed(value) if hidden or not _may_be_kept(value) else value


def _is_hidden(field: str, around: bool) -> bool:
    """Whether no value in this field is kept. Names tell entries of lists apart."""
    return field in _HIDDEN or (around and field != "name")


def _may_be_kept(value: Any) -> bool:
    return not isinstance(value, str) or (len(value) <= _LONGEST_VALUE and "://" not in value and "@" not in value)


def _hashed(value: Any) -> dict[str, str]:
    return {_HASH: short_hash(json.dumps(value, sort_keys=True), length=12)}


def _changes(path: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    old, new = _parts(before), _parts(after)
    if old is None or new is None:
        yield _change(path, before, after)
        return
    for name in dict.fromkeys((*old, *new)):
        below = f"{path}{name}" if not path or name.startswith("[") else f"{path}.{name}"
        yield from _changes(below, old.get(name, _MISSING), new.get(name, _MISSING))


def _parts(value: Any) -> Mapping[str, Any] | None:
    """The parts of a map or of a list of maps, by their names; None for anything else."""
    if isinstance(value, Mapping):
        return None if value.keys() == {_HASH} else value
    if not isinstance(value, list) or not any(isinstance(one, Mapping) for one in value):
        return None
    names = [text(one, "name") for one in value]
    are_names = all(names) and len(set(names)) == len(names)
    return {
        f"[{name if are_names else index}]": one for index, (name, one) in enumerate(zip(names, value, strict=True))
    }


def _change(path: str, before: Any, after: Any) -> str:
    if before is _MISSING:
        return f"{path}: {_shown(after)}" if _is_shown(after) else f"{path}: added"
    if after is _MISSING:
        return f"{path}: removed"
    return (
        f"{path}: {_shown(before)} → {_shown(after)}" if _is_shown(before) and _is_shown(after) else f"{path}: changed"
    )


def _is_shown(value: Any) -> bool:
    if isinstance(value, list):
        return not any(isinstance(one, Mapping) for one in value)
    return not isinstance(value, Mapping)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
