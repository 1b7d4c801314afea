"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "settings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "spaces",
        sa.Column("key", _Key, primary_key=True),
        sa.Column("namespace", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "served",
        sa.Column("key", _Key, primary_key=True),
        sa.Column("space", sa.BigInteger, nullable=False),
        sa.Column("deployment", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("identity", sa.Text, nullable=False, unique=True),
    )
    op.create_index("served_by_deployment", "served", ["space", "deployment"])
    op.create_table(
        "predictions",
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
    )
    op.create_index("predictions_by_id", "predictions", ["space", "id"], unique=True)
    op.create_index("predictions_by_time", "predictions", ["served", "time", "predicted", "score", "key", "lot"])
    op.create_index(
        "predictions_by_subject",
        "predictions",
        ["space", "subject"],
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_table(
        "outcomes",
        sa.Column("prediction", _Key, primary_key=True, autoincrement=False),
        sa.Column("actual", sa.Double, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("rank", sa.SmallInteger, nullable=False),
        sa.Column("label_definition", sa.Text, nullable=False),
    )
    op.create_table(
        "waiting",
        sa.Column("space", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("outcome", sa.LargeBinary, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("rank", sa.SmallInteger, nullable=False),
        sa.Column("label_definition", sa.Text, nullable=False),
        sa.Column("received", sa.Double, nullable=False),
    )
    op.create_table(
        "profiles",
        sa.Column("key", _Key, primary_key=True),
        sa.Column("space", sa.BigInteger, nullable=False),
        sa.Column("served", sa.BigInteger, nullable=False),
        sa.Column("pod", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("end", sa.Double, nullable=False),
        sa.Column("profile", sa.LargeBinary, nullable=False),
    )
    op.create_index("profiles_by_identity", "profiles", ["space", "pod", "sequence"], unique=True)
    op.create_index("profiles_by_time", "profiles", ["served", "start"])
    op.create_table(
        "erased",
        sa.Column("space", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("time", sa.Double, nullable=False),
    )
    op.create_table(
        "rules",
        sa.Column("space", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("deployment", sa.Text, primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("space", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("deployment", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("labelled", sa.BigInteger, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
    )
