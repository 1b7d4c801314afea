"""Label selectors, as the API server reads them (held to it by tests/api/operator/test_shards.py)."""

from __future__ import annotations

import pytest

from viridian.core import selectors

ADS, SEARCH, NONE = {"team": "ads"}, {"team": "search", "x": "1"}, {"x": "1"}


@pytest.mark.parametrize(
    ("text", "matching"),
    [
        ("", [ADS, SEARCH, NONE]),
        ("team=ads", [ADS]),
        ("team=", []),
        ("team == ads", [ADS]),
        ("team!=ads", [SEARCH, NONE]),
        ("team in (ads,search)", [ADS, SEARCH]),
        ("team in (search , maps),x=1", [SEARCH]),
        ("team notin (ads)", [SEARCH, NONE]),
        ("team", [ADS, SEARCH]),
        ("!team", [NONE]),
        ("!team, x", [NONE]),
        ("viridian.dev/shard=a", []),
    ],
)
def test_what_matches(text: str, matching: list[dict[str, str]]) -> None:
    selector = selectors.parse(text)
    assert [labels for labels in (ADS, SEARCH, NONE) if selector.matches(labels)] == matching


def test_no_labels_are_no_labels() -> None:
    assert selectors.parse("!team").matches(None)
    assert not selectors.parse("team").matches(None)


@pytest.mark.parametrize(
    "text",
    ["team=ads,", ",team", "team in ads", "team in (a b)", "a=b=c", "team > 3", "=x", "te am", "a in (", "()"],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="label selector"):
        selectors.parse(text)
