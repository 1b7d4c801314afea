"""Writes docs/requirements.md from docs/requirements.yaml: `python -m docs.scripts.requirements`.

One row per requirement: what must hold, the tests that show it, and what is open. A test fails when the page differs
from what this writes, or when a named test is gone.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

DOCS: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = DOCS / "requirements.yaml"
PAGE: Final = DOCS / "requirements.md"
TESTS: Final = DOCS.parent / "tests"
WRITTEN: Final = "<!-- Written by `python -m docs.scripts.requirements`: edit docs/requirements.yaml instead. -->"


class State(StrEnum):
    """How far a requirement is."""

    SHOWN = "shown"
    PARTLY = "partly"
    OPEN = "open"


class Requirement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that must hold."""

    must: str
    shown: tuple[str, ...] = ()
    """Tests that show it: a file below tests/, or `file::function`."""
    open: str = ""
    """What is not shown yet."""

    @property
    def state(self) -> State:
        if not self.shown:
            return State.OPEN
        return State.PARTLY if self.open else State.SHOWN


def read() -> Mapping[str, Requirement]:
    """All requirements by number, in their order. Raises `msgspec.ValidationError` for anything else."""
    return msgspec.yaml.decode(SOURCE.read_bytes(), type=dict[str, Requirement])


def missing_tests(requirements: Mapping[str, Requirement]) -> Iterator[str]:
    """Tests that are named and are not there."""
    for number, requirement in requirements.items():
        for named in requirement.shown:
            file, _, function = named.partition("::")
            path = TESTS / file
            if not path.is_file() or (function and function not in _functions(path)):
                yield f"{number}: tests/{named}"


def page(requirements: Mapping[str, Requirement]) -> str:
    """The whole page."""
    states = Counter(requirement.state for requirement in requirements.values())
    counted = ", ".join(f"{states[state]} {state}" for state in State)
    return "\n".join(
        [
            WRITTEN,
            "",
            "# Requirements",
            "",
            "What the whole life of a model asks of the operator, and the tests that show that it holds. A requirement",
            "is *shown* when its tests show all of it, *partly* when some of it is open, and *open* when no test shows",
            "any of it. The build fails when a test that is named here is gone.",
            "",
            f"{len(requirements)} requirements: {counted}.",
            "",
            "| | what must hold | state | shown by | open |",
            "|---|---|---|---|---|",
            *(_row(number, requirement) for number, requirement in requirements.items()),
            "",
        ]
    )


def _row(number: str, requirement: Requirement) -> str:
    tests = "<br>".join(map(_link, requirement.shown))
    return f"| {number} | {requirement.must} | {requirement.state} | {tests} | {requirement.open} |"


def _link(named: str) -> str:
    file, _, function = named.partition("::")
    return f"[{function or Path(file).stem}](../tests/{file})"


def _functions(path: Path) -> Iterable[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


if __name__ == "__main__":
    PAGE.write_text(page(read()))
