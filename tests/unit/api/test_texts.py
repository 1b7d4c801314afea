"""Texts of others as one printable line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.texts import one_line, printable


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fine", "fine"),
        ("two\nlines\r\n and\ttabs", "two lines and tabs"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\u2028b\u2029c", "a b c"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\ud800", "\\ud800"),
        ("Grüße 漢字 🙂", "Grüße 漢字 🙂"),
        ("x" * 50, "x" * 19 + "…"),
        ("  ", ""),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text, 20) == line


@given(st.text(), st.integers(1, 50))
def test_whatever_the_text_it_is_short_and_printable(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert line.isprintable()
    assert printable(line) == line


def test_a_line_that_was_made_is_left_alone() -> None:
    assert one_line(one_line("a\x1bb" * 40, 60), 60) == one_line("a\x1bb" * 40, 60)
