"""Times as the Kubernetes API writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from viridian.core.times import format_time, format_time_micros, older_than, parse_time

NOW = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05T12:00:00Z", NOW.replace(microsecond=0)),
        ("2026-01-05T13:00:00.5+01:00", NOW.replace(microsecond=500000)),
        ("2026-01-05T12:00:00", NOW.replace(microsecond=0)),
        ("", None), ("x", None), (None, None), (5, None),
        ("9999-12-31T23:59:59Z", None), ("0001-01-01T00:00:00Z", None),
    ],
)  # fmt: skip
def test_reading_a_time(text: Any, expected: datetime | None) -> None:
    assert parse_time(text) == expected


def test_a_century_can_be_added_to_every_time_that_is_read() -> None:
    latest = parse_time("8999-12-31T23:59:59Z")
    assert latest is not None
    assert latest + timedelta(days=99_999) > latest


def test_what_is_written_is_read_again() -> None:
    assert parse_time(format_time_micros(NOW)) == NOW
    assert parse_time(format_time(NOW)) == NOW.replace(microsecond=0)


def test_older_than_a_limit_is_what_began_longer_ago() -> None:
    limit = timedelta(seconds=5)
    assert older_than(NOW - timedelta(seconds=6), limit, NOW)
    assert not older_than(NOW - limit, limit, NOW)
    assert not older_than(None, limit, NOW)
