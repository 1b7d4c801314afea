"""Namespaces and servers by number, as the big tables name them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from viridian.api.feedback import Served
from viridian.feedback.problems import Servers
from viridian.feedback.storage import tables
from viridian.feedback.storage.dialects import insert_new, rows_written
from viridian.feedback.storage.label_numbers import Labels
from viridian.feedback.storage.recent import Lately
from viridian.feedback.storage.usage import ROW_BYTES, add_usage

REMEMBERED: Final = 10_000
MAX_SERVERS_BYTES: Final = 8 << 20
"""Of what is known about the servers of one deployment: some 20,000 of a model with two classes."""


@dataclass(frozen=True)
class Known:
    """Who answered, with its number."""

    key: int
    served: Served
    labels: Labels


class Catalog:
    """What one writer knows by heart. Numbers are given out in its transactions: a rolled back one is forgotten."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._spaces: Lately[str, int] = Lately(most)
        self._served: Lately[str, Known] = Lately(most)
        self._by_key: Lately[int, Known] = Lately(most)
        self._shapes: Lately[str, int] = Lately(most)
        self._sizes: Lately[tuple[str, str], int] = Lately(most)
        """Bytes of the documents of all servers of a deployment."""

    def forget(self) -> None:
        """What was learnt may not have been committed."""
        self._spaces.clear()
        self._served.clear()
        self._by_key.clear()
        self._shapes.clear()
        self._sizes.clear()

    def space(self, connection: sa.Connection, namespace: str) -> int:
        """The namespace's number; given out when it is new."""
        if (known := self._spaces.get(namespace)) is not None:
            return known
        key = space_of(connection, namespace)
        if key is None:
            connection.execute(tables.spaces.insert(), {"namespace": namespace})
            key = space_of(connection, namespace)
            assert key is not None  # noqa: S101 - it was written a line above, in the same transaction
        self._spaces.put(namespace, key)
        return key

    def served(self, connection: sa.Connection, served: Served) -> Known:
        """The server's number; given out when it is new. Unfit when its rows could never be counted."""
        document = msgspec.json.encode(served, order="deterministic")
        identity = hashlib.sha256(document).hexdigest()
        if (known := self._served.get(identity)) is not None:
            return known
        labels = Labels.of(served)
        table = tables.served
        find = sa.select(table.c.key).where(table.c.identity == identity)
        key = connection.scalar(find)
        if key is None:
            self._make_room(connection, served, len(document))
            row: dict[str, Any] = {
                "space": self.space(connection, served.namespace),
                "deployment": served.deployment,
                "revision": served.revision,
                "version": served.version,
                "document": document,
                "identity": identity,
            }
            connection.execute(table.insert(), row)
            add_usage(connection, row["space"], len(document) + ROW_BYTES)
            key = connection.scalar(find)
        known = Known(int(key or 0), served, labels)
        self._served.put(identity, known)
        self._by_key.put(known.key, known)
        return known

    def _make_room(self, connection: sa.Connection, served: Served, size: int) -> None:
        """A query for figures reads all servers of a deployment: they are bounded. Nothing is written yet."""
        table = tables.served
        place = (served.namespace, served.deployment)
        known = self._sizes.get(place)
        if known is None:
            query = sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(table.c.document)), 0)).join(
                tables.spaces, tables.spaces.c.key == table.c.space
            )
            here = (tables.spaces.c.namespace == served.namespace, table.c.deployment == served.deployment)
            known = int(connection.scalar(query.where(*here)) or 0)
        fits = known + size <= MAX_SERVERS_BYTES
        self._sizes.put(place, known + size if fits else known)
        if not fits:
            raise Servers

    def by_key(self, connection: sa.Connection, key: int) -> Known:
        """The server with this number, which exists."""
        if (known := self._by_key.get(key)) is None:
            document = connection.scalar(sa.select(tables.served.c.document).where(tables.served.c.key == key))
            known = _decoded(key, document)
            self._by_key.put(key, known)
        return known

    def shape(self, connection: sa.Connection, space: int, document: bytes) -> int:
        """The number of a profile's shape; given out when it is new, to the namespace that brings it."""
        identity = hashlib.sha256(document).hexdigest()
        if (known := self._shapes.get(identity)) is not None:
            return known
        table = tables.shapes
        new = rows_written(connection, insert_new(connection, table), [{"identity": identity, "document": document}])
        add_usage(connection, space, new * (len(document) + ROW_BYTES))
        key = int(connection.scalars(sa.select(table.c.key).where(table.c.identity == identity)).one())
        self._shapes.put(identity, key)
        return key


def space_of(connection: sa.Connection, namespace: str) -> int | None:
    """The namespace's number, where it has one."""
    found = connection.scalar(sa.select(tables.spaces.c.key).where(tables.spaces.c.namespace == namespace))
    return None if found is None else int(found)


def servers_of(connection: sa.Connection, namespace: str, deployment: str, revision: str = "") -> list[Known]:
    """All that have ever answered for a deployment, or for one of its revisions, the oldest first."""
    table = tables.served
    query = (
        sa.select(table.c.key, table.c.document)
        .join(tables.spaces, tables.spaces.c.key == table.c.space)
        .where(tables.spaces.c.namespace == namespace, table.c.deployment == deployment)
        .order_by(table.c.key)
    )
    if revision:
        query = query.where(table.c.revision == revision)
    return [_decoded(key, document) for key, document in connection.execute(query)]


def is_kept(engine: sa.Engine, namespace: str, deployment: str = "") -> bool:
    """Whether rows or windows of this deployment are kept; without one, of any deployment of the namespace."""
    table = tables.served
    query = (
        sa.select(table.c.key)
        .join(tables.spaces, tables.spaces.c.key == table.c.space)
        .where(tables.spaces.c.namespace == namespace)
        .limit(1)
    )
    with engine.connect() as connection:
        return connection.scalar(query.where(table.c.deployment == deployment) if deployment else query) is not None


def _decoded(key: int, document: bytes | None) -> Known:
    served = msgspec.json.decode(document or b"", type=Served)
    return Known(key, served, Labels.of(served))
