"""What is known about each revision in each window: merged profiles, and predictions joined with their outcomes."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from viridian.api.feedback import Window
from viridian.api.performance import Performance
from viridian.api.profile import Profile
from viridian.feedback import tables
from viridian.feedback.catalog import Known, servers_of
from viridian.feedback.figures import Place, performances
from viridian.feedback.problems import Problem
from viridian.feedback.spans import Spans
from viridian.judgement.merging import NotAlike, merge_performances, merge_profiles

_REMEMBERED: Final = 4_096
_decoder: Final = msgspec.json.Decoder(Profile)


@dataclass(frozen=True)
class _Counted:
    """Which stored profiles were merged: rows are only ever added at the end or deleted."""

    number: int
    last: int


class Windows:
    """Answers with what is in the database now. Merged profiles are remembered: the past seldom changes."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._merged: OrderedDict[tuple[int, float, float], tuple[_Counted, Profile | None]] = OrderedDict()

    def of(self, namespace: str, deployment: str, spans: Spans, revision: str = "") -> list[Window]:
        """The oldest first; windows about which nothing is known are left out."""
        try:
            with self._engine.connect() as connection, connection.begin():
                servers = servers_of(connection, namespace, deployment, revision)
                if not servers:
                    return []
                joined = performances(connection, servers, spans)
                with self._lock:
                    profiles = self._profiles(connection, servers, spans)
            return _windows(servers, spans, joined, profiles)
        except NotAlike as error:
            raise Problem(409, f"servers of the same revision have counted differently: {error}") from None

    def _profiles(self, connection: sa.Connection, servers: Sequence[Known], spans: Spans) -> dict[Place, Profile]:
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
        found = {place: self._merge(connection, place, keys, spans) for place, keys in present.items()}
        return {place: profile for place, profile in found.items() if profile is not None}

    def _merge(self, connection: sa.Connection, place: Place, keys: list[int], spans: Spans) -> Profile | None:
        served, window = place
        name = (served, *spans.bounds(window))
        counted, known = self._merged.get(name, (_Counted(0, 0), None))
        if counted == _Counted(len(keys), keys[-1]):
            return known
        earlier = [key for key in keys if key <= counted.last]
        if len(earlier) != counted.number:
            earlier, known = [], None
        new = keys[len(earlier) :]
        table = tables.profiles
        stored = connection.execute(
            sa.select(table.c.key, table.c.profile)
            .where(table.c.served == served, table.c.key.between(new[0], new[-1]))
            .order_by(table.c.key)
        )
        wanted = set(new)
        fresh = [_decoder.decode(document) for key, document in stored if key in wanted]
        merged = merge_profiles(([known] if known else []) + fresh)
        self._merged[name] = (_Counted(len(keys), keys[-1]), merged)
        self._merged.move_to_end(name)
        while len(self._merged) > _REMEMBERED:
            self._merged.popitem(last=False)
        return merged


def _windows(
    servers: Sequence[Known], spans: Spans, joined: Mapping[Place, Performance], profiles: Mapping[Place, Profile]
) -> list[Window]:
    by_revision: dict[str, list[Known]] = defaultdict(list)
    for known in servers:
        by_revision[known.served.revision].append(known)
    numbers = sorted({window for _, window in (*joined, *profiles)})
    found = []
    for number in numbers:
        for revision, alike in by_revision.items():
            places = [(known.key, number) for known in alike]
            if any(place in joined or place in profiles for place in places):
                start, end = spans.bounds(number)
                found.append(
                    Window(
                        revision=revision,
                        version=alike[-1].served.version,
                        start=start,
                        end=end,
                        profile=merge_profiles(profiles[place] for place in places if place in profiles),
                        performance=merge_performances(joined[place] for place in places if place in joined),
                    )
                )
    return found
