"""Hooks of MkDocs for the site: links to files of the repository, and pages that the navigation does not name.

MkDocs loads this file by its path, in an environment of its own: nothing of the project can be imported here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"```.*?```|`[^`\n]*`|\[([^\[\]]+)\]\(([^()\s]+)\)", re.DOTALL)
"""Code, in which nothing is a link; or a link."""


class BrokenLink(Exception):
    """A page links to a file that the repository does not have."""


def on_config(config: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Decisions come by the dozen, and are listed by themselves; so is a new page until it has got its place."""
    placed = set(named(config["nav"]))
    others = [page for page in pages(DOCS) if page not in placed]
    config["nav"] = [*config["nav"], *([{"More": others}] if others else []), {"Decisions": pages(DOCS / "decisions")}]
    return config


def pages(folder: Path) -> list[str]:
    """Of this folder alone, as the navigation names them."""
    return sorted(path.relative_to(DOCS).as_posix() for path in folder.glob("*.md"))


def named(nav: Any) -> Iterator[str]:
    """The pages that a navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for inner in nav.values() if isinstance(nav, dict) else nav:
            yield from named(inner)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    return without_links_outside(markdown, DOCS / page.file.src_uri)


def without_links_outside(markdown: str, page: Path) -> str:
    """Links that lead out of docs/ become the name of the file: the site has no address of the repository."""

    def shown(link: re.Match[str]) -> str:
        if link[1] is None:
            return link[0]
        text, target = link[1], link[2].partition("#")[0]
        if not target or "://" in target or target.startswith("mailto:"):
            return link[0]
        file = (page.parent / target).resolve()
        if file.is_relative_to(DOCS) and file.is_file():
            return link[0]
        if not file.exists():
            raise BrokenLink(f"{page.name} links to {target}, which is not there")
        name = f"`{file.relative_to(DOCS.parent).as_posix()}`"
        return name if text.strip("`") in name else f"{text} ({name})"

    return _LINK.sub(shown, markdown)
