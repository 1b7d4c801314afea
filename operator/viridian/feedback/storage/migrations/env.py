"""What Alembic runs for each upgrade: in the transaction and under the lock of the caller."""

from __future__ import annotations

from alembic import context

from viridian.feedback.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
