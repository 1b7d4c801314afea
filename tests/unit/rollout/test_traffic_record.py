"""The record of the traffic as other releases wrote it, and as they can read it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from viridian.api.names import Slot
from viridian.rollout.traffic.clock_skew import none_ahead
from viridian.rollout.traffic.exposure import CounterBaseline, Exposure
from viridian.rollout.traffic.record import ChampionCause, Traffic, Trial, dump, parse, parse_reverted

# Written by the release in which all times were strings.
ON_TRIAL = """
{"cause": "Promoted", "champion": "blue", "former": "1b2c3d4e", "reverted": {"at": "2026-11-20T08:15:31.250000Z",
"breach_at": "2026-11-20T08:15:30.125000Z", "by": "Viridian", "message": "error-rate 30 % over 120 requests is above
the maximum 5 %", "outcome": "Rejected", "reason": "MetricBreach", "revision": "5c242ba3"}, "revision": "72965c29",
"since": "2026-11-20T07:00:00.123456Z", "trial": {"approved": "viridian.dev/approve=cf4750ff#bob", "approved_at":
"2026-11-20T08:29:59.000000Z", "blind_since": "2026-11-20T08:31:00.000000Z", "entered": "2026-11-20T08:30:00.000000Z",
"exposure": {"partial": true, "pods": {"6f9d0c1e-0b1a": {"before_step": 400, "errors": 3, "latency": [[0.05, 700.0],
[0.1, 112.0]], "process": "2026-11-20T08:20:00Z", "requests": 812, "restarts": 1, "timed": 812}, "77aa-late": {"at":
"2026-11-20T08:22:05.500000Z", "process": "2026-11-20T08:22:00Z", "unread": true}}, "since":
"2026-11-20T08:21:00.000001Z"}, "passed": ["25%", "approval"], "revision": "cf4750ff", "since":
"2026-11-20T08:30:04.000000Z", "weight": 25}, "unrecorded": [{"at": "2026-11-19T17:00:00.000000Z", "by":
"viridian.dev/rollback=0d1e2f3a#ann", "message": "rolled back by annotation", "outcome": "RolledBack", "reason":
"RolledBackByPerson", "revision": "0d1e2f3a"}]}
""".replace("\n", " ")
AFTER_A_ROLLBACK = """
{"cause": "RolledBack", "champion": "green", "exposure": {"since": "2026-11-20T08:21:00.000001Z"}, "reverted": {"at":
"2026-11-20T08:15:31.250000Z", "breach_at": "2026-11-20T08:15:30.125000Z", "by": "Viridian", "message": "bad",
"outcome": "Rejected", "reason": "MetricBreach", "revision": "5c242ba3"}, "revision": "72965c29", "since":
"2026-11-20T07:00:00.123456Z"}
""".replace("\n", " ")


@pytest.mark.parametrize("text", [ON_TRIAL, AFTER_A_ROLLBACK], ids=["on trial", "after a rollback"])
def test_a_record_of_an_older_release_is_read_and_written_as_it_was(text: str) -> None:
    """So the older release reads what this one writes, too, as it does while both are at work during an upgrade."""
    found = parse(text)
    assert found is not None
    assert json.loads(dump(found)) == json.loads(text)


def test_times_and_causes_have_types() -> None:
    found = parse(ON_TRIAL)
    assert found is not None
    assert found.trial is not None
    assert found.since == datetime(2026, 11, 20, 7, 0, 0, 123456, tzinfo=UTC)
    assert found.trial.blind_since == datetime(2026, 11, 20, 8, 31, tzinfo=UTC)
    assert found.champion is Slot.BLUE
    assert found.cause is ChampionCause.PROMOTED


def test_why_a_deployment_was_emptied_is_read_as_it_was_written() -> None:
    text = json.dumps(json.loads(AFTER_A_ROLLBACK)["reverted"])
    found = parse_reverted(text)
    assert found is not None
    assert json.loads(dump(found)) == json.loads(text)


@pytest.mark.parametrize(
    "damage", [{"cause": "Inherited"}, {"since": "yesterday"}, {"since": "9999-12-31T23:59:59Z"}, {"since": ""}]
)
def test_what_cannot_be_understood_does_not_cost_the_whole_record(damage: dict[str, Any]) -> None:
    found = parse(json.dumps({**json.loads(ON_TRIAL), **damage}))
    assert found is not None
    assert found.trial is not None
    assert found.trial.revision == "cf4750ff"
    again = parse(dump(found))
    assert again == found
    assert (found.cause is ChampionCause.UNKNOWN) == ("cause" in damage)
    assert (found.since is None) == ("since" in damage)


def test_a_time_that_lies_ahead_counts_as_now_wherever_it_stands() -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    ahead, soon, before = now + timedelta(hours=1), now + timedelta(seconds=2), now - timedelta(hours=1)
    exposure = Exposure(ahead, {"a": CounterBaseline("p", requests=5, at=ahead), "b": CounterBaseline("q", at=before)})
    trial = Trial("two", entered=before, since=ahead, exposure=exposure, blind_since=soon)
    record = Traffic(Slot.BLUE, "one", ahead, trial=trial)
    found = none_ahead(record, now)
    pods = {"a": CounterBaseline("p", requests=5, at=now), "b": CounterBaseline("q", at=before)}
    corrected = replace(trial, since=now, exposure=Exposure(now, pods))
    assert found == replace(record, since=now, trial=corrected)
    assert none_ahead(found, now) is found
    assert none_ahead(None, now) is None
