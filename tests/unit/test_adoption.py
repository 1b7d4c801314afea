"""docs/adoption.md answers each point, by files and tests that exist or with a reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "adoption.md"
POINTS: Final = 40
_ROW: Final = re.compile(r"^\| (\d+) \| ([^|]+) \|([^|]*)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
_NAMED: Final = re.compile(r"`([^`]+)`")
ROWS: Final = [(int(number), *map(str.strip, rest)) for number, *rest in _ROW.findall(PAGE.read_text())]


def test_every_point_has_a_row() -> None:
    assert [row[0] for row in ROWS] == list(range(1, POINTS + 1))


@pytest.mark.parametrize(("number", "what", "where", "shown", "missing"), ROWS, ids=[str(row[0]) for row in ROWS])
def test_a_point_names_files_and_a_test_or_says_why_not(
    number: int, what: str, where: str, shown: str, missing: str
) -> None:
    files, tests = _NAMED.findall(where), _NAMED.findall(shown)
    assert missing or (files and tests), f"{what}: name the file and the test, or one reason"
    assert [name for name in (*files, *tests) if not (ROOT / name).exists()] == []
    assert all(name.startswith("tests/") for name in tests)
