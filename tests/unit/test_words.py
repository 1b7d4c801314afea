"""Names, comments, messages and docs keep to docs/style.md and docs/glossary.md."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "viridian"
GLOSSARY = ROOT / "docs" / "glossary.md"
DOCS = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
SOURCES = sorted(PACKAGE.rglob("*.py"))
NOT_COVERED_YET: tuple[str, ...] = ()
"""Packages whose texts are still to be edited. Shrinks to nothing."""
RECORDED = (ROOT / "docs" / "kubectl.md", ROOT / "docs" / "requirements.md")
"""Written by docs/scripts, not by hand: from a cluster, and with the names of tests."""
REPEATED_MODULES = frozenset(
    (
        # Every process has a command and a log.
        *("main", "logs", "server", "config", "tracing"),
        # The packages that decide are built alike.
        *("input", "state", "decide", "conditions", "events", "record", "records", "environment", "status", "outcomes"),
        *("windows", "model_owners", "ownership", "figures", "pod_template", "sources", "urgency"),
        # What `api` defines is read, kept or computed elsewhere under the same name.
        *("profile", "performance", "lease", "registry", "signing", "feedback", "samples", "connection", "pods"),
    )
)
"""Names of modules that several packages have, each for its own part of one thing."""

SPLIT_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


class Forbidden(NamedTuple):
    """A row of the glossary's last table."""

    word: str
    instead: str
    right_in: tuple[str, ...]


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the tables below a heading of the glossary, or below all but the last for an empty one."""
    terms, _, forbidden = GLOSSARY.read_text().partition("## Words that are not used")
    for line in (forbidden if heading else terms).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in ("term", "not") and not set(cells[0]) <= {"-"}:
            yield cells


FORBIDDEN = [
    Forbidden(word, instead, tuple(path for path in right.replace("`", "").split(", ") if path))
    for word, instead, right in rows("Words that are not used")
]
TERMS = [cells[0] for cells in rows("")]


def as_words(text: str) -> str:
    """Identifiers as words: `RegistryTold` and `registry_told` become `registry told`."""
    return " ".join(SPLIT_WORDS.findall(text)).lower()


def texts() -> dict[str, str]:
    """All that is held to the glossary, as lower-case words by path."""
    covered = [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] not in NOT_COVERED_YET]
    docs = [path for path in DOCS if path not in (GLOSSARY, ROOT / "docs" / "style.md", *RECORDED)]
    return {str(path.relative_to(ROOT)): as_words(path.read_text()) for path in (*covered, *docs)}


WORDS = texts()


@pytest.mark.parametrize("rule", FORBIDDEN, ids=lambda rule: rule.word)
def test_a_word_that_the_glossary_replaces_is_not_used(rule: Forbidden) -> None:
    pattern = re.compile(rf"(?<![a-z]){re.escape(rule.word)}(?![a-z])")
    found = {path for path, text in WORDS.items() if pattern.search(text)}
    wrong = {path for path in found if not path.startswith(rule.right_in or ("\0",))}
    assert wrong == set(), f"write {rule.instead}"
    unused = [place for place in rule.right_in if not any(path.startswith(place) for path in found)]
    assert unused == [], "an exception that no text needs"


def test_every_term_of_the_glossary_is_used() -> None:
    assert len(TERMS) == len(set(TERMS)) >= 60
    everything = " ".join(as_words(path.read_text()) for path in (*SOURCES, *DOCS) if path != GLOSSARY)
    assert [term for term in TERMS if as_words(term) not in everything] == []


def classes() -> dict[str, list[str]]:
    """Where each class is defined, those inside of others and of functions included."""
    found = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(PACKAGE)))
    return found


def test_no_class_name_is_defined_twice() -> None:
    assert {name: places for name, places in classes().items() if len(places) > 1} == {}


def test_a_module_name_means_one_thing() -> None:
    found = defaultdict(list)
    for path in SOURCES:
        found[path.stem].append(str(path.relative_to(PACKAGE)))
    twice = {name: places for name, places in found.items() if len(places) > 1 and name != "__init__"}
    assert {name: places for name, places in twice.items() if name not in REPEATED_MODULES} == {}
    assert sorted(REPEATED_MODULES - twice.keys()) == [], "an exception that is not needed any more"


def prose(text: str) -> Iterator[str]:
    """The lines of a page that are neither code nor a row of a table."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("|"):
            yield line


@pytest.mark.parametrize("page", [page for page in DOCS if page not in RECORDED], ids=lambda page: page.name)
def test_lines_of_prose_are_short(page: Path) -> None:
    assert [line for line in prose(page.read_text()) if len(line) > 160] == []
