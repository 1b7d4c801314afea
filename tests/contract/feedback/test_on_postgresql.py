"""What tests/unit/feedback shows on SQLite holds on PostgreSQL."""

from __future__ import annotations

from tests.unit.feedback.test_hours import *  # noqa: F403
from tests.unit.feedback.test_migrations import *  # noqa: F403
from tests.unit.feedback.test_privacy import *  # noqa: F403
from tests.unit.feedback.test_process import *  # noqa: F403
from tests.unit.feedback.test_quotas import *  # noqa: F403
from tests.unit.feedback.test_readers import *  # noqa: F403
from tests.unit.feedback.test_reviews import *  # noqa: F403
from tests.unit.feedback.test_snapshots import *  # noqa: F403
from tests.unit.feedback.test_storing import *  # noqa: F403
from tests.unit.feedback.test_subjects import *  # noqa: F403
from tests.unit.feedback.test_texts import *  # noqa: F403
from tests.unit.feedback.test_times import *  # noqa: F403
from tests.unit.feedback.test_windows import *  # noqa: F403
from tests.unit.feedback.test_writer import *  # noqa: F403
