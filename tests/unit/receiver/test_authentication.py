"""Nothing that is forged, old, changed or meant for another namespace is stored."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.event_sending import KEY, STRUCTURED, body_of, cloud_event, signed
from tests.support.receiving import PATH, Receiver, receiver_on
from viridian.receiver.event_signatures import SigningKey, signature_headers

BODY = body_of(cloud_event())
Headers = dict[str, str]


async def test_a_signed_event_is_stored_before_it_is_acknowledged(receiver: Receiver) -> None:
    reply = await receiver.send_event()
    assert (reply.status, reply.document) == (202, {"stored": 1, "known": 0, "ignored": 0})
    (stored,) = receiver.stored()
    assert stored["event"]["id"] == "1"
    assert stored["sender"] == "key airflow"
    assert receiver.metrics.counts["stored"] == 1


def with_(**changed: str) -> Callable[[Headers], Headers]:
    return lambda headers: {**headers, **{name.replace("_", "-"): value for name, value in changed.items()}}


def without(name: str) -> Callable[[Headers], Headers]:
    return lambda headers: {key: value for key, value in headers.items() if key != name}


FORGED: dict[str, Callable[[Headers], Headers]] = {
    "no signature": without("webhook-signature"),
    "an empty signature": with_(webhook_signature=""),
    "another signature": with_(webhook_signature="v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "a truncated signature": lambda headers: {**headers, "webhook-signature": headers["webhook-signature"][:-2]},
    "another version": lambda headers: {**headers, "webhook-signature": "v2" + headers["webhook-signature"][2:]},
    "another id": with_(webhook_id="msg-2"),
    "another time": lambda headers: {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
    "a time with a sign": lambda headers: {**headers, "webhook-timestamp": "+" + headers["webhook-timestamp"]},
    "a time in other digits": with_(webhook_timestamp="١٧٦٣٦٤٠٠٠٠"),
    "a time without end": with_(webhook_timestamp="1" * 500),
    "no time": without("webhook-timestamp"),
    "no id": without("webhook-id"),
    "signatures without end": with_(webhook_signature="v1,AAAA " * 500),
    "a token that nobody has": with_(webhook_signature="", Authorization="Bearer forged"),
    "a password": with_(webhook_signature="", Authorization="Basic dXNlcjpwYXNz"),
    "an empty token": with_(webhook_signature="", Authorization="Bearer "),
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_forged_request_is_not_accepted(receiver: Receiver, how: str) -> None:
    headers = {
        name: value.encode().decode("latin-1") for name, value in FORGED[how](signed(BODY, receiver.now)).items()
    }
    reply = await receiver.send(BODY, headers)
    assert (reply.status, receiver.stored()) == (401, []), how
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert KEY not in str(reply.document)


@pytest.mark.parametrize(
    ("seconds", "status"), [(-301, 401), (-299, 202), (299, 202), (301, 401)], ids=lambda value: str(value)
)
async def test_a_signature_counts_for_five_minutes_either_way(receiver: Receiver, seconds: int, status: int) -> None:
    assert (await receiver.send(BODY, signed(BODY, receiver.now + seconds))).status == status


async def test_a_changed_body_is_not_accepted(receiver: Receiver) -> None:
    headers = signed(BODY, receiver.now)
    for changed in (BODY[:-1], BODY + b" ", BODY.replace(b"churn", b"chorn"), b""):
        assert (await receiver.send(changed, headers)).status == 401
    assert receiver.stored() == []


async def test_a_key_opens_its_own_namespace_alone(receiver: Receiver) -> None:
    headers = signed(BODY, receiver.now)
    for namespace in ("other", "unknown"):
        reply = await receiver.send(BODY, headers, f"/v1/events/{namespace}/churn")
        assert reply.status == 401, "who holds no key learns nothing of what is there"
    assert (await receiver.send(BODY, headers, "/v1/events/ml/unknown")).status == 404
    assert receiver.stored() == []


async def test_a_token_needs_the_right_in_that_namespace(receiver: Receiver) -> None:
    robot = "system:serviceaccount:ml:robot"
    receiver.cluster.tokens["shown"] = robot
    headers = {"Content-Type": STRUCTURED, "Authorization": "Bearer shown"}
    assert (await receiver.send(BODY, headers)).status == 403
    receiver.clock.advance(31)
    receiver.cluster.rights.add((robot, "ml", "churn"))
    assert (await receiver.send(BODY, headers)).status == 202
    assert (await receiver.send(BODY, headers, "/v1/events/other/churn")).status == 403
    (stored,) = receiver.stored()
    assert stored["sender"] == robot


async def test_without_the_right_nobody_learns_which_policies_there_are(receiver: Receiver) -> None:
    receiver.cluster.tokens["shown"] = "robot"
    headers = {"Content-Type": STRUCTURED, "Authorization": "Bearer shown"}
    known = await receiver.send(BODY, headers)
    unknown = await receiver.send(BODY, headers, "/v1/events/ml/unknown")
    assert (known.status, known.document) == (unknown.status, unknown.document)


async def test_the_api_server_is_asked_about_a_token_once_in_a_while(receiver: Receiver) -> None:
    receiver.cluster.tokens["shown"] = "robot"
    receiver.cluster.rights.add(("robot", "ml", "churn"))
    for number in range(5):
        headers = {"Content-Type": STRUCTURED, "Authorization": "Bearer shown"}
        assert (await receiver.send(body_of(cloud_event(str(number))), headers)).status == 202
    assert receiver.cluster.reviews == 2
    for number in range(150):
        await receiver.send(BODY, {"Content-Type": STRUCTURED, "Authorization": f"Bearer forged-{number}"})
    assert receiver.cluster.reviews <= 2 + 101, "one that is denied very often is not asked about any more"


async def test_tokens_may_be_off(tmp_path: Path) -> None:
    async with receiver_on(tmp_path, tokens=False) as receiver:
        receiver.cluster.tokens["shown"] = "robot"
        headers = {"Content-Type": STRUCTURED, "Authorization": "Bearer shown"}
        assert (await receiver.send(BODY, headers)).status == 401
        assert receiver.cluster.reviews == 0
        assert (await receiver.send_event()).status == 202


async def test_a_key_is_changed_without_a_restart_and_both_count_meanwhile(receiver: Receiver) -> None:
    folder = receiver.keys / "ml"
    new = "another-key-of-at-least-24-bytes"
    (folder / "airflow-2").write_text(new)
    old_and_new = (signed(BODY, receiver.now), signed(BODY, receiver.now, key=new))
    assert [(await receiver.send(BODY, headers)).status for headers in old_and_new] == [202, 202]
    both = {**old_and_new[0], "webhook-signature": " ".join(one["webhook-signature"] for one in old_and_new)}
    (folder / "airflow").unlink()
    assert [(await receiver.send(BODY, headers)).status for headers in (*old_and_new, both)] == [401, 202, 202]


@pytest.mark.parametrize("content", ["", "short", "x" * 2000, "whsec_not base64!", "whsec_c2hvcnQ="])
async def test_what_is_no_key_opens_nothing_and_is_reported_once(
    receiver: Receiver, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (receiver.keys / "ml" / "airflow").write_text(content)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            headers = signed(BODY, receiver.now, key=content.strip())
            assert (await receiver.send(BODY, headers)).status == 401
    assert caplog.text.count("airflow is no key") == 1
    assert not content or content not in caplog.text


async def test_keys_as_standard_webhooks_writes_them(receiver: Receiver) -> None:
    (receiver.keys / "ml" / "airflow").write_text("whsec_YS1rZXktb2YtYXQtbGVhc3QtMjQtYnl0ZXM=\n")
    assert (await receiver.send_event()).status == 202


async def test_a_header_that_is_there_twice_could_mean_two_things(receiver: Receiver) -> None:
    headers = [*signed(BODY, receiver.now).items(), ("webhook-id", "msg-2")]
    url = f"http://127.0.0.1:{receiver.site.port}{PATH}"
    async with receiver.http.post(url, data=BODY, headers=headers) as response:
        assert response.status == 400


async def test_nothing_of_a_request_is_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await receiver.send_event(subject="a-subject-of-a-person")
        await receiver.send(BODY, {"Content-Type": STRUCTURED, "Authorization": "Bearer a-very-secret-token"})
        await receiver.send(b'{"person":', signed(b'{"person":', receiver.now))
    for secret in ("a-subject-of-a-person", "a-very-secret-token", KEY, "person"):
        assert secret not in caplog.text


@pytest.mark.needs_programs
def test_mlflow_signs_as_it_is_checked() -> None:
    """By MLflow's own code, of the release that the project is tested with."""
    from mlflow.webhooks import delivery

    mark = delivery._generate_hmac_signature(KEY, "delivery-1", "1763640000", BODY.decode())
    headers = {
        "x-mlflow-delivery-id": "delivery-1",
        "x-mlflow-timestamp": "1763640000",
        "x-mlflow-signature": mark,
    }
    found = signature_headers(headers)
    assert found is not None
    assert found.signing_key(BODY, [SigningKey("mlflow", KEY.encode())], 1763640000.0).name == "mlflow"
