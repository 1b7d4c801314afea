"""Storing what servers have counted, each window of each process once."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from viridian.api.feedback import ProfileWindow, Stored
from viridian.feedback import tables
from viridian.feedback.statements import insert_new, rows_written
from viridian.feedback.writer import Transaction


@dataclass(frozen=True)
class StoreProfile:
    """One window of one server."""

    window: ProfileWindow
    rows = 1

    def run(self, transaction: Transaction) -> Stored:
        """A window whose number has been seen from this process is a repetition."""
        connection, window = transaction.connection, self.window
        row = {
            "space": transaction.catalog.space(connection, window.served.namespace),
            "served": transaction.catalog.served(connection, window.served).key,
            "pod": window.pod,
            "sequence": window.sequence,
            "start": window.start,
            "end": window.end,
            "profile": msgspec.json.encode(window.profile),
        }
        stored = rows_written(connection, insert_new(connection, tables.profiles), row)
        return Stored(stored=stored, duplicates=1 - stored)
