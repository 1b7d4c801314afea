"""Profiles without what never changes: their shape is stored once, their numbers are packed.

The formats are written down here once more, as they were then: a migration must not change with the program.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CHUNK = 200
_Document = dict[str, Any]


def upgrade() -> None:
    shapes = op.create_table(
        "shapes",
        sa.Column("key", _Key, primary_key=True),
        sa.Column("identity", sa.Text, nullable=False, unique=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.add_column("profiles", sa.Column("first", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("profiles", sa.Column("shape", sa.BigInteger, nullable=False, server_default="0"))
    profiles = sa.table("profiles", *map(sa.column, ("key", "sequence", "first", "shape", "profile")))
    connection = op.get_bind()
    keys: dict[str, int] = {}
    done = -1
    some = sa.select(profiles.c.key, profiles.c.sequence, profiles.c.profile).order_by(profiles.c.key).limit(_CHUNK)
    while rows := connection.execute(some.where(profiles.c.key > done)).all():
        for key, sequence, document in rows:
            profile = msgspec.json.decode(document)
            shape = msgspec.json.encode(_shape(profile))
            identity = hashlib.sha256(shape).hexdigest()
            if identity not in keys:
                connection.execute(shapes.insert(), {"identity": identity, "document": shape})
                find = sa.select(shapes.c.key).where(shapes.c.identity == identity)
                keys[identity] = connection.scalars(find).one()
            values = {"first": sequence, "shape": keys[identity], "profile": _packed(profile)}
            connection.execute(profiles.update().where(profiles.c.key == key).values(values))
        done = rows[-1].key


def _shape(profile: _Document) -> _Document:
    return {
        "features": {name: _empty(sketch) for name, sketch in profile["features"].items()},
        "prediction": _empty(profile["prediction"]),
        "rows": 0,
        "sampled": 0,
    }


def _empty(sketch: _Document) -> _Document:
    if sketch["kind"] == "categories":
        return {"kind": "categories", "names": sketch["names"], "counts": [], "other": 0, "missing": 0}
    return {
        "kind": "numbers",
        "edges": sketch["edges"],
        "counts": [],
        "missing": 0,
        "mean": 0.0,
        "m2": 0.0,
        "finite": 0,
        "minimum": None,
        "maximum": None,
    }


def _packed(profile: _Document) -> bytes:
    tallies = [_tally(sketch) for sketch in (*profile["features"].values(), profile["prediction"])]
    return zlib.compress(msgspec.msgpack.encode((profile["rows"], profile["sampled"], tallies)))


def _tally(sketch: _Document) -> list[Any]:
    names = ("missing", "other") if sketch["kind"] == "categories" else (
        "missing", "finite", "mean", "m2", "minimum", "maximum",
    )  # fmt: skip
    return [*(sketch[name] for name in names), *sketch["counts"]]
