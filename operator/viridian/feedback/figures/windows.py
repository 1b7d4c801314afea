"""What is known about each revision in each window: merged profiles, and predictions joined with their outcomes."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from viridian.api.feedback import Window
from viridian.api.performance import Performance
from viridian.api.profile import Profile
from viridian.feedback.figures.spans import Spans
from viridian.feedback.figures.window_sums import Place, performances
from viridian.feedback.problems import HttpProblem
from viridian.feedback.storage import tables
from viridian.feedback.storage.catalog import Known, servers_of
from viridian.feedback.storage.packed_profiles import packed, shape, unpacked
from viridian.judgement.merging import ShapesDiffer, merge_performances, merge_profiles

_REMEMBERED_BYTES: Final = 64 << 20
_ENTRY_BYTES: Final = 500
"""What an entry takes beside its content."""
_SERVERS_PER_READ: Final = 100
"""Profiles that are fetched together: they are many, and each is large."""
MAX_ANSWER_BYTES: Final = 64 << 20
"""As much as the operator reads."""


@dataclass(frozen=True)
class _Counted:
    """Which stored profiles were merged. Rows are added at the end or deleted; where several are merged into one of
    them, the others are deleted: in no place can their number stay the same."""

    number: int
    last: int


@dataclass(frozen=True)
class _Merged:
    """A merged profile as small as on disk, since there may be thousands."""

    counted: _Counted
    shape: int
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content) + _ENTRY_BYTES


class _Memory:
    """The merged profiles that were asked for last, in so many bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._entries: OrderedDict[tuple[int, float, float], _Merged] = OrderedDict()

    def get(self, name: tuple[int, float, float]) -> _Merged | None:
        if (found := self._entries.get(name)) is not None:
            self._entries.move_to_end(name)
        return found

    def put(self, name: tuple[int, float, float], merged: _Merged) -> None:
        self._drop(self._entries.pop(name, None))
        self._entries[name] = merged
        self._size += merged.size
        while self._size > self._limit:
            self._drop(self._entries.popitem(last=False)[1])

    def _drop(self, merged: _Merged | None) -> None:
        self._size -= 0 if merged is None else merged.size


class _Shapes:
    """Those that one question needs, each read once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._known: dict[int, Profile] = {}

    def __getitem__(self, key: int) -> Profile:
        if (found := self._known.get(key)) is None:
            document = self._connection.scalar(sa.select(tables.shapes.c.document).where(tables.shapes.c.key == key))
            found = self._known[key] = shape(document or b"")
        return found


class WindowSums:
    """Answers with what is in the database now. Merged profiles are remembered: the past seldom changes."""

    def __init__(self, engine: sa.Engine, remembered_bytes: int = _REMEMBERED_BYTES) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._memory = _Memory(remembered_bytes)

    def of(
        self,
        namespace: str,
        deployment: str,
        spans: Spans,
        revision: str = "",
        profiles: bool = True,
        label: str = "",
    ) -> Iterator[Window]:
        """The oldest first; windows about which nothing is known are left out, one at a time is in memory.

        Without `profiles`, only predictions and outcomes are looked at. `label`: see `performances`.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                servers = servers_of(connection, namespace, deployment, revision)
            joined = performances(self._engine, servers, spans, label) if servers else {}
            if not servers or not profiles:
                yield from _windows(servers, spans, joined, {}, {})
                return
            # Merging is work for one thread; a query that waits for its turn holds no connection meanwhile.
            with self._lock, self._engine.connect() as connection, connection.begin():
                shapes = _Shapes(connection)
                merged = self._profiles(connection, shapes, servers, spans)
                known = {entry.shape: shapes[entry.shape] for entry in merged.values()}
            yield from _windows(servers, spans, joined, merged, known)
        except ShapesDiffer as error:
            raise HttpProblem(409, f"servers of the same revision have counted differently: {error}") from None

    def _profiles(
        self, connection: sa.Connection, shapes: _Shapes, servers: Sequence[Known], spans: Spans
    ) -> dict[Place, _Merged]:
        """A server's window counts where it started."""
        table = tables.profiles
        here = (
            table.c.served.in_([known.key for known in servers]),
            table.c.start >= spans.start,
            table.c.start < spans.end,
        )
        present: dict[Place, list[int]] = defaultdict(list)
        listing = sa.select(table.c.key, table.c.served, table.c.start).where(*here).order_by(table.c.key)
        for key, served, start in connection.execute(listing):
            present[served, spans.number(start)].append(key)
        return {place: self._merge(connection, shapes, place, keys, spans) for place, keys in present.items()}

    def _merge(
        self, connection: sa.Connection, shapes: _Shapes, place: Place, keys: list[int], spans: Spans
    ) -> _Merged:
        served, window = place
        name = (served, *spans.bounds(window))
        counted = _Counted(len(keys), keys[-1])
        known = self._memory.get(name)
        if known is not None and known.counted == counted:
            return known
        number, merged, new = 0, None, keys
        if known is not None:
            later = [key for key in keys if key > known.counted.last]
            if len(keys) - len(later) == known.counted.number:
                number, merged, new = known.shape, unpacked(shapes[known.shape], known.content), later
        for shape_key, content in _stored(connection, served, new):
            one = unpacked(shapes[shape_key], content)
            number, merged = number or shape_key, merge_profiles([one] if merged is None else [merged, one])
        assert merged is not None  # noqa: S101 - there is a key, and its row is seen by the same transaction
        entry = _Merged(counted, number, packed(merged))
        self._memory.put(name, entry)
        return entry


def encoded(windows: Iterable[Window]) -> bytes:
    """A list of windows as JSON, or a problem where it would be too long."""
    parts: list[bytes] = []
    size = 0
    for window in windows:
        parts.append(msgspec.json.encode(window))
        size += len(parts[-1])
        if size > MAX_ANSWER_BYTES:
            raise HttpProblem(
                400,
                f"that is more than {MAX_ANSWER_BYTES >> 20} MiB of profiles; ask for a shorter time, for longer "
                "windows, or with profile=false for performance alone",
            )
    return b"[" + b",".join(parts) + b"]"


def _stored(connection: sa.Connection, served: int, keys: list[int]) -> Iterator[tuple[int, bytes]]:
    """Shape and content of these profiles, a few of them at a time in memory."""
    table = tables.profiles
    for begin in range(0, len(keys), _SERVERS_PER_READ):
        some = keys[begin : begin + _SERVERS_PER_READ]
        query = sa.select(table.c.shape, table.c.profile).where(table.c.served == served, table.c.key.in_(some))
        yield from ((row.shape, row.profile) for row in connection.execute(query.order_by(table.c.key)).all())


def _windows(
    servers: Sequence[Known],
    spans: Spans,
    joined: Mapping[Place, Performance],
    merged: Mapping[Place, _Merged],
    shapes: Mapping[int, Profile],
) -> Iterator[Window]:
    by_revision: dict[str, list[Known]] = defaultdict(list)
    for known in servers:
        by_revision[known.served.revision].append(known)
    for number in sorted({window for _, window in (*joined, *merged)}):
        for revision, alike in by_revision.items():
            places = [(known.key, number) for known in alike]
            if any(place in joined or place in merged for place in places):
                start, end = spans.bounds(number)
                profiles = [merged[place] for place in places if place in merged]
                yield Window(
                    revision=revision,
                    version=alike[-1].served.version,
                    start=start,
                    end=end,
                    profile=merge_profiles(unpacked(shapes[one.shape], one.content) for one in profiles),
                    performance=merge_performances(joined[place] for place in places if place in joined),
                )
