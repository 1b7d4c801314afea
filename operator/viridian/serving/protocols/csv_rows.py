"""Rows as CSV with a header, for `/invocations`: what each text means follows from the signature, not from guessing.

A number is written as in JSON: nothing else that some language would take for one (`3_0`, `0x10`, ` 3`, `inf`) is.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from viridian.serving.bundle.signature import Column, ColumnKind
from viridian.serving.data.batch import Batch, MatrixReader, Reader, TableReader, wrong_type
from viridian.serving.errors import BadInput, Rejection
from viridian.serving.protocols.decode import check_length, check_lengths

_FLAGS: Final = {"true": True, "false": False}
_FIELD: Final = "csv"
_MOST_COMMAS: Final = 100_000
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def batch(body: bytes, reader: Reader, most: int) -> Batch:
    """The rows below the header, of which there may be so many. An empty field is null."""
    header, rows = _table(body, reader, most)
    check_lengths(rows, len(header), _FIELD)
    if isinstance(reader, MatrixReader):
        return reader.from_matrix(np.array([_line(row, number) for number, row in enumerate(rows)]))
    columns = {column.name: column for column in reader.table.columns}
    return reader.from_columns(
        {
            name: [_value(text, columns.get(name)) for text in texts]
            for name, texts in zip(header, zip(*rows, strict=True), strict=True)
        },
        _FIELD,
    )


def _table(body: bytes, reader: Reader, most: int) -> tuple[list[str], list[list[str]]]:
    try:
        # strict: a quote that is never closed would swallow the rest of the rows.
        lines = csv.reader(_lines(body), strict=True)
        header = next(lines, [])
        if not header:
            raise BadInput(Rejection.MALFORMED, "", "the body is not CSV: its first line names the columns")
        if isinstance(reader, TableReader):
            reader.check_names(header, _FIELD)
        rows: list[list[str]] = []
        for row in _rows(lines, len(header)):
            if len(rows) == most:
                raise BadInput(Rejection.TOO_MANY_ROWS, "", f"a request has {most} rows at most")
            check_length(row, len(header), len(rows), _FIELD)
            rows.append(row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadInput(Rejection.MALFORMED, "", "the body is not CSV in UTF-8") from error
    return header, rows


def _lines(body: bytes) -> Iterator[str]:
    """Decoded one by one: a list of as many fields as a line of some MiB may have takes far more memory than it."""
    for line in io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline=""):
        if line.count(",") > _MOST_COMMAS:
            raise BadInput(Rejection.WRONG_SHAPE, _FIELD, f"a line has more than {_MOST_COMMAS} commas")
        yield line


def _rows(lines: Any, width: int) -> Iterator[list[str]]:
    """A blank line is a row of one column, whose field is empty. Of several columns it may only stand at the end:
    left out among the rows, the answers would not belong to the rows that the client counts."""
    blank = 0
    for fields in lines:
        if fields and blank:
            raise BadInput(Rejection.WRONG_SHAPE, _FIELD, f"line {blank} is blank")
        if fields or width == 1:
            yield fields or [""]
        else:
            blank = blank or lines.line_num


def _value(text: str, column: Column | None) -> Any:
    """The text itself where it cannot mean a value of this column: who checks the types says so."""
    if column is None or (column.kind is ColumnKind.STRING and column.required):
        # Text is the one kind of which the empty field is a value.
        return text
    if not text:
        return None
    if column.kind is ColumnKind.BOOLEAN:
        return _FLAGS.get(text.lower(), text)
    if column.kind is ColumnKind.STRING or not _NUMBER.fullmatch(text):
        return text
    return _number(text, column.name)


def _line(texts: Sequence[str], row: int) -> list[float]:
    if not all(map(_NUMBER.fullmatch, texts)):
        raise wrong_type(_FIELD, row, ColumnKind.FLOAT, "a string")
    return [_number(text, _FIELD) for text in texts]


def _number(text: str, field: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BadInput(Rejection.OUT_OF_RANGE, field, f"{field!r}: number out of range")
    return number
