"""Server-side apply: who owns which field, what a merge gives, and what goes when its last owner lets it go.

A path is a tuple of field names, with an `Item` where it passes through a list whose items have names. What can be
owned is a leaf: a scalar, an empty map, a whole atomic map or list; besides, each item of a named list and each entry
of a free map.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tests.support.cluster.shapes import Shape


class Item(NamedTuple):
    """One item of a list: by the values of its keys, or (in a set) by its own value."""

    keys: tuple[tuple[str, Any], ...]
    value: Any = None

    def rendered(self) -> str:
        if self.keys:
            return "k:" + json.dumps(dict(self.keys), sort_keys=True, separators=(",", ":"))
        return "v:" + json.dumps(self.value)


Path = tuple[str | Item, ...]
_PRESENT = object()


class Manager(NamedTuple):
    """One entry of `managedFields`; the same name with another operation or subresource is another manager."""

    name: str
    operation: str
    subresource: str = ""


Owners = Mapping[Manager, frozenset[Path]]


def leaves(value: Any, shape: Shape) -> dict[Path, Any]:
    """Everything in the value that can be owned, with what it is compared by."""
    found: dict[Path, Any] = {}
    _collect_leaves(value, shape, (), found)
    return found


def merged(live: Any, wanted: Any, shape: Shape) -> Any:
    """The live value with the wanted one laid over it."""
    if shape.atomic or type(live) is not type(wanted):
        return wanted
    if isinstance(wanted, dict):
        shared = {key: merged(live[key], wanted[key], shape.child(key)) for key in wanted if key in live}
        return {**live, **wanted, **shared}
    if isinstance(wanted, list) and shape.has_named_items():
        return _merged_items(live, wanted, shape)
    return wanted


def removed(value: Any, shape: Shape, paths: Iterable[Path], owned: frozenset[Path]) -> Any:
    """The value without those paths, nor any map or list that is empty for lack of them and owned by nobody."""
    for path in sorted(paths, key=len):
        value = _without(value, shape, path, (), owned)
    return value


def applied(
    owners: Owners, manager: Manager, live: Any, wanted: Any, shape: Shape
) -> tuple[Any, dict[Manager, frozenset[Path]]]:
    """What one manager's whole intent makes of the live object, by force, and who owns what afterwards."""
    now = leaves(wanted, shape)
    before = leaves(live, shape)
    mine = frozenset(now)
    # An empty map laid over one with content changes nothing.
    kept = _homes(before) if {} in now.values() else frozenset()
    changed = {path for path, value in now.items() if before.get(path, _PRESENT) != value}
    taken = {path for path in changed if not (now[path] == {} and path in kept)}
    after = {other: paths - taken for other, paths in owners.items() if other != manager}
    others = frozenset[Path]().union(*after.values())
    # An empty map that was given up stays as the home of what is owned inside of it now.
    given_up = owners.get(manager, frozenset()) - mine - others - _homes(mine | others)
    result = removed(merged(live, wanted, shape), shape, given_up, others | mine)
    after[manager] = mine
    return result, {who: paths for who, paths in after.items() if paths}


def rivals(owners: Owners, manager: Manager, live: Any, wanted: Any, shape: Shape) -> list[str]:
    """Other managers that own a field of which the wish wants something else."""
    before = leaves(live, shape)
    changed = {path for path, value in leaves(wanted, shape).items() if before.get(path, _PRESENT) != value}
    return [other.name for other, paths in owners.items() if other != manager and paths & changed]


def updated(owners: Owners, manager: Manager, old: Any, new: Any, shape: Shape) -> dict[Manager, frozenset[Path]]:
    """Who owns what after somebody wrote the object in another way than by apply: the writer, what changed."""
    before, now = leaves(old, shape), leaves(new, shape)
    changed = {path for path, value in now.items() if path not in before or before[path] != value}
    gone = before.keys() - now.keys()
    after = {who: paths - changed - gone for who, paths in owners.items() if who != manager}
    after[manager] = (owners.get(manager, frozenset()) | changed) - gone
    return {who: paths for who, paths in after.items() if paths}


def rendered(owners: Owners, api_version: str, times: Mapping[Manager, str]) -> list[dict[str, Any]]:
    """The same as `metadata.managedFields`."""
    entries = []
    for manager, paths in owners.items():
        entry: dict[str, Any] = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": api_version,
            "time": times[manager],
            "fieldsType": "FieldsV1",
            "fieldsV1": _as_tree(paths),
        }
        if manager.subresource:
            entry["subresource"] = manager.subresource
        entries.append(entry)
    return entries


def _homes(paths: Iterable[Path]) -> frozenset[Path]:
    """Everything on the way to these paths."""
    return frozenset(path[:length] for path in paths for length in range(1, len(path)))


def _collect_leaves(value: Any, shape: Shape, path: Path, found: dict[Path, Any]) -> None:
    if not shape.atomic and isinstance(value, dict) and (value or not path):
        for key, inner in value.items():
            at: Path = (*path, key)
            if not isinstance(inner, dict | list):
                found[at] = inner
                continue
            if shape.values is not None and isinstance(inner, dict):
                found[at] = _PRESENT
            _collect_leaves(inner, shape.child(key), at, found)
    elif not shape.atomic and isinstance(value, list) and shape.has_named_items():
        for inner in value:
            at = (*path, _name(inner, shape))
            found[at] = _PRESENT
            if isinstance(inner, dict):
                _collect_leaves(inner, shape.of_items, at, found)
    else:
        found[path] = value


def _name(item: Any, shape: Shape) -> Item:
    if shape.is_set:
        return Item((), item)
    return Item(tuple((key, item.get(key, shape.key_defaults.get(key))) for key in shape.keys))


def _merged_items(live: Sequence[Any], wanted: Sequence[Any], shape: Shape) -> list[Any]:
    """Wanted items in their own order; live ones that are not wanted stay behind those that they stood behind."""
    by_name = {_name(item, shape): item for item in live}
    names = [_name(item, shape) for item in wanted]
    shared = [name for name in names if name in by_name]
    result: list[Any] = []
    remaining = list(by_name)
    for item, name in zip(wanted, names, strict=True):
        # Up to the next item that both lists have; what both have but is not next comes where the wish has it.
        while remaining and (not shared or remaining[0] != shared[0]):
            passed = remaining.pop(0)
            result += [by_name[passed]] if passed not in names else []
        result.append(merged(by_name[name], item, shape.of_items) if name in by_name else item)
        if name in by_name:
            shared.pop(0)
            remaining = [other for other in remaining if other != name]
    return result + [by_name[name] for name in remaining if name not in names]


def _without(value: Any, shape: Shape, path: Path, at: Path, owned: frozenset[Path]) -> Any:
    head, rest = path[0], path[1:]
    here = (*at, head)
    if isinstance(head, str):
        if not isinstance(value, dict) or head not in value:
            return value
        inner = _without(value[head], shape.child(head), rest, here, owned) if rest else None
        gone = not rest or (inner in ({}, []) and value[head] not in ({}, []) and here not in owned)
        return {key: (inner if key == head else item) for key, item in value.items() if not (gone and key == head)}
    if not isinstance(value, list):
        return value
    result = []
    for item in value:
        if _name(item, shape) != head:
            result.append(item)
        elif rest:
            result.append(_without(item, shape.of_items, rest, here, owned))
    return result


@lru_cache(maxsize=4096)
def _as_tree(paths: frozenset[Path]) -> dict[str, Any]:
    """Nobody changes it: what a store keeps is replaced, and what it hands out is a copy."""
    tree: dict[str, Any] = {}
    for path in sorted(paths, key=len):
        node = tree
        for element in path:
            node = node.setdefault(element.rendered() if isinstance(element, Item) else f"f:{element}", {})
    _mark_items(tree)
    return tree


def _mark_items(tree: dict[str, Any]) -> None:
    """Items that are owned with some of their fields carry a dot, as the server writes it."""
    for key, inner in list(tree.items()):
        _mark_items(inner)
        if key.startswith("k:") and inner:
            inner["."] = {}
