"""docs/requirements.md says what the tests show."""

from __future__ import annotations

from docs.scripts import requirements
from docs.scripts.requirements import Requirement

REQUIREMENTS = requirements.read()


def test_the_page_is_what_the_file_says() -> None:
    assert requirements.PAGE.read_text() == requirements.page(REQUIREMENTS), "run `python -m docs.scripts.requirements`"


def test_every_test_that_is_named_is_there() -> None:
    assert list(requirements.missing_tests(REQUIREMENTS)) == []


def test_a_test_that_is_gone_is_found() -> None:
    gone = Requirement(must="x", shown=("unit/test_requirements.py::test_that_was_never_there", "unit/test_nowhere.py"))
    assert list(requirements.missing_tests({"R1": gone})) == [
        "R1: tests/unit/test_requirements.py::test_that_was_never_there",
        "R1: tests/unit/test_nowhere.py",
    ]


def test_every_number_is_there_in_its_order() -> None:
    assert list(REQUIREMENTS) == [f"R{number}" for number in range(1, 156)]


def test_what_no_test_shows_says_what_is_open() -> None:
    assert [number for number, one in REQUIREMENTS.items() if not one.shown and not one.open] == []
