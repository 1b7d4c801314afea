"""Rows for the collector as they wait to be sent: encoded once, in chunks; some chunks make one batch."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from viridian.api.feedback import Block, Served


@dataclass(frozen=True, slots=True)
class RowChunk:
    """Rows that were encoded together."""

    body: bytes
    rows: int

    @classmethod
    def of(cls, block: Block) -> RowChunk:
        """Encoded once, however often it is sent."""
        return cls(msgspec.json.encode(block), len(block.ids))

    def halves(self) -> tuple[RowChunk, RowChunk]:
        """Of at least two rows."""
        block = msgspec.json.decode(self.body, type=Block)
        return RowChunk.of(block.part(0, self.rows // 2)), RowChunk.of(block.part(self.rows // 2, self.rows))


class _PredictionBatch(msgspec.Struct):
    """`PredictionBatch` of blocks that are encoded already."""

    served: Served
    blocks: list[msgspec.Raw]
    dropped: int


@dataclass(slots=True)
class RowBatch:
    """Chunks that are sent in one request, until the collector has responded."""

    chunks: list[RowChunk]
    dropped: int

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)

    def encode(self, served: Served) -> bytes:
        """The body of the request."""
        blocks = [msgspec.Raw(chunk.body) for chunk in self.chunks]
        return msgspec.json.encode(_PredictionBatch(served, blocks, self.dropped))

    def split(self) -> list[RowChunk]:
        """Keeps the older half of its rows and returns the newer half."""
        chunks = list(self.chunks[0].halves()) if len(self.chunks) == 1 else self.chunks
        middle = len(chunks) // 2
        self.chunks = chunks[:middle]
        return chunks[middle:]
