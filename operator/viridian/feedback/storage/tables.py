"""The tables. Rows of predictions and outcomes are only ever added, replaced whole, or deleted.

Labels of classes are stored as their position in the classes of the server that answered, so that figures are made of
numbers alone. What the figures need stands in one index, which is why they never touch the features.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

_Key: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite numbers its rows itself only where the type is called INTEGER."""

settings: Final = sa.Table(
    "settings",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
"""What the collector must find again after a restart, such as the key of its own hashes."""

spaces: Final = sa.Table(
    "spaces",
    metadata,
    sa.Column("key", _Key, primary_key=True),
    sa.Column("namespace", sa.Text, nullable=False, unique=True),
    sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
)
"""Namespaces by number: ids of predictions belong to one, so nobody can take another's. `bytes`: what it keeps."""

served: Final = sa.Table(
    "served",
    metadata,
    sa.Column("key", _Key, primary_key=True),
    sa.Column("space", sa.BigInteger, nullable=False),
    sa.Column("deployment", sa.Text, nullable=False),
    sa.Column("revision", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("identity", sa.Text, nullable=False, unique=True),
    sa.Index("served_by_deployment", "space", "deployment"),
)
"""Who answered; `document` is the whole of `Served` as JSON, `identity` its digest."""

predictions: Final = sa.Table(
    "predictions",
    metadata,
    sa.Column("key", _Key, primary_key=True),
    sa.Column("space", sa.BigInteger, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("served", sa.BigInteger, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("predicted", sa.Double, nullable=False),
    sa.Column("score", sa.Double),
    sa.Column("lot", sa.BigInteger, nullable=False),
    sa.Column("variant", sa.Text, nullable=False),
    sa.Column("propensity", sa.Double, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Column("features", sa.LargeBinary, nullable=False),
    sa.Index("predictions_by_id", "space", "id", unique=True),
    sa.Index("predictions_by_time", "served", "time", "predicted", "score", "key", "lot"),
    sa.Index(
        "predictions_by_subject",
        "space",
        "subject",
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    ),
)
"""`predicted`: the number, or the position of the class. `lot`: a hash of the id, by which samples are drawn."""

outcomes: Final = sa.Table(
    "outcomes",
    metadata,
    sa.Column("prediction", _Key, primary_key=True, autoincrement=False),
    sa.Column("actual", sa.Double, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("rank", sa.SmallInteger, nullable=False),
    sa.Column("label_definition", sa.Text, nullable=False),
)
"""The one outcome of a prediction that counts; `rank` is the precedence of its source."""

waiting: Final = sa.Table(
    "waiting",
    metadata,
    sa.Column("space", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("outcome", sa.LargeBinary, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("rank", sa.SmallInteger, nullable=False),
    sa.Column("label_definition", sa.Text, nullable=False),
    sa.Column("received", sa.Double, nullable=False),
)
"""Outcomes whose prediction has not come in yet. `outcome` is JSON: its classes are not known here."""

shapes: Final = sa.Table(
    "shapes",
    metadata,
    sa.Column("key", _Key, primary_key=True),
    sa.Column("identity", sa.Text, nullable=False, unique=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
)
"""What the profiles of a model have in common (`packed_profiles`); `identity` is the digest of the document."""

profiles: Final = sa.Table(
    "profiles",
    metadata,
    sa.Column("key", _Key, primary_key=True),
    sa.Column("space", sa.BigInteger, nullable=False),
    sa.Column("served", sa.BigInteger, nullable=False),
    sa.Column("pod", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("start", sa.Double, nullable=False),
    sa.Column("end", sa.Double, nullable=False),
    sa.Column("profile", sa.LargeBinary, nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("shape", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("profiles_by_identity", "space", "pod", "sequence", unique=True),
    sa.Index("profiles_by_time", "served", "start"),
)
"""One row holds the windows of a pod from `first` to `sequence`, all of them; as they come, that is one."""


erased: Final = sa.Table(
    "erased",
    metadata,
    sa.Column("space", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("time", sa.Double, nullable=False),
)
"""Whose rows must not be stored any more; keyed hashes."""

rules: Final = sa.Table(
    "rules",
    metadata,
    sa.Column("space", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("closed", sa.Double),
)
"""What may be kept of a deployment's rows and how long, as JSON of `Keeping`. `closed`: since when the deployment is
gone; its rows go in their time, and the rules with the last of them."""

splits: Final = sa.Table(
    "splits",
    metadata,
    sa.Column("space", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("time", sa.Double, primary_key=True),
    sa.Column("champion", sa.Text, nullable=False),
    sa.Column("challenger", sa.Text, nullable=False),
    sa.Column("share", sa.Double, nullable=False),
)
"""Which share of the requests the challenger had from that time on, until the next row of the deployment."""

snapshots: Final = sa.Table(
    "snapshots",
    metadata,
    sa.Column("space", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("labelled", sa.BigInteger, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
)
"""Frozen training rows; the row is written once the file is safe on disk."""
