"""The footer of a Parquet file: what the file says about itself, before anything of it is unpacked.

The footer is a Thrift structure in the compact protocol. Of its fields only those are read that say how much there is.
Reading takes time in proportion to its length, which is bounded. A footer may lie: what is unpacked is bounded again by
the process that does it (viridian.feedback.ingest.parquet).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

MAGIC: Final = b"PAR1"
MAX_FOOTER_BYTES: Final = 1024 * 1024
MAX_COLUMNS: Final = 2_000
MAX_CHUNKS: Final = 10_000
"""Columns times row groups."""
_DEEPEST: Final = 16
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_VARINTS: Final = (4, 5, 6)
_MOST_BITS: Final = 70


class UnreadableFooter(Exception):
    """The bytes are no Parquet file."""


class TooMuch(Exception):
    """The file holds more than is read at once; the message says what."""


class Physical(IntEnum):
    """How Parquet stores the values of a column."""

    BOOLEAN = 0
    INT32 = 1
    INT64 = 2
    INT96 = 3
    FLOAT = 4
    DOUBLE = 5
    BYTE_ARRAY = 6
    FIXED_LEN_BYTE_ARRAY = 7


@dataclass(frozen=True)
class ParquetColumn:
    """One of the schema's leaves that stand at its top, or a group (no type)."""

    physical: Physical | None
    repeated: bool


@dataclass(frozen=True)
class Footer:
    """As much as is needed to refuse a file."""

    rows: int
    columns: dict[str, ParquetColumn]
    uncompressed: dict[str, int]
    """Bytes by column, over all row groups."""

    def bytes_of(self, columns: Collection[str]) -> int:
        """What these columns are when they are unpacked."""
        return sum(self.uncompressed.get(name, 0) for name in columns)


def footer(body: bytes) -> Footer:
    """Of a file in memory."""
    if len(body) < 3 * len(MAGIC) or body[:4] != MAGIC or body[-4:] != MAGIC:
        raise UnreadableFooter
    (length,) = struct.unpack("<I", body[-8:-4])
    if length > len(body) - 12:
        raise UnreadableFooter
    if length > MAX_FOOTER_BYTES:
        raise TooMuch(f"its footer is larger than {MAX_FOOTER_BYTES} bytes")
    try:
        return _file(_Thrift(body[-8 - length : -8]))
    except (IndexError, ValueError, RecursionError):
        raise UnreadableFooter from None


class _Thrift:
    """Values of the compact protocol, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of a structure; its value is to be read or skipped before the next."""
        number = 0
        while (head := self.byte()) != _STOP:
            number = number + (head >> 4) if head >> 4 else self.integer()
            yield number, head & 15

    def elements(self, kind: int) -> Iterator[int]:
        """The type of each element of a list."""
        if kind != _LIST:
            raise ValueError
        count, element = self._list()
        yield from (element for _ in range(count))

    def integer(self) -> int:
        """A signed number."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def number(self, kind: int) -> int:
        """A number that must not be negative."""
        if kind not in _VARINTS or (value := self.integer()) < 0:
            raise ValueError
        return value

    def text(self, kind: int) -> str:
        """A string."""
        if kind != _BINARY:
            raise ValueError
        return self._bytes(self._varint()).decode()

    def byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def skip(self, kind: int, inside: bool = False, depth: int = 0) -> None:
        """A value that nobody wants. `inside` a list, a truth value takes a byte."""
        if depth > _DEEPEST:
            raise ValueError
        if kind in (_TRUE, _FALSE):
            self._bytes(int(inside))
        elif kind in _VARINTS:
            self._varint()
        elif kind in (_BYTE, _DOUBLE):
            self._bytes(1 if kind == _BYTE else 8)
        elif kind == _BINARY:
            self._bytes(self._varint())
        elif kind == _STRUCT:
            for _, field in self.fields():
                self.skip(field, depth=depth + 1)
        elif kind in (_LIST, _SET):
            count, element = self._list()
            self._skip_each(count, (element,), depth)
        elif kind == _MAP:
            self._skip_map(depth)
        else:
            raise ValueError

    def _skip_map(self, depth: int) -> None:
        if count := self._varint():
            kinds = self.byte()
            self._skip_each(count, (kinds >> 4, kinds & 15), depth)

    def _skip_each(self, count: int, kinds: tuple[int, ...], depth: int) -> None:
        # Each element takes a byte at least: a count that lies ends with the data.
        for _ in range(count):
            for kind in kinds:
                self.skip(kind, inside=True, depth=depth + 1)

    def _list(self) -> tuple[int, int]:
        head = self.byte()
        count = head >> 4
        return (self._varint() if count == 15 else count), head & 15

    def _varint(self) -> int:
        value = shift = 0
        while shift < _MOST_BITS:
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError

    def _bytes(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise IndexError
        found = self._data[self._at : end]
        self._at = end
        return found


def _file(thrift: _Thrift) -> Footer:
    schema: list[tuple[str, ParquetColumn, int]] = []
    rows = grouped = chunks = 0
    uncompressed: dict[str, int] = {}
    for number, kind in thrift.fields():
        if number == 2:
            for _ in thrift.elements(kind):
                schema.append(_element(thrift))
                if len(schema) > MAX_COLUMNS:
                    raise TooMuch(f"it has more than {MAX_COLUMNS} columns")
        elif number == 3:
            rows = thrift.number(kind)
        elif number == 4:
            for _ in thrift.elements(kind):
                in_group, found = _row_group(thrift)
                grouped += in_group
                chunks += len(found) + 1
                if chunks > MAX_CHUNKS:
                    raise TooMuch(f"it has more than {MAX_CHUNKS} column chunks; write larger row groups")
                for name, size in found:
                    uncompressed[name] = uncompressed.get(name, 0) + size
        else:
            thrift.skip(kind)
    return Footer(max(rows, grouped), _top(schema), uncompressed)


def _element(thrift: _Thrift) -> tuple[str, ParquetColumn, int]:
    """Name, column and number of children of one element of the schema."""
    name, physical, repeated, children = "", None, False, 0
    for number, kind in thrift.fields():
        if number == 1:
            physical = Physical(thrift.number(kind))
        elif number == 3:
            repeated = thrift.number(kind) == 2
        elif number == 4:
            name = thrift.text(kind)
        elif number == 5:
            children = thrift.number(kind)
        else:
            thrift.skip(kind)
    return name, ParquetColumn(physical, repeated), children


def _row_group(thrift: _Thrift) -> tuple[int, list[tuple[str, int]]]:
    """Rows, and for each of its columns the name and the bytes that it unpacks to."""
    rows = 0
    found: list[tuple[str, int]] = []
    for number, kind in thrift.fields():
        if number == 1:
            for _ in thrift.elements(kind):
                found += _struct(thrift, 3, _chunk)
        elif number == 3:
            rows = thrift.number(kind)
        else:
            thrift.skip(kind)
    return rows, found


def _struct(thrift: _Thrift, wanted: int, read: Callable[[_Thrift], Any]) -> list[Any]:
    """What `read` makes of one field of a structure; the others are skipped."""
    found = []
    for number, kind in thrift.fields():
        if number == wanted and kind == _STRUCT:
            found.append(read(thrift))
        else:
            thrift.skip(kind)
    return found


def _chunk(thrift: _Thrift) -> tuple[str, int]:
    path, size = "", 0
    for number, kind in thrift.fields():
        if number == 3:
            path = ".".join([thrift.text(element) for element in thrift.elements(kind)])
        elif number == 6:
            size = thrift.number(kind)
        else:
            thrift.skip(kind)
    return path, size


def _top(schema: list[tuple[str, ParquetColumn, int]]) -> dict[str, ParquetColumn]:
    """The schema is a tree, written from its root down: these are the root's children."""
    columns: dict[str, ParquetColumn] = {}
    below = 0
    for name, column, children in schema[1:]:
        if not below:
            columns[name] = column
        below = max(0, below - 1) + children
    return columns
