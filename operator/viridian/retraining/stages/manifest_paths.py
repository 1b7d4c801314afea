"""Paths into a manifest, such as `status.conditions[type=Complete].status`: what is there, and lists to add to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_STEP: Final = re.compile(r"(?:^|\.)([A-Za-z0-9_]{1,63})(?:\[([A-Za-z0-9_]{1,63})=([A-Za-z0-9_.-]{1,63})\])?")


def found_at(document: Any, path: str) -> Any:
    """What is at the path; None where nothing is. `[key=value]` chooses the entry of a list with that value."""
    for name, key, value in _STEP.findall(path):
        document = document.get(name) if isinstance(document, Mapping) else None
        if key:
            entries = document if isinstance(document, list | tuple) else ()
            document = next((one for one in entries if isinstance(one, Mapping) and one.get(key) == value), None)
    return document


def text_at(document: Any, path: str) -> str:
    """What is at the path, as text; a boolean as Kubernetes writes it in conditions."""
    found = found_at(document, path)
    return "" if found is None or isinstance(found, Mapping | list | tuple) else str(found)


def containers(manifest: Any) -> Iterator[dict[str, Any]]:
    """The containers of all pod templates in it: entries with a name of any list that is called `containers`."""
    if isinstance(manifest, dict):
        for name, inner in manifest.items():
            if name == "containers" and isinstance(inner, list):
                yield from (one for one in inner if isinstance(one, dict) and "name" in one)
            else:
                yield from containers(inner)
    elif isinstance(manifest, list):
        for entry in manifest:
            yield from containers(entry)
