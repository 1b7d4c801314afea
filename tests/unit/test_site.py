"""The site: each page is reached, links lead somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
import yaml

from docs.scripts.site_hooks import DOCS, BrokenLink, named, on_config, without_links_outside

ROOT: Final = DOCS.parent
CONFIG: Final = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
PAGES: Final = sorted(DOCS.rglob("*.md"))
_FENCED: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_ANCHORED: Final = re.compile(r"\]\(([^()\s#:]*)#([^()\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def test_the_navigation_names_pages_that_are_there_and_each_once() -> None:
    placed = list(named(CONFIG["nav"]))
    assert len(placed) == len(set(placed))
    assert [page for page in placed if not (DOCS / page).is_file()] == []


def test_every_page_is_reached() -> None:
    nav = on_config({"nav": CONFIG["nav"][:1]})["nav"]
    assert {"More", "Decisions"} == {name for entry in nav[1:] for name in entry}
    assert set(named(on_config(dict(CONFIG))["nav"])) == {path.relative_to(DOCS).as_posix() for path in PAGES}


def test_it_follows_diataxis() -> None:
    sections = [name for entry in CONFIG["nav"] if isinstance(entry, dict) for name in entry]
    assert sections == ["Tutorial", "How to", "Explanation", "Reference"]


def test_fonts_and_scripts_are_its_own() -> None:
    assert CONFIG["theme"]["font"] is False
    assert not {"extra_javascript", "extra_css"} & CONFIG.keys()
    assert "analytics" not in CONFIG["extra"]
    assert CONFIG["strict"] is True
    # The theme would fetch its program for pictures.
    assert [page.name for page in PAGES if "```mermaid" in page.read_text()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = _FENCED.sub("", page.read_text())
    without_links_outside(text, page)
    for target, anchor in _ANCHORED.findall(text):
        other = (page.parent / target).resolve() if target else page
        if other.suffix == ".md":
            assert anchor in {slug(heading) for heading in _HEADING.findall(_FENCED.sub("", other.read_text()))}, target


def slug(heading: str) -> str:
    """As GitHub and MkDocs make it of a heading without markup."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain))


def test_a_link_out_of_the_docs_becomes_a_name() -> None:
    page = DOCS / "gitops.md"
    assert without_links_outside("see [the license](../LICENSE)", page) == "see the license (`LICENSE`)"
    assert without_links_outside("see [`LICENSE`](../LICENSE)", page) == "see `LICENSE`"
    assert without_links_outside("[a](rollouts.md#b) [c](https://d)", page) == "[a](rollouts.md#b) [c](https://d)"


def test_code_holds_no_links() -> None:
    text = "`[a-z](*.py)` and\n```\n[x](../nothing.py)\n```\n"
    assert without_links_outside(text, DOCS / "gitops.md") == text


def test_a_link_to_nothing_is_named() -> None:
    with pytest.raises(BrokenLink, match=r"gitops\.md links to \.\./nothing\.py"):
        without_links_outside("[x](../nothing.py)", DOCS / "gitops.md")
