"""The next list of conditions, whatever stood there before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from viridian.core.conditions import Finding, Truth, is_true, reason_of, transition
from viridian.core.times import format_time

NOW = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)
READY = Finding("Ready", Truth.TRUE, "Serving", "version 1 serves")


def after(before: Any, finding: Finding = READY) -> dict[str, Any]:
    return transition([finding], before=before, generation=3, now=NOW)[0]


def test_a_first_condition_begins_now() -> None:
    assert after([]) == {
        "type": "Ready",
        "status": "True",
        "reason": "Serving",
        "message": "version 1 serves",
        "lastTransitionTime": "2026-01-05T12:00:00Z",
        "observedGeneration": 3,
    }


def test_another_reason_is_no_transition() -> None:
    earlier = {"type": "Ready", "status": "True", "reason": "X", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    assert after([earlier])["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_another_status_is_one() -> None:
    earlier = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    assert after([earlier])["lastTransitionTime"] == format_time(NOW)


def test_what_is_not_found_any_more_is_left_out() -> None:
    stalled = {"type": "Stalled", "status": "True"}
    assert transition([READY], before=[stalled], generation=1, now=NOW)[0]["type"] == "Ready"


@pytest.mark.parametrize(
    "garbage",
    [None, "x", 7, {}, [None], ["x"], [{}], [{"type": ["Ready"]}],
     [{"type": "Ready", "status": "True", "lastTransitionTime": 5}],
     [{"type": "Ready", "status": "True", "lastTransitionTime": "yesterday"}]],
)  # fmt: skip
def test_garbage_counts_for_nothing(garbage: Any) -> None:
    assert after(garbage)["lastTransitionTime"] == format_time(NOW)


def test_a_message_is_cut_to_what_the_api_takes() -> None:
    assert len(after([], Finding("Ready", Truth.TRUE, "R", "x" * 5000))["message"]) == 1024


def test_asking_a_list_of_conditions() -> None:
    conditions = [after([])]
    assert is_true(conditions, "Ready")
    assert not is_true(conditions, "Stalled")
    assert (reason_of(conditions, "Ready"), reason_of(conditions, "Stalled")) == ("Serving", None)
