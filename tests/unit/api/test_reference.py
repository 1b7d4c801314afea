"""The pages of docs/reference say what the types say."""

from __future__ import annotations

from docs.scripts import reference
from viridian.api import crd


def test_the_pages_are_what_the_types_render_to() -> None:
    written = {path.name: path.read_text() for path in reference.FOLDER.glob("*.md")}
    assert written == reference.pages(), "run `python -m docs.scripts.reference`"


def test_every_link_of_a_page_leads_to_a_heading() -> None:
    for kind in crd.DEFINITIONS:
        page = reference.kind_page(kind)
        headings = {reference.anchor(line.removeprefix("## ")) for line in page.splitlines() if line.startswith("## ")}
        links = {part.split(")")[0] for part in page.split("](#")[1:]}
        assert links
        assert links <= headings
