"""What tests/unit/feedback shows on SQLite holds on PostgreSQL."""

from __future__ import annotations

from tests.unit.feedback.test_storing import *  # noqa: F403
