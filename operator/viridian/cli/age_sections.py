"""Sections of a review about age: images that have been in use for long, and tools that are no longer maintained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from viridian.api.retrainpolicy_status import FinishedRun
from viridian.cli.known_tools import tools_named_in
from viridian.cli.report_pages import Section
from viridian.cli.text_tables import span
from viridian.core.times import parse_time

OLD: Final = timedelta(days=180)
"""An image that is in use for longer lacks half a year of fixes."""


def image_section(name: str, runs: Sequence[FinishedRun], now: datetime) -> Iterator[Section]:
    """How long training has used its present image, as far as the runs show; `runs` has the newest first."""
    found = _present_image(runs)
    if found is None:
        return
    digest, since = found
    age = now - since
    finding = "build it anew on a present base image" if age >= OLD else "no finding"
    yield Section(
        title=f"Training image of {name}",
        headings=("digest", "in use for at least", "finding"),
        rows=[(digest, span(age.total_seconds()), finding)],
    )


def _present_image(runs: Sequence[FinishedRun]) -> tuple[str, datetime] | None:
    """The digest that trained last, and since when it has trained without another one in between."""
    trained = [(run.lineage.image_digest, run.started_at) for run in runs if run.lineage and run.lineage.image_digest]
    since = None
    for digest, started in trained:
        if digest != trained[0][0]:
            break
        since = parse_time(started) or since
    return (trained[0][0], since) if since is not None else None


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
