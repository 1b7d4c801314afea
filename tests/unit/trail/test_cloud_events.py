"""Entries of the trail as CloudEvents: in order, at least once, and in nobody's way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.support.churn import NAME
from tests.support.cluster.faults import Fault
from tests.support.memory_cluster import Killed
from tests.support.memory_sink import MemorySink
from tests.support.operator_world import SETTINGS, OperatorWorld
from tests.unit.retraining.world import World, policy
from tests.unit.trail.test_trail import WHOLE, Stage, a_life
from viridian.api import reasons
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY, trail_journal
from viridian.ports.event_sink import SinkRefused, SinkUnavailable
from viridian.receiver.event_formats import events_in
from viridian.trail.cloud_events import MEDIA_TYPE, cloud_event
from viridian.trail.journal import MAX_WAITING
from viridian.trail.trail_sources import entries_of_policy

AWAY = SinkUnavailable("the event sink at http://sink cannot be reached")


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def stage(sink: MemorySink) -> Iterator[Stage]:
    with closing(OperatorWorld(sink=sink)) as world:
        yield Stage(world)


def sequence(sink: MemorySink) -> list[int]:
    return [int(event["sequence"]) for event in sink.events]


def delivered(stage: Stage) -> list[str]:
    """Status and reason of the condition, as long as it is there."""
    conditions = stage.status.get("conditions", ())
    return [f"{one['status']} {one['reason']}" for one in conditions if one["type"] == reasons.EVENTS_DELIVERED]


def test_every_entry_is_one_event_in_its_order(stage: Stage, sink: MemorySink) -> None:
    a_life(stage)
    assert Counter(sink.words()) == WHOLE
    assert sequence(sink) == list(range(1, WHOLE.total() + 1))
    assert stage.words() == WHOLE, "MLflow has them as well"
    promoted = next(event for event in sink.events if event["data"]["what"] == reasons.PROMOTED)
    assert promoted["type"] == "dev.viridian.modeldeployment.Promoted"
    assert promoted["source"] == f"/apis/viridian.dev/v1alpha1/namespaces/default/modeldeployments/{NAME}"
    assert (promoted["data"]["by"], promoted["data"]["model"]) == ("anna", NAME)
    (edited, _) = (event for event in sink.events if event["data"]["what"] == reasons.SPEC_CHANGED)
    assert edited["data"]["changed"] == ["rollout.steps[0].weight: 25 → 10"]


def test_the_operators_own_receiver_takes_them(stage: Stage, sink: MemorySink) -> None:
    a_life(stage)
    for event in sink.events:
        (attributes,) = events_in({"content-type": MEDIA_TYPE}, json.dumps(event).encode())
        assert (attributes.id, attributes.type) == (event["id"], event["type"])


def test_the_ticket_of_the_model_is_in_its_events(stage: Stage, sink: MemorySink) -> None:
    def ticketed(found: Any) -> None:
        found["spec"]["governance"] = {"ticketRef": "OPS-7"}

    stage.cluster.edit(MODEL_DEPLOYMENT, NAME, ticketed)
    a_life(stage)
    assert {event["data"]["ticket"] for event in sink.events} == {"OPS-7"}


def test_at_rest_nothing_is_sent_or_written(stage: Stage, sink: MemorySink) -> None:
    a_life(stage)
    asked = sink.asked
    stage.cluster.forget_calls()
    stage.look()
    assert (list(stage.cluster.writes), sink.asked) == ([], asked)


def test_a_sink_that_is_away_is_asked_rarely_and_gets_all_of_it(stage: Stage, sink: MemorySink) -> None:
    sink.failure = AWAY
    for weight in range(1, 20):
        stage.edit(weight)
        stage.look(4)
    assert delivered(stage) == ["False SinkUnavailable"]
    assert stage.words()[reasons.SPEC_CHANGED] == 18, "MLflow does not wait for the sink"
    assert sink.asked < 12, "the rest doubles up to five minutes"
    stage.world.restart()
    sink.failure = None
    stage.world.clock.advance(600)
    stage.look()
    assert Counter(sink.words()) == Counter({reasons.CREATED: 1, reasons.SPEC_CHANGED: 18})
    assert sequence(sink) == list(range(1, 20))
    assert delivered(stage) == []


def test_what_waits_is_bounded_and_the_numbers_show_what_is_missing(stage: Stage, sink: MemorySink) -> None:
    sink.failure = AWAY
    for weight in range(MAX_WAITING + 40):
        stage.edit(weight % 90 + 1)
        stage.look(3)
    sink.failure = None
    stage.world.clock.advance(600)
    stage.look(12)
    numbers = sequence(sink)
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 1
    assert 50 < len(numbers) <= MAX_WAITING + 1
    assert stage.words()[reasons.SPEC_CHANGED] == MAX_WAITING + 39


def test_an_event_that_is_refused_holds_those_after_it(stage: Stage, sink: MemorySink) -> None:
    stage.look()
    sink.failure = SinkRefused("the event sink at http://sink answered 403")
    stage.edit(10)
    stage.look()
    condition = next(one for one in stage.status["conditions"] if one["type"] == reasons.EVENTS_DELIVERED)
    assert "answered 403" in condition["message"]
    sink.failure = None
    stage.look()
    assert sink.words() == [reasons.CREATED, reasons.SPEC_CHANGED]


def test_killed_at_every_write_no_event_is_lost_or_out_of_order(sink: MemorySink) -> None:
    with closing(OperatorWorld(sink=sink)) as world:
        stage = Stage(world)
        stage.cluster.forget_calls()
        a_life(stage)
        writes = len(stage.cluster.writes)
    for k in range(1, writes + 1):
        for fault in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            _live_with(k, fault)


def _live_with(k: int, fault: Fault) -> None:
    sink = MemorySink()
    with closing(OperatorWorld(sink=sink)) as world:
        stage, seen = Stage(world), 0

        def strikes(call: Any) -> bool:
            nonlocal seen
            seen += call.mutating and world.in_pass
            return bool(seen == k and call.mutating)

        stage.cluster.faults.on(strikes, fault)
        a_life(stage)
    _is_whole(sink)


def _is_whole(sink: MemorySink) -> None:
    assert Counter(sink.words()) == WHOLE
    firsts = list(dict.fromkeys(sequence(sink)))
    assert firsts == sorted(firsts)


def test_killed_after_an_event_was_taken_it_is_sent_again_with_the_same_id(sink: MemorySink) -> None:
    with closing(OperatorWorld(sink=sink)) as world:
        stage, left = Stage(world), 3

        def strike() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed("the operator died after the sink had taken the event")

        sink.after_send = strike
        a_life(stage)
    _is_whole(sink)
    assert len(sink.events) == WHOLE.total() + 1


def test_events_outlive_an_object_that_is_deleted_while_the_sink_is_away(stage: Stage, sink: MemorySink) -> None:
    stage.look()
    sink.failure = AWAY
    stage.edit(10)
    stage.look(2)
    stage.cluster.remove(MODEL_DEPLOYMENT, NAME)
    stage.cluster.collect_garbage()
    assert stage.journal is not None, "it belongs to nobody while something waits"
    stage.look(2)
    stage.world.restart()
    sink.failure = None
    stage.look()
    assert sink.words() == [reasons.CREATED, reasons.SPEC_CHANGED]
    assert stage.journal is None


def test_without_mlflow_events_are_sent_all_the_same(sink: MemorySink) -> None:
    with closing(OperatorWorld(sink=sink, settings=replace(SETTINGS, mlflow_uri=None))) as world:
        a_life(Stage(world))
    assert Counter(sink.words()) == WHOLE


def test_a_journal_that_cannot_be_written_repeats_no_event(stage: Stage, sink: MemorySink) -> None:
    stage.look()
    stage.edit(10)
    stage.look(1)
    journal = trail_journal(NAME, stage.uid)
    stage.cluster.faults.on(lambda call: call.mutating and call.name == journal, Fault.REFUSED, times=1000)
    stage.look()
    assert sink.words() == [reasons.CREATED, reasons.SPEC_CHANGED]
    assert len(sink.events) == 2


def test_the_verdict_of_the_gate_is_an_event() -> None:
    world = World(policy=policy(gate={"metrics": [{"name": "auc", "min": 0.8}]}))
    world.ask_by_hand("one").settle()
    world.train(auc=0.1).settle()
    entries = entries_of_policy(list(world.records.values()), "churn", "policy-1")
    (entry,) = (one for one in entries if one.what == reasons.REJECTED)
    event = cloud_event(entry, RETRAIN_POLICY, "ml", "churn", "policy-1", world.policy)
    assert event["type"] == "dev.viridian.retrainpolicy.Rejected"
    assert world.last_run["message"] in event["data"]["message"]
    assert reasons.EVENT_GATE_FAILED in world.told
