"""From JSON to typed lists and matrices. Decoders are made once; a wrong value is located only when there is one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from viridian.serving.bundle.signature import Column, ColumnKind
from viridian.serving.data.batch import (
    STRICT,
    Batch,
    MatrixReader,
    Reader,
    TableReader,
    absent,
    spoken,
    typed_list,
    wrong_type,
)
from viridian.serving.errors import BadInput, Rejection

ANY: Final = msgspec.json.Decoder()
RECORDS: Final = msgspec.json.Decoder(list[dict[str, Any]])
LISTS: Final = msgspec.json.Decoder(list[list[Any]])
_ROWS: Final[dict[bool, msgspec.json.Decoder[Any]]] = {
    False: msgspec.json.Decoder(list[list[float]]),
    True: msgspec.json.Decoder(list[list[float | None]]),
}
_VECTORS: Final[dict[tuple[ColumnKind, bool], msgspec.json.Decoder[Any]]] = {
    (kind, optional): msgspec.json.Decoder(list[value | None] if optional else list[value])  # type: ignore[valid-type]
    for kind, value in STRICT.items()
    for optional in (False, True)
}
_PLACE: Final = re.compile(r"at `\$\[(\d+)\](?:\[(\d+)\])?")


def envelope(decoder: msgspec.json.Decoder[Any], body: bytes, what: str) -> Any:
    """The decoded body, or a refusal that says where it is no such thing."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BadInput(Rejection.MALFORMED, "", f"the body is not {what}: {_plain(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = "; NaN and Infinity are not JSON, send null where a value is missing" if b"NaN" in body else ""
        raise BadInput(Rejection.MALFORMED, "", f"the body is not JSON{hint}") from error


def vector(column: Column, optional: bool, raw: msgspec.Raw) -> list[Any]:
    """The values of one column: a list, or a list of lists of one value each."""
    try:
        return _VECTORS[column.kind, optional].decode(raw)  # type: ignore[no-any-return]
    except msgspec.ValidationError:
        values = loose(ANY, raw, column.name)
        if not isinstance(values, list):
            raise BadInput(Rejection.WRONG_SHAPE, column.name, f"{column.name!r}: data is not a list") from None
        if values and all(isinstance(value, list) and len(value) == 1 for value in values):
            values = [value[0] for value in values]
        return typed_list(column, values, optional)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(column.name) from error


def matrix(raw: msgspec.Raw, names: Sequence[str] | None, nullable: bool, field: str) -> NDArray[np.float64]:
    """Rows of numbers, all of one length, with NaN for null."""
    try:
        rows = _ROWS[nullable].decode(raw)
    except msgspec.ValidationError as error:
        raise _misplaced(raw, names, field, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(field) from error
    width = len(names) if names is not None else len(rows[0]) if rows else 0
    check_lengths(rows, width, field)
    return np.array(rows, dtype=np.float64)


def flat(raw: msgspec.Raw, nullable: bool, field: str) -> NDArray[np.float64]:
    """Numbers in a row, with NaN for null."""
    try:
        return np.array(_VECTORS[ColumnKind.FLOAT, nullable].decode(raw), dtype=np.float64)
    except msgspec.ValidationError as error:
        raise _misplaced(raw, None, field, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(field) from error


def loose(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw, field: str) -> Any:
    """Whatever JSON it is, in the decoder's outer shape."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        reason = Rejection.OUT_OF_RANGE if "out of range" in str(error) else Rejection.WRONG_SHAPE
        raise BadInput(reason, field, f"{field!r}: {_plain(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(field) from error


def check_lengths(rows: Sequence[Sequence[Any]], width: int, field: str) -> None:
    """There are rows, and each has the same number of values."""
    if not rows or width == 0:
        raise BadInput(Rejection.WRONG_SHAPE, field, "there are no rows")
    for number, row in enumerate(rows):
        check_length(row, width, number, field)


def check_length(row: Sequence[Any], width: int, number: int, field: str) -> None:
    """The row of this number has so many values."""
    if len(row) != width:
        raise BadInput(Rejection.WRONG_SHAPE, field, f"row {number} has {len(row)} values, but {width} are needed")


def rows_to_batch(reader: Reader, raw: msgspec.Raw, names: Sequence[str] | None, field: str) -> Batch:
    """A batch from a list of rows; without names their order is the signature's."""
    if isinstance(reader, MatrixReader):
        return reader.from_matrix(matrix(raw, names, nullable=False, field=field))
    order = reader.names if names is None else tuple(names)
    exact = reader.check_names(order, field)
    if not reader.table.numeric or not exact:
        rows = loose(LISTS, raw, field)
        check_lengths(rows, len(order), field)
        return reader.from_columns(dict(zip(order, zip(*rows, strict=True), strict=True)), field)
    values = matrix(raw, order, reader.nullable, field)
    if order != reader.names:
        places = {name: place for place, name in enumerate(order)}
        values = values[:, [places[name] for name in reader.names]]
    return reader.from_matrix(values)


def records_to_batch(reader: TableReader, raw: msgspec.Raw, field: str) -> Batch:
    """A batch from a list of objects, one for each row."""
    records = loose(RECORDS, raw, field)
    if not records:
        raise BadInput(Rejection.WRONG_SHAPE, field, "there are no rows")
    first = records[0].keys()
    if not first or any(record.keys() != first for record in records):
        return reader.from_columns(_filled(reader, records), field)
    return reader.from_columns({name: [record[name] for record in records] for name in first}, field)


def _filled(reader: TableReader, records: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Columns from records that do not all have the same keys: an optional one that is left out is null."""
    required = {column.name for column in reader.table.columns if column.required}
    for number, record in enumerate(records):
        uneven = required & (record.keys() ^ records[0].keys())
        if uneven:
            odd = sorted(uneven)[0]
            raise BadInput(Rejection.WRONG_SHAPE, odd, f"row {number} and row 0 do not both have the column {odd!r}")
    names = dict.fromkeys(name for record in records for name in record)
    reader.check_names(list(names), "")
    # Rows that say nothing at all are rows as well, where everything is optional.
    return {name: [record.get(name) for record in records] for name in names or reader.names[:1]}


def _misplaced(raw: msgspec.Raw, names: Sequence[str] | None, field: str, message: str) -> BadInput:
    """The refusal for the first value of a wrong type in a list, or in a list of lists, of numbers."""
    place = _PLACE.search(message)
    values = loose(ANY, raw, field)
    if place is None or not isinstance(values, list):
        return BadInput(Rejection.WRONG_SHAPE, field, f"{field!r} is not a list of rows")
    row = int(place[1])
    if place[2] is None:
        if "Expected `array`" in message:
            return BadInput(Rejection.WRONG_SHAPE, field, f"row {row} is {spoken(values[row])}, but a list is needed")
        return wrong_type(field, row, ColumnKind.FLOAT, spoken(values[row]))
    column = int(place[2])
    name = names[column] if names is not None and column < len(names) else f"{field}[{column}]"
    value = values[row][column]
    return absent(name, row) if value is None else wrong_type(name, row, ColumnKind.FLOAT, spoken(value))


def _malformed(field: str) -> BadInput:
    return BadInput(Rejection.MALFORMED, field, f"{field!r} is not JSON")


def _plain(error: Exception) -> str:
    """The decoder's words, which name types and places, never values."""
    return str(error).replace("`", "").replace(" - at $", " at $")
