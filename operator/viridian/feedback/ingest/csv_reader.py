"""CSV, one row after the other: nothing but the current row is in memory beside the body."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

MAX_COLUMNS: Final = 2_000
MAX_ROW_CHARACTERS: Final = 128 * 1024
"""A row may go over several lines, within quotes. As many as the module `csv` admits in one field."""


class NotCsv(Exception):
    """The bytes are no CSV with a line of column names."""


class TooWide(Exception):
    """A row is longer than any that is meant; the message says so."""


def csv_rows(body: bytes) -> tuple[list[str], Iterator[list[str]]]:
    """The names of the columns, and the rows; both exceptions also come while rows are read."""
    rows = _rows(body)
    names = next(rows, [])
    if len(names) > MAX_COLUMNS:
        raise TooWide(f"a CSV file has at most {MAX_COLUMNS} columns")
    if not names or len(set(names)) < len(names):
        raise NotCsv
    return names, _as_wide_as(len(names), rows)


def _as_wide_as(columns: int, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    for row in rows:
        if len(row) > columns:
            raise NotCsv
        yield row


def _rows(body: bytes) -> Iterator[list[str]]:
    """Those that are not blank."""
    lines = _CountedLines(body)
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            lines.characters = 0
            if row:
                yield row
    except (csv.Error, UnicodeDecodeError):
        raise NotCsv from None


class _CountedLines:
    """The lines of a text, counting the characters of those that make one row."""

    def __init__(self, body: bytes) -> None:
        self._text = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", newline="")
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_ROW_CHARACTERS + 1)
        if not line:
            raise StopIteration
        self.characters += len(line)
        if self.characters > MAX_ROW_CHARACTERS:
            raise TooWide(f"a row of CSV has at most {MAX_ROW_CHARACTERS} characters")
        return line
