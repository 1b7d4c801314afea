"""What a request may hold: CloudEvents in all modes, the webhooks of Alertmanager and MLflow, and nothing unclear."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.event_sending import BATCH, STRUCTURED, binary, body_of, cloud_event, signed
from tests.support.receiving import Receiver
from viridian.api.event_trigger import EventAttributes
from viridian.http_problem import HttpProblem
from viridian.receiver.event_formats import MAX_EVENTS, events_in

JSON = {"content-type": "application/json"}


def structured(document: Any, media: str = STRUCTURED) -> tuple[EventAttributes, ...]:
    return events_in({"content-type": media}, body_of(document))


def problem(headers: dict[str, str], body: bytes, signed_id: str = "") -> tuple[int, str]:
    with pytest.raises(HttpProblem) as raised:
        events_in(headers, body, signed_id)
    return raised.value.status, raised.value.sentence


def test_a_structured_event_with_charset_and_extensions() -> None:
    event = cloud_event(subject="march", time="2026-11-20T12:00:00.123456789Z", data={"rows": [1]}, traceparent="00-1")
    assert structured(event, f"{STRUCTURED}; charset=utf-8") == (
        EventAttributes(
            id="1",
            source="/pipelines/churn",
            type="dev.example.batch.ready",
            subject="march",
            time="2026-11-20T12:00:00.123456789Z",
        ),
    )


def test_a_batch() -> None:
    assert [event.id for event in structured([cloud_event("1"), cloud_event("2")], BATCH)] == ["1", "2"]


def test_binary_mode_with_percent_encoding() -> None:
    headers = binary({"specversion": "1.0", "id": "1", "source": "/p", "type": "t", "subject": "Euro%20%E2%82%AC"})
    (event,) = events_in({name.lower(): value for name, value in headers.items()}, b"\x00 anything \xff")
    assert (event.id, event.subject) == ("1", "Euro €")


def test_binary_mode_is_not_covered_by_a_signature() -> None:
    headers = binary({"specversion": "1.0", "id": "1", "source": "s", "type": "t"})
    assert problem(headers, b"", "msg-1")[0] == 400


ALERT = {
    "status": "firing",
    "labels": {"alertname": "InputsDrifted", "namespace": "ml"},
    "annotations": {"summary": "drift"},
    "startsAt": "2026-11-20T11:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "c1d2",
}


def alertmanager(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "viridian",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": list(alerts),
        **more,
    }


def test_an_alert_is_the_same_event_for_as_long_as_it_goes_on() -> None:
    first, resolved = events_in(
        JSON, body_of(alertmanager(ALERT, {**ALERT, "status": "resolved", "endsAt": ALERT["startsAt"]}))
    )
    (again,) = events_in(JSON, body_of(alertmanager({**ALERT, "annotations": {"summary": "still"}})))
    assert first == again
    assert (first.type, first.subject, first.source) == (
        "alertmanager.firing",
        "InputsDrifted",
        "alertmanager/viridian",
    )
    assert (resolved.type, resolved.id) == ("alertmanager.resolved", f"{first.id} resolved")
    (later,) = events_in(JSON, body_of(alertmanager({**ALERT, "startsAt": "2026-11-20T12:00:00Z"})))
    assert later.id != first.id


MLFLOW = {
    "entity": "model_version_alias",
    "action": "created",
    "timestamp": "2026-11-20T11:00:00.123456+00:00",
    "data": {"name": "churn", "alias": "candidate", "version": "7"},
}


def test_a_registry_webhook_is_known_by_its_delivery() -> None:
    (event,) = events_in(JSON, body_of(MLFLOW), "delivery-1")
    assert (event.id, event.source, event.type) == ("delivery-1", "mlflow", "mlflow.model_version_alias.created")
    assert event.subject == "churn"
    assert problem(JSON, body_of(MLFLOW))[0] == 400, "without a signature it has no id"


CREATED = {
    **MLFLOW,
    "entity": "model_version",
    "data": {"name": "churn", "version": "7", "source": "models:/m-1", "run_id": "r1", "tags": {"viridian.run": "a"}},
}


def test_a_registry_webhook_tells_of_which_run_a_version_is() -> None:
    """By that a policy knows the versions of its own runs; for another policy they are news."""
    (alias,), (made,) = (events_in(JSON, body_of(document), "delivery-1") for document in (MLFLOW, CREATED))
    assert (alias.version, alias.alias, alias.run) == ("7", "candidate", "")
    assert (made.version, made.alias, made.run) == ("7", "", "r1")


@pytest.mark.parametrize("value", [None, 7, ["r1"], "x" * 161, "a\nb"])
def test_what_a_webhook_tells_of_a_version_is_bounded(value: Any) -> None:
    document = {**CREATED, "data": {"name": "churn", "run_id": value, "version": value, "alias": value}}
    (event,) = events_in(JSON, body_of(document), "delivery-1")
    assert (event.version, event.alias, event.run) == ("", "", "")


@pytest.mark.parametrize(("key", "events"), [("viridian.outcome", 0), ("viridian.trail.1", 0), ("retrain", 1)])
def test_a_tag_that_the_operator_has_set_is_no_event(key: str, events: int) -> None:
    data = {"name": "churn", "version": "7", "key": key, "value": "yes"}
    document = {**MLFLOW, "entity": "model_version_tag", "action": "set", "data": data}
    assert len(events_in(JSON, body_of(document), "delivery-1")) == events


START_OF_AN_EVENT = b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":'
UNCLEAR: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not JSON"),
    "truncated": (body_of(cloud_event())[:-1], "not JSON"),
    "a name twice": (b'{"specversion":"1.0","id":"1","id":"2","source":"s","type":"t"}', "twice"),
    "a name twice within the data": (
        b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"a":1,"a":2}}',
        "twice",
    ),
    "very deep": (
        b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "deep",
    ),
    "deep": (b"[" * 65 + b"]" * 65, "deep"),
    "not a number": (START_OF_AN_EVENT + b"NaN}", "NaN"),
    "a number without end": (b'{"data":' + b"1" * 10_000 + b"}", "not JSON"),
    "not UTF-8": (b'{"id":"\xff"}', "UTF-8"),
    "two documents": (b"{}{}", "not JSON"),
    "a list": (b"[]", "JSON object"),
    "a text": (b'"event"', "JSON object"),
    "another version": (body_of(cloud_event(specversion="0.3")), "specversion"),
    "a version that is a number": (body_of(cloud_event(specversion=1.0)), "specversion"),
    "no id": (body_of({**cloud_event(), "id": None}), "id must be"),
    "an empty id": (body_of(cloud_event("")), "id must be"),
    "an id that is a number": (body_of({**cloud_event(), "id": 1}), "id must be"),
    "a long source": (body_of(cloud_event(source="s" * 161)), "source must be"),
    "a source of long characters": (body_of(cloud_event(source="€" * 54)), "source must be"),
    "a source of quotes": (body_of(cloud_event(source='"' * 81)), "source must be"),
    "a line break": (body_of(cloud_event(type="a\nb")), "type must be"),
    "half a character": (b'{"specversion":"1.0","id":"\\ud800","source":"s","type":"t"}', "id must be"),
    "a time that is none": (body_of(cloud_event(time="yesterday")), "time must be"),
}


@pytest.mark.parametrize("what", UNCLEAR)
def test_an_unclear_body_is_refused_with_what_is_wrong(what: str) -> None:
    body, sentence = UNCLEAR[what]
    status, said = problem({"content-type": STRUCTURED}, body)
    assert (status, sentence in said) == (400, True), said


@pytest.mark.parametrize(
    "document",
    [[], [cloud_event()] * (MAX_EVENTS + 1), cloud_event(), [cloud_event(), {}], [cloud_event(), cloud_event("")]],
    ids=["none", "too many", "no list", "no event", "one bad"],
)
def test_a_batch_counts_as_a_whole_or_not_at_all(document: Any) -> None:
    assert problem({"content-type": BATCH}, body_of(document))[0] == 400


@pytest.mark.parametrize(
    ("media", "document", "status"),
    [
        ("text/plain", cloud_event(), 415),
        ("", cloud_event(), 415),
        ("application/json", cloud_event(), 415),
        ("application/json", {"anything": 1}, 415),
        ("application/json", [], 415),
        ("application/json", alertmanager(ALERT, version="3"), 400),
        ("application/json", alertmanager(), 400),
        ("application/json", alertmanager({**ALERT, "fingerprint": None}), 400),
        ("application/json", alertmanager({**ALERT, "status": "unknown"}), 400),
        ("application/json", alertmanager(*[ALERT] * 101), 400),
        ("application/json", {**alertmanager(), "alerts": {}}, 400),
    ],
)
def test_what_is_no_event_is_refused(media: str, document: Any, status: int) -> None:
    assert problem({"content-type": media}, json.dumps(document).encode())[0] == status


async def test_of_a_batch_with_one_bad_event_nothing_is_stored(receiver: Receiver) -> None:
    body = body_of([cloud_event("1"), cloud_event("")])
    reply = await receiver.send(body, signed(body, receiver.now, media=BATCH))
    assert (reply.status, receiver.stored()) == (400, [])
    assert reply.document["error"].startswith("event 2: id")


async def test_all_events_of_a_batch_are_stored(receiver: Receiver) -> None:
    body = body_of([cloud_event("1"), cloud_event("2"), cloud_event("1"), cloud_event("3", type="else")])
    reply = await receiver.send(body, signed(body, receiver.now, media=BATCH))
    assert (reply.status, reply.document) == (202, {"stored": 2, "known": 1, "ignored": 1})
