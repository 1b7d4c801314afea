"""The section of a review about tools that are no longer maintained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from viridian.cli.known_tools import tools_named_in
from viridian.people.report_section import Section


def tool_section(manifests: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[Section]:
    """The tools that images, addresses and variables of the specs show, each with what is to be done."""
    texts = [text for manifest in manifests for text in _texts(manifest.get("spec"))]
    rows = [
        (tool.name, str(tool.state), str(tool.checked), tool.finding(now.date()) or "no finding")
        for tool in tools_named_in(texts)
    ]
    if rows:
        headings = ("tool", "state", "checked on", "finding")
        yield Section(title="Tools", text=("As docs/tools.md has them.",), headings=headings, rows=rows)


_SHOWING: Final = ("image", "uri", "apiVersion")
"""Fields whose values show a tool; of variables, the name shows it and the value may be a secret."""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key in _SHOWING and isinstance(one, str):
                yield one
            if key == "env" and isinstance(one, list):
                yield from (str(variable.get("name", "")) for variable in one if isinstance(variable, Mapping))
            elif isinstance(one, Mapping | list):
                yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
