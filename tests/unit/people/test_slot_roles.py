"""Which slot runs what, and for which share of the users."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from viridian.api.modeldeployment_status import ModelDeploymentStatus
from viridian.people.slot_roles import slot_roles

CHAMPION = {"slot": "green", "revision": "aaa", "version": "1"}
CHALLENGER = {"slot": "blue", "revision": "bbb", "weight": 5}
FALLBACK = {"slot": "blue", "revision": "ccc", "version": "0", "ready": False}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, []),
        ({"champion": CHAMPION}, [("green", "champion", "1", 100)]),
        (
            {"champion": CHAMPION, "challenger": CHALLENGER},
            [("blue", "challenger", "", 5), ("green", "champion", "1", 95)],
        ),
        (
            {"champion": CHAMPION, "fallback": FALLBACK},
            [("blue", "fallback, not ready", "0", 0), ("green", "champion", "1", 100)],
        ),
    ],
)
def test_slots_come_with_their_shares(status: dict[str, Any], expected: list[tuple[str, str, str, int]]) -> None:
    found = slot_roles(msgspec.convert(status, ModelDeploymentStatus))
    assert [(one.slot, one.role, one.version, one.share) for one in found] == expected
