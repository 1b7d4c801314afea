"""What deployments have been told to keep, and the key of the collector's own hashes: both outlive the process."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from viridian.api.feedback import Keeping
from viridian.feedback import tables
from viridian.feedback.database import immediate
from viridian.feedback.statements import insert_new
from viridian.feedback.writer import Transaction

_KEY_NAME: Final = "hash-key"
_KEY_BYTES: Final = 32


@dataclass(frozen=True)
class GiveRules:
    """What one deployment may keep; replaces what it was told before."""

    namespace: str
    deployment: str
    keeping: Keeping
    rows = 1

    def run(self, transaction: Transaction) -> None:
        connection, table = transaction.connection, tables.rules
        space = transaction.catalog.space(connection, self.namespace)
        connection.execute(table.delete().where(table.c.space == space, table.c.deployment == self.deployment))
        document = msgspec.json.encode(self.keeping)
        connection.execute(table.insert(), {"space": space, "deployment": self.deployment, "document": document})


def given_rules(engine: sa.Engine) -> dict[tuple[str, str], Keeping]:
    """All of them, by namespace and deployment."""
    query = sa.select(tables.spaces.c.namespace, tables.rules.c.deployment, tables.rules.c.document).join(
        tables.spaces, tables.spaces.c.key == tables.rules.c.space
    )
    with engine.connect() as connection:
        return {
            (namespace, deployment): msgspec.json.decode(document, type=Keeping)
            for namespace, deployment, document in connection.execute(query)
        }


def own_key(engine: sa.Engine) -> bytes:
    """The key of hashes where none is configured: made once, kept with the data."""
    table = tables.settings
    with immediate(engine.connect()) as connection, connection.begin():
        made = {"name": _KEY_NAME, "value": secrets.token_bytes(_KEY_BYTES)}
        connection.execute(insert_new(connection, table), made)
        return bytes(connection.scalars(sa.select(table.c.value).where(table.c.name == _KEY_NAME)).one())
