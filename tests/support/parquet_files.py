"""Parquet files, ordinary and hostile."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    """The table as a file."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def long_texts(rows: int, size: int, *, dictionary: bool) -> bytes:
    """Outcomes of so many bytes each, which compress to nearly nothing."""
    group = 200
    texts = pa.array(["x" * size] * group, pa.large_string())
    file = io.BytesIO()
    schema = pa.schema([("prediction_id", pa.string()), ("outcome", pa.large_string())])
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": dictionary, "write_statistics": False}
    with pq.ParquetWriter(file, schema, **options) as writer:
        for start in range(0, rows, group):
            ids = [f"prediction-{number}" for number in range(start, start + group)]
            writer.write_table(pa.table({"prediction_id": ids, "outcome": texts}, schema))
    return file.getvalue()


def varint(number: int) -> bytes:
    """As Thrift's compact protocol writes a number that is not negative."""
    number *= 2
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def lying(body: bytes, true: int, said: int) -> bytes:
    """The file with another number in its footer: of as many bytes, so that nothing else moves."""
    old, new = varint(true), varint(said)
    new = bytes([*(byte | 128 for byte in new), *[128] * (len(old) - len(new))])[: len(old)]
    new = bytes([*new[:-1], new[-1] & 127])
    length = int.from_bytes(body[-8:-4], "little")
    start = len(body) - 8 - length
    footer = body[start:-8]
    assert old in footer
    return body[:start] + footer.replace(old, new) + body[-8:]
