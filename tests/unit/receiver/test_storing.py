"""What is acknowledged is stored, once, on the policy that it is for, and never more than a policy may have."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster.clock import ManualClock
from tests.support.event_sending import BATCH, body_of, cloud_event, signed
from tests.support.receiving import NOW, Receiver, receiver_on, retrain_policy
from viridian.api.event_trigger import EventAttributes
from viridian.core.selectors import parse
from viridian.ports.cluster import ClusterConflict, ClusterError, ClusterRefused, ClusterUnavailable
from viridian.receiver.event_signatures import TOLERANCE_SECONDS
from viridian.receiver.event_store import PolicyOwner, stored_event
from viridian.receiver.stored_counts import COUNTED_SECONDS, StoredCounts
from viridian.retraining.received_events import KEPT, MAX_STORED, ReceivedEvent, read_received, stored_name


async def test_the_object_belongs_to_the_policy_and_wakes_it(receiver: Receiver) -> None:
    await receiver.send_event()
    (found,) = receiver.cluster.memory.all("ControllerRevision")
    policy = receiver.cluster.memory.find("RetrainPolicy", "churn", "ml")
    assert policy is not None
    labels = found["metadata"]["labels"]
    assert labels["viridian.dev/retrain-policy"] == "churn"
    assert labels["app.kubernetes.io/managed-by"] == "viridian"
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [policy["metadata"]["uid"]]
    (event,) = read_received([found], policy["metadata"]["uid"])
    assert event.attributes.source == "/pipelines/churn"
    assert event.triggers == ('["dev.example.batch.ready", "*", "*"]',)
    assert (event.received, event.name) == (receiver.clock(), found["metadata"]["name"])
    assert read_received([found], "of another policy") == ()


async def test_what_is_sent_again_is_known(receiver: Receiver) -> None:
    first, again = await receiver.send_event(), await receiver.send_event(subject="changed")
    assert (first.document["stored"], again.document["known"]) == (1, 1)
    assert (again.status, len(receiver.stored())) == (202, 1)
    other = await receiver.send_event(source="/pipelines/other")
    assert other.document["stored"] == 1, "an id is of its source"


async def test_many_at_once_are_one(receiver: Receiver) -> None:
    replies = await asyncio.gather(*(receiver.send_event() for _ in range(20)))
    assert sorted(reply.document["stored"] for reply in replies) == [0] * 19 + [1]
    assert len(receiver.stored()) == 1


@pytest.mark.parametrize(
    ("event", "asked", "taken"),
    [
        ({}, {"type": "dev.example.batch.ready"}, True),
        ({}, {"type": "dev.example.*"}, True),
        ({}, {"type": "*", "source": "/pipelines/*"}, True),
        ({}, {"type": "*", "source": "/pipelines"}, False),
        ({}, {"type": "dev.example.batch"}, False),
        ({"subject": "march"}, {"type": "*", "subject": "march"}, True),
        ({"subject": "april"}, {"type": "*", "subject": "march"}, False),
        ({}, {"type": "*", "subject": "march"}, False),
        ({}, {"type": "*", "subject": "*"}, True),
    ],
)
async def test_a_trigger_takes_what_it_asks_for(
    receiver: Receiver, event: dict[str, str], asked: dict[str, str], taken: bool
) -> None:
    receiver.cluster.memory.create(retrain_policy("other", **asked))
    reply = await receiver.send_event(path="/v1/events/ml/other", **event)
    assert (reply.status, reply.document["stored"]) == ((202, 1) if taken else (200, 0))
    assert ("message" in reply.document) is not taken


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (ClusterUnavailable("no connection"), 503, "2"),
        (ClusterConflict("a quota was counted at the same time"), 503, "2"),
        (ClusterRefused("exceeded quota"), 503, "60"),
    ],
)
async def test_what_is_not_stored_is_not_acknowledged_and_may_be_sent_again(
    receiver: Receiver, error: ClusterError, status: int, retry: str
) -> None:
    receiver.cluster.fails = [error]
    reply = await receiver.send_event()
    assert (reply.status, reply.headers["Retry-After"], receiver.stored()) == (status, retry, [])
    assert (await receiver.send_event()).status == 202


async def test_a_batch_that_was_cut_is_completed_when_it_is_sent_again(receiver: Receiver) -> None:
    body = body_of([cloud_event(str(number)) for number in range(5)])
    created = receiver.cluster.create

    async def cut(manifest: Any) -> Any:
        if len(receiver.stored()) == 2:
            raise ClusterUnavailable("no connection")
        return await created(manifest)

    receiver.cluster.create = cut  # type: ignore[method-assign]
    assert (await receiver.send(body, signed(body, receiver.now, media=BATCH))).status == 503
    receiver.cluster.create = created  # type: ignore[method-assign]
    reply = await receiver.send(body, signed(body, receiver.now, media=BATCH))
    assert reply.document == {"stored": 3, "known": 2, "ignored": 0}


async def test_a_policy_has_so_many_events_and_no_more(receiver: Receiver) -> None:
    replies = await asyncio.gather(*(receiver.send_event(str(number)) for number in range(MAX_STORED + 20)))
    assert sorted(reply.status for reply in replies) == [202] * MAX_STORED + [429] * 20
    assert len(receiver.stored()) == MAX_STORED
    known = receiver.stored()[0]["event"]["id"]
    assert (await receiver.send_event(known)).status == 202, "it is stored"
    assert (await receiver.send_event("new", path="/v1/events/ml/churn")).headers["Retry-After"] == "60"
    receiver.cluster.memory.remove("ControllerRevision", _names(receiver)[0], "ml")
    receiver.clock.advance(COUNTED_SECONDS + 1)
    assert (await receiver.send_event("new")).status == 202


def _names(receiver: Receiver) -> list[str]:
    return [found["metadata"]["name"] for found in receiver.cluster.memory.all("ControllerRevision")]


async def test_what_another_operator_stores_is_counted_before_the_limit() -> None:
    clock, stored, counts = ManualClock(), [0], StoredCounts(10, lambda: clock().timestamp())
    looks = []

    async def count() -> int:
        looks.append(stored[0])
        return stored[0]

    for _ in range(4):
        assert await counts.begin("uid", count)
        counts.end("uid", stored=True)
    stored[0] = 8
    clock.advance(COUNTED_SECONDS + 1)
    assert await counts.begin("uid", count)
    counts.end("uid", stored=True)
    assert looks == [0], "far from the limit it is not asked again so soon"
    assert await counts.begin("uid", count)
    counts.end("uid", stored=True)
    assert looks == [0, 8]
    assert await counts.begin("uid", count)
    counts.end("uid", stored=True)
    assert not await counts.begin("uid", count)


async def test_a_write_that_fails_takes_no_place() -> None:
    counts = StoredCounts(2, lambda: 0.0)

    async def none() -> int:
        return 0

    for _ in range(10):
        assert await counts.begin("uid", none)
        counts.end("uid", stored=False)
    assert await counts.begin("uid", none)
    assert await counts.begin("uid", none)
    assert not await counts.begin("uid", none), "two are under way"


async def test_of_very_many_policies_the_idle_ones_are_forgotten() -> None:
    counts = StoredCounts(1, lambda: 0.0)

    async def none() -> int:
        return 0

    assert await counts.begin("busy", none)
    for number in range(3000):
        assert await counts.begin(str(number), none)
        counts.end(str(number), stored=True)
    assert len(counts._counts) <= 1001
    assert not await counts.begin("busy", none)


async def test_policies_of_others_are_not_there(tmp_path: Path) -> None:
    async with receiver_on(tmp_path, serves="other".__eq__) as receiver:
        assert (await receiver.send_event()).status == 404
        assert receiver.stored() == []


@pytest.mark.parametrize(("selector", "status"), [("team=ads", 202), ("team=search", 404)])
async def test_policies_that_are_not_selected_are_not_there(tmp_path: Path, selector: str, status: int) -> None:
    async with receiver_on(tmp_path, selector=parse(selector)) as receiver:
        assert (await receiver.send_event()).status == status


async def test_a_policy_that_does_not_fit_the_schema_takes_nothing(receiver: Receiver) -> None:
    receiver.cluster.memory.create(retrain_policy("other", type=7))  # type: ignore[arg-type]
    assert (await receiver.send_event(path="/v1/events/ml/other")).document["ignored"] == 1


def test_a_name_is_that_of_this_very_policy_and_event() -> None:

    event = EventAttributes(id="1", source="a", type="t")
    other = EventAttributes(id="a1", source="", type="t")
    names = {
        stored_name("churn", "uid-1", event),
        stored_name("churn", "uid-2", event),
        stored_name("churn", "uid-1", other),
    }
    assert len(names) == 3
    assert all(name.startswith("churn-event-") for name in names)


def test_an_event_is_kept_longer_than_its_signature_counts() -> None:

    assert timedelta(seconds=2 * TOLERANCE_SECONDS) < KEPT


def test_what_cannot_be_read_of_a_stored_event_is_left_out() -> None:
    owner = PolicyOwner("churn", "ml", "uid-1")

    whole = stored_event(owner, ReceivedEvent(attributes=EventAttributes(id="1", source="a", type="t"), received=NOW))
    assert len(read_received([whole], "uid-1")) == 1
    for broken in ({"event": {"id": 1}}, {"event": None}, {"received": "yesterday"}):
        assert read_received([{**whole, "data": {**whole["data"], **broken}}], "uid-1") == ()
