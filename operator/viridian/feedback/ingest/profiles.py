"""Storing what servers have counted, each window of each process once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from viridian.api.feedback import ProfileWindow, Stored
from viridian.api.profile import MAX_FEATURES, Numbers, Profile
from viridian.feedback.problems import HttpProblem
from viridian.feedback.storage import tables
from viridian.feedback.storage.packed_profiles import packed, shape_of
from viridian.feedback.storage.usage import ROW_BYTES, add_usage
from viridian.feedback.storage.writer import Transaction

MAX_BINS: Final = 1_000
"""Of one sketch; servers send a tenth of it."""
MAX_COUNT: Final = 2**40
"""In one window. The sum over all windows that are ever merged fits into 64 bits."""


def check_profile(profile: Profile) -> None:
    """Nothing, or a problem: what is stored can be added up with any other window of the same shape."""
    if len(profile.features) > MAX_FEATURES:
        raise HttpProblem(400, f"a profile has at most {MAX_FEATURES} features")
    for sketch in (*profile.features.values(), profile.prediction):
        bins = len(sketch.edges) + 1 if isinstance(sketch, Numbers) else len(sketch.names)
        if bins > MAX_BINS:
            raise HttpProblem(400, f"a sketch has at most {MAX_BINS} bins")
        if len(sketch.counts) != bins:
            raise HttpProblem(400, "a sketch has one count for each bin: one more than edges, as many as names")
        rest = (sketch.finite,) if isinstance(sketch, Numbers) else (sketch.other,)
        if not _are_counts(*sketch.counts, *rest, sketch.missing):
            raise HttpProblem(400, _COUNTS)
    if not _are_counts(profile.rows, profile.sampled):
        raise HttpProblem(400, _COUNTS)


def _are_counts(*numbers: int) -> bool:
    return min(numbers) >= 0 and max(numbers) <= MAX_COUNT


_COUNTS: Final = f"a count of a profile is from 0 to {MAX_COUNT}, so that sums fit into 64 bits"


@dataclass(frozen=True)
class StoreProfile:
    """One window of one server."""

    window: ProfileWindow
    rows = 1

    def run(self, transaction: Transaction) -> Stored:
        """A window whose number has been seen from this process is a repetition."""
        connection, window = transaction.connection, self.window
        space = transaction.catalog.space(connection, window.served.namespace)
        if _seen(connection, space, window):
            return Stored(stored=0, duplicates=1)
        content = packed(window.profile)
        row: dict[str, Any] = {
            "space": space,
            "served": transaction.catalog.served(connection, window.served).key,
            "pod": window.pod,
            "first": window.sequence,
            "sequence": window.sequence,
            "start": window.start,
            "end": window.end,
            "shape": transaction.catalog.shape(connection, space, shape_of(window.profile)),
            "profile": content,
        }
        connection.execute(tables.profiles.insert(), row)
        add_usage(connection, space, len(content) + ROW_BYTES)
        return Stored(stored=1)


def _seen(connection: sa.Connection, space: int, window: ProfileWindow) -> bool:
    """Rows of a pod do not overlap: the next one that ends at this number or later holds it, or none does."""
    table = tables.profiles
    holder = (
        sa.select(table.c.first)
        .where(table.c.space == space, table.c.pod == window.pod, table.c.sequence >= window.sequence)
        .order_by(table.c.sequence)
        .limit(1)
    )
    first = connection.scalar(holder)
    return first is not None and first <= window.sequence
