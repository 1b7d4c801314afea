"""Digests of feature definitions, as people, stages and servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.features import digest_shown, is_digest
from viridian.api.stage import StageReport, parse_report

DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (DIGEST, DIGEST),
        (f" {DIGEST.upper()}\n", DIGEST),
        ("", ""),
        ("none yet", "none yet"),
        ("sha256:\x1b[31mred", "sha256:\\x1b[31mred"),
        ("https://user:secret@store/churn", "https://store/churn"),
    ],
)
def test_a_digest_is_one_line_in_small_letters(written: str, shown: str) -> None:
    assert digest_shown(written) == shown


@given(st.text())
def test_whatever_is_written_is_short_and_stays_as_it_is_shown(text: str) -> None:
    shown = digest_shown(text * 200)
    assert len(shown) <= 80
    assert digest_shown(shown) == shown
    assert is_digest(shown) == (shown == DIGEST or (len(shown) == 71 and shown.startswith("sha256:")))


def test_a_report_carries_it_and_what_is_none_is_left_out() -> None:
    written = StageReport(features=DIGEST).rendered()
    assert parse_report(written).features == DIGEST
    for odd in ('{"features": 7}', '{"features": {"digest": ["x"]}}', '{"features": {}}', "[]"):
        assert parse_report(odd).features == ""
