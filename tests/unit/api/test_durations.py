"""Durations as text."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api import durations

UNITS = ("d", "h", "m", "s", "ms")
MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("14d", timedelta(days=14)),
        ("1m500ms", timedelta(minutes=1, milliseconds=500)),
        ("0s", timedelta()),
    ],
)
def test_what_people_write(text: str, length: timedelta) -> None:
    assert durations.parse(text) == length


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "1.5h", "30m1h", "1h1h", "123456s", "5m\n", "5M", "∞"])
def test_what_is_no_duration_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 90s, 5m, 1h30m or 14d"):
        durations.parse(text)


@given(st.dictionaries(st.sampled_from(UNITS), st.integers(0, 99_999), min_size=1))
def test_the_parts_add_up(parts: dict[str, int]) -> None:
    text = "".join(f"{parts[unit]}{unit}" for unit in UNITS if unit in parts)
    total = sum(number * MILLISECONDS[unit] for unit, number in parts.items())
    assert durations.parse(text) == timedelta(milliseconds=total)


@pytest.mark.parametrize(
    ("length", "spoken"),
    [
        (timedelta(seconds=-1), "0.0s"),
        (timedelta(milliseconds=840), "0.8s"),
        (timedelta(seconds=42), "42s"),
        (timedelta(seconds=185), "3m05s"),
        (timedelta(minutes=130), "2h10m"),
        (timedelta(hours=51), "2d03h"),
    ],
)
def test_spoken(length: timedelta, spoken: str) -> None:
    assert durations.format_duration(length) == spoken
