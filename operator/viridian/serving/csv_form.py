"""Rows as CSV with a header, for `/invocations`: what each text means follows from the signature, not from guessing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from viridian.serving.batch import Batch, MatrixReader, Reader, wrong_type
from viridian.serving.decode import check_lengths
from viridian.serving.errors import BadInput, Rejection
from viridian.serving.signature import Column, Kind

_FLAGS: Final = {"true": True, "false": False}
_FIELD: Final = "csv"


def batch(body: bytes, reader: Reader) -> Batch:
    """The rows below the header. An empty field is null."""
    header, rows = _table(body)
    check_lengths(rows, len(header), _FIELD)
    if isinstance(reader, MatrixReader):
        return reader.from_matrix(np.array([_line(row, number) for number, row in enumerate(rows)]))
    columns = {column.name: column for column in reader.table.columns}
    reader.check_names(header, _FIELD)
    return reader.from_columns(
        {
            name: [_value(text, columns.get(name)) for text in texts]
            for name, texts in zip(header, zip(*rows, strict=True), strict=True)
        },
        _FIELD,
    )


def _table(body: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        # strict: a quote that is never closed would swallow the rest of the rows.
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadInput(Rejection.MALFORMED, "", "the body is not CSV in UTF-8") from error
    if not lines:
        raise BadInput(Rejection.MALFORMED, "", "the body is not CSV: its first line names the columns")
    return lines[0], [line for line in lines[1:] if line]


def _value(text: str, column: Column | None) -> Any:
    """The text itself where it cannot mean a value of this column: who checks the types says so."""
    if column is None or (column.kind is Kind.STRING and column.required):
        # Text is the one kind of which the empty field is a value.
        return text
    if not text:
        return None
    if column.kind is Kind.BOOLEAN:
        return _FLAGS.get(text.lower(), text)
    if column.kind is Kind.STRING:
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return None if math.isnan(number) else number if math.isfinite(number) else text


def _line(texts: Sequence[str], row: int) -> list[float]:
    try:
        numbers = [float(text) for text in texts]
    except ValueError as error:
        raise wrong_type(_FIELD, row, Kind.FLOAT, "a string") from error
    if not all(map(math.isfinite, numbers)):
        raise wrong_type(_FIELD, row, Kind.FLOAT, "NaN or an infinite number")
    return numbers
