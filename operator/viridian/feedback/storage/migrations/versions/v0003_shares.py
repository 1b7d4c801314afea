"""What each namespace takes of the disk, and rules whose deployment is gone.

What is there already is counted once, as it is counted from now on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ROW_BYTES = 300


def upgrade() -> None:
    op.add_column("spaces", sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("rules", sa.Column("closed", sa.Double))
    spaces = sa.table("spaces", *map(sa.column, ("key", "bytes")))
    parts = []
    for name, content in (("predictions", "features"), ("profiles", "profile"), ("waiting", "outcome")):
        table = sa.table(name, sa.column("space"), sa.column(content))
        size = sa.func.sum(sa.func.length(table.c[content]) + _ROW_BYTES)
        taken = sa.select(size).where(table.c.space == spaces.c.key).scalar_subquery()
        parts.append(sa.func.coalesce(taken, 0))
    op.get_bind().execute(spaces.update().values(bytes=parts[0] + parts[1] + parts[2]))
