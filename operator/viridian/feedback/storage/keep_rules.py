"""The retention rules of each deployment, and the key of the collector's own hashes: both outlive the process."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from viridian.api.feedback import RetentionRules
from viridian.feedback.storage import tables
from viridian.feedback.storage.catalog import space_of
from viridian.feedback.storage.database import immediate
from viridian.feedback.storage.dialects import insert_new
from viridian.feedback.storage.writer import Transaction

_KEY_NAME: Final = "hash-key"
_KEY_BYTES: Final = 32


@dataclass(frozen=True)
class GiveRules:
    """What one deployment may keep; replaces its rules of before."""

    namespace: str
    deployment: str
    rules: RetentionRules
    rows = 1

    def run(self, transaction: Transaction) -> None:
        connection, table = transaction.connection, tables.rules
        space = transaction.catalog.space(connection, self.namespace)
        here = (table.c.space == space, table.c.deployment == self.deployment)
        document = msgspec.json.encode(self.rules)
        stored = connection.execute(sa.select(table.c.document, table.c.closed).where(*here)).one_or_none()
        if stored is not None and stored.document == document and stored.closed is None:
            return
        connection.execute(table.delete().where(*here))
        connection.execute(table.insert(), {"space": space, "deployment": self.deployment, "document": document})


@dataclass(frozen=True)
class CloseRules:
    """The deployment is gone: nothing more of it is taken. What is kept of it goes as its rules say."""

    namespace: str
    deployment: str
    rows = 1

    def run(self, transaction: Transaction) -> None:
        connection, table = transaction.connection, tables.rules
        space = space_of(connection, self.namespace)
        here = (table.c.space == space, table.c.deployment == self.deployment, table.c.closed.is_(None))
        connection.execute(table.update().where(*here).values(closed=transaction.now))


@dataclass(frozen=True)
class ForgetRules:
    """Of a deployment that is gone and of which nothing is kept any more."""

    namespace: str
    deployment: str
    rows = 1

    def run(self, transaction: Transaction) -> bool:
        """Whether they are forgotten."""
        connection, table = transaction.connection, tables.rules
        space = space_of(connection, self.namespace)
        servers = sa.select(tables.served.c.key).where(
            tables.served.c.space == space, tables.served.c.deployment == self.deployment
        )
        kept = sa.exists().where(tables.predictions.c.served.in_(servers))
        here = (table.c.space == space, table.c.deployment == self.deployment, table.c.closed.is_not(None), ~kept)
        forgotten = bool(connection.execute(table.delete().where(*here)).rowcount)
        if forgotten:
            splits = tables.splits
            connection.execute(splits.delete().where(splits.c.space == space, splits.c.deployment == self.deployment))
        return forgotten


@dataclass(frozen=True)
class Given:
    """The rules of one deployment, and whether it still exists."""

    rules: RetentionRules
    closed: bool = False


def given_rules(engine: sa.Engine) -> dict[tuple[str, str], Given]:
    """All of them, by namespace and deployment."""
    rules = tables.rules.c
    query = sa.select(tables.spaces.c.namespace, rules.deployment, rules.document, rules.closed).join(
        tables.spaces, tables.spaces.c.key == rules.space
    )
    with engine.connect() as connection:
        return {
            (namespace, deployment): Given(msgspec.json.decode(document, type=RetentionRules), closed is not None)
            for namespace, deployment, document, closed in connection.execute(query)
        }


def own_key(engine: sa.Engine) -> bytes:
    """The key of hashes where none is configured: made once, kept with the data."""
    table = tables.settings
    with immediate(engine.connect()) as connection, connection.begin():
        made = {"name": _KEY_NAME, "value": secrets.token_bytes(_KEY_BYTES)}
        connection.execute(insert_new(connection, table), made)
        return bytes(connection.scalars(sa.select(table.c.value).where(table.c.name == _KEY_NAME)).one())
