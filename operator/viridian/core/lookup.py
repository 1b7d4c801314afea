"""Looking into objects as the API server gave them, without ever tripping over what is not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


def dig(thing: Any, *path: str) -> Any:
    """What stands at the end of the path, None where the path ends early."""
    for step in path:
        if not isinstance(thing, Mapping):
            return None
        thing = thing.get(step)
    return thing


def text(thing: Any, *path: str) -> str:
    """The text there, empty for anything else."""
    found = dig(thing, *path)
    return found if isinstance(found, str) else ""


def mapping(thing: Any, *path: str) -> Object:
    """The map there, empty for anything else."""
    found = dig(thing, *path)
    return found if isinstance(found, Mapping) else {}


def entries(thing: Any, *path: str) -> tuple[Object, ...]:
    """The maps in the list there; anything else in it is left out."""
    found = dig(thing, *path)
    return tuple(entry for entry in found if isinstance(entry, Mapping)) if isinstance(found, list | tuple) else ()


def json_in(written: str) -> Any:
    """The document in a text of JSON, such as an annotation; None where it is none."""
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return None


def annotations_of(thing: Any) -> Mapping[str, str]:
    """The annotations of an object, those that are text."""
    return {key: value for key, value in mapping(thing, "metadata", "annotations").items() if isinstance(value, str)}


def labels_of(thing: Any) -> Mapping[str, str]:
    """The labels of an object, those that are text."""
    return {key: value for key, value in mapping(thing, "metadata", "labels").items() if isinstance(value, str)}
