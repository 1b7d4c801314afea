"""How much JSON stands for, before objects are made of it.

Eight MiB of `{},{},…` are almost three million objects, and half a GiB in memory. So commas and brackets are counted
first. Counting is quick, and only where there are many of them are those inside of strings left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from viridian.serving.errors import BadInput, Rejection

SLACK: Final = 10_000
"""So many more cost little. The reader that knows what is expected reports what is wrong with them."""
MANY_ROWS: Final = 1_000_000
"""Where nobody has set a limit, as for a model's own example."""
_BLOCK: Final = 1024 * 1024
_COMMA, _LIST, _OBJECT = b",", b"[", b"{"


@dataclass(frozen=True, slots=True)
class Room:
    """For the rows of one request."""

    rows: int
    columns: int | None
    """None where the model takes any number of them."""

    def check_rows(self, raw: msgspec.Raw, field: str) -> None:
        """Lists or objects, one for each row."""
        self._check(raw, field, self.rows)

    def check_columns(self, raw: msgspec.Raw, field: str) -> None:
        """A list for each column, in which each value may be a list of its own."""
        self._check(raw, field, self.rows * (self.columns or 1))

    def check_request(self, text: bytes) -> None:
        """All of an inference request: objects are inputs, outputs and parameters, and values stand in lists."""
        columns = self.columns or 1
        if _most(text, _OBJECT, 4 * columns):
            raise BadInput(
                Rejection.UNKNOWN_COLUMN, "inputs", f"there are far more inputs than the model has columns: {columns}"
            )
        if self.columns is not None and _most(text, _COMMA, (self.rows + 20) * columns):
            message = f"there are more values than {self.rows} rows have, which are the most of a request"
            raise BadInput(Rejection.WRONG_SHAPE, "inputs", message)

    def check_names(self, raw: msgspec.Raw, field: str) -> None:
        """A list of the names of columns."""
        if self.columns is not None and _most(raw, _COMMA, self.columns):
            raise BadInput(Rejection.WRONG_SHAPE, field, f"{field!r}: the model has {self.columns} columns")

    def _check(self, raw: msgspec.Raw, field: str, structures: int) -> None:
        values = None if self.columns is None else self.rows * max(self.columns, 1)
        if (
            _most(raw, _LIST, structures)
            or _most(raw, _OBJECT, structures)
            or (values is not None and _most(raw, _COMMA, values))
        ):
            raise BadInput(Rejection.TOO_MANY_ROWS, field, f"a request has {self.rows} rows at most")


ANY_ROOM: Final = Room(MANY_ROWS, None)


def structures(text: bytes) -> int:
    """Lists and objects in it, and a few more where strings look like them."""
    return text.count(_LIST) + text.count(_OBJECT)


def _most(raw: msgspec.Raw | bytes, sign: bytes, most: int) -> bool:
    """Whether there are more of them than that, and some, outside of strings."""
    most += SLACK
    size = memoryview(raw).nbytes
    if size <= most:
        return False
    text = bytes(raw)
    if text.count(sign) <= most:
        return False
    return sum(int(np.count_nonzero(block == sign[0])) for block in _outside_strings(text)) > most


def _outside_strings(text: bytes) -> Iterator[NDArray[np.uint8]]:
    """The text without what stands in quotes, block by block."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    inside = np.uint8(0)
    for start in range(0, len(text), _BLOCK):
        codes = np.frombuffer(text, np.uint8, min(_BLOCK, len(text) - start), start)
        quotes = (codes == ord('"')).view(np.uint8)
        within = np.bitwise_xor.accumulate(quotes) ^ inside
        inside = within[-1]
        yield codes[within == 0]
