"""What holds, answers and coalesces causes is the same for every source: an invented one shows it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.retraining.world import START
from viridian.api.retrainpolicy_status import FinishedRun
from viridian.retraining.records import RunOrigin, RunRecord
from viridian.retraining.runs import Run
from viridian.retraining.triggers.answered import evidence, last_fired
from viridian.retraining.triggers.cause import MANUAL, Cause, parse_cause, run_id
from viridian.retraining.triggers.holds import Hold, Holds
from viridian.retraining.triggers.pending import coalesced, is_still_asked_for, occurrences_of, pending_causes
from viridian.retraining.triggers.trigger_state import TriggerState

HOUR = timedelta(hours=1)
ALERT = Cause("event", "alerts", START, key="event alerts")
COMMIT = Cause("newData", "data", START, value="3f2a", key="newData s3://data")
ASKED = Cause(MANUAL, value="one", key="one")
FREE = Holds()


def trigger(*occurred: Cause, **more: Any) -> TriggerState:
    first = occurred[0]
    return TriggerState(source=first.source, name=first.trigger, key=first.key, occurred=occurred, **more)


def run(*causes: Cause, name: str = "r") -> Run:
    record = RunRecord(
        run=name, uid="u", number=1, created="", origin=RunOrigin(causes=causes), notes={},
        finished=FinishedRun(id=name, outcome="Skipped"), manifest={},
    )  # fmt: skip
    return Run(record=record, stages=())


@pytest.mark.parametrize(
    ("sentence", "occurred", "since", "answered", "now", "pending"),
    [
        ("it is new", ALERT, None, (), START, True),
        ("it came before the trigger was written", ALERT, START + HOUR, (), START + 2 * HOUR, False),
        ("a run has answered it", ALERT, None, (ALERT,), START, False),
        ("a run has answered a later one", ALERT, None, (Cause("event", "alerts", START + HOUR, key="event alerts"),),
         START, False),
        ("a run has answered an earlier one", ALERT, None,
         (Cause("event", "alerts", START - HOUR, key="event alerts"),), START, True),
        ("another trigger of that source was answered", ALERT, None, (Cause("event", "b", START, key="event b"),),
         START, True),
        ("another source was answered", ALERT, None, (Cause("schedule", "alerts", START, key="event alerts"),), START,
         True),
        ("the trigger had another name", ALERT, None, (Cause("event", "old", START, key="event alerts"),), START,
         False),
        ("the record does not know what was asked for", ALERT, None, (Cause("event", "alerts", START),), START, False),
        ("the value was answered, at another time", COMMIT, None,
         (Cause("newData", "data", START - HOUR, value="3f2a", key="newData s3://data"),), START, False),
        ("a later value was answered", COMMIT, None,
         (Cause("newData", "data", START + HOUR, value="9c1b", key="newData s3://data"),), START, True),
    ],
)  # fmt: skip
def test_which_causes_wait_for_a_run(
    sentence: str, occurred: Cause, since: datetime | None, answered: tuple[Cause, ...], now: datetime, pending: bool
) -> None:
    counts = {occurred.key: since} if since else {}
    found = pending_causes(
        occurrences_of([trigger(occurred)], counts, [run(*answered)] if answered else [], FREE, now, None)
    )
    assert found == ((occurred,) if pending else ()), sentence


@pytest.mark.parametrize(
    ("sentence", "deadline", "periods", "late", "pending"),
    [
        ("within its deadline", HOUR, (), HOUR, True),
        ("too late", HOUR, (), HOUR + timedelta(seconds=1), False),
        ("no deadline", None, (), timedelta(days=300), True),
        ("held by bad data", HOUR, (Hold(START),), timedelta(days=300), True),
        ("the cooldown has ended", HOUR, (Hold(START, START + HOUR),), 2 * HOUR, True),
        ("too late after the cooldown", HOUR, (Hold(START, START + HOUR),), 3 * HOUR, False),
    ],
)
def test_how_long_a_cause_waits(
    sentence: str, deadline: timedelta | None, periods: tuple[Hold, ...], late: timedelta, pending: bool
) -> None:
    found = pending_causes(
        occurrences_of([trigger(ALERT, deadline=deadline)], {}, [], Holds(periods=periods), START + late, None)
    )
    assert bool(found) is pending, sentence


def test_causes_of_all_sources_make_one_run_and_while_held_only_a_person_starts_it() -> None:
    pending = pending_causes(
        occurrences_of([trigger(ASKED), trigger(COMMIT), trigger(ALERT)], {}, [], FREE, START, None)
    )
    assert pending == (ALERT, COMMIT, ASKED), "what is found by its time, then what a person asks for"
    due = coalesced("policy-1", pending, FREE)
    assert due is not None
    assert (due.causes, due.id) == (pending, run_id("policy-1", ALERT))
    held = coalesced("policy-1", pending, Holds(paused=True))
    assert held is not None
    assert held.causes == (ASKED, ALERT, COMMIT)
    assert coalesced("policy-1", [ALERT, COMMIT], Holds(cooling_until=START)) is None
    assert coalesced("policy-1", [], FREE) is None


def test_each_occurrence_is_a_run_of_its_own_and_the_name_of_its_trigger_does_not_matter() -> None:
    others = [COMMIT, Cause("newData", "data", START, value="9c1b", key="newData s3://data"), ALERT, ASKED]
    assert len({run_id("policy-1", cause) for cause in others}) == 4
    renamed = Cause("newData", "other", START + HOUR, value="3f2a", key="newData s3://data")
    assert run_id("policy-1", renamed) == run_id("policy-1", COMMIT)


@pytest.mark.parametrize(
    ("sentence", "trigger_now", "suspended", "expected"),
    [
        ("the trigger is there", trigger(ALERT), False, True),
        ("the policy is suspended", trigger(ALERT), True, False),
        ("another trigger is there", trigger(COMMIT), False, False),
    ],
)
def test_whether_a_run_that_has_not_begun_is_still_asked_for(
    sentence: str, trigger_now: TriggerState, suspended: bool, expected: bool
) -> None:
    assert is_still_asked_for(run(ALERT), [trigger_now], suspended=suspended) is expected, sentence


def test_the_runs_that_have_answered_a_value_or_the_newest_time_are_evidence() -> None:
    older = Cause("event", "alerts", START - HOUR, key="event alerts")
    runs = [run(ALERT, name="newest"), run(older, name="older"), run(COMMIT, name="value"), run(ASKED, name="asked")]
    assert set(evidence(runs, [trigger(ALERT), trigger(ASKED)])) == {"newest", "asked"}
    assert set(evidence(runs, [trigger(COMMIT)])) == {"value"}
    assert last_fired(runs, trigger(ALERT)) == START


@pytest.mark.parametrize("cause", [ALERT, COMMIT, ASKED], ids=lambda cause: cause.source)
def test_a_record_gives_a_cause_back_as_it_was(cause: Cause) -> None:
    found = parse_cause(cause.recorded())
    assert found == cause
    assert found is not None
    assert found.key == cause.key


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ({"source": "schedule", "trigger": "weekly", "at": "2026-11-20T12:00:00Z", "schedule": "0 3 * * 0 UTC"},
         Cause("schedule", "weekly", START, key="0 3 * * 0 UTC")),
        ({"source": "manual", "value": "one"}, ASKED),
        ({"source": "manual", "at": "2026-11-20T12:00:00Z"}, None),
        ({"source": "schedule", "trigger": "weekly", "at": "soon"}, None),
        ({"value": "one"}, None),
    ],
)  # fmt: skip
def test_what_older_releases_recorded_is_read(recorded: dict[str, str], expected: Cause | None) -> None:
    found = parse_cause(recorded)
    assert found == expected
    assert (found.key if found else "") == (expected.key if expected else "")
