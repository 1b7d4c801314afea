"""Who may give orders to a model server: the operator, to this pod, now, and each order once."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import models
from tests.support.background import in_background
from tests.support.server_process import IDENTITY, KEY, ServerProcess, launched, proof, running
from viridian.api.manifest import MANIFEST_PATH
from viridian.api.orders import HEADER, LIFETIME_SECONDS, SKEW_SECONDS, Order, Proof, ProofMalformed, parse_key
from viridian.api.profile import BUNDLE_PATH, PROFILE_PATH
from viridian.ports.order_signing import OrderKey
from viridian.serving.endpoints.order_check import Orders

CLOSE = json.dumps({"forSeconds": 1}).encode()
SHADOW = json.dumps({"target": "http://churn-preview:8080", "revision": "new", "share": 1, "seconds": 1}).encode()
ORDERS = [
    ("POST", "/connections/close", CLOSE, 204),
    ("POST", "/forward", CLOSE, 204),
    ("POST", "/shadow", SHADOW, 204),
    ("DELETE", "/shadow", b"", 204),
    ("GET", "/profile", b"", 200),
    ("HEAD", "/profile", b"", 200),
    ("GET", "/schema", b"", 200),
    ("GET", f"{BUNDLE_PATH}/{PROFILE_PATH}", b"", 200),
    ("GET", f"{BUNDLE_PATH}/{MANIFEST_PATH}", b"", 200),
]
OTHER = OrderKey.generate()
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    tmp = tmp_path_factory.mktemp("orders")
    packed = models.write_sealed(tmp / "model")
    with in_background(running(packed.directory, tmp, shadow_target="http://churn-preview:8080")) as process:
        yield process


def asked(server: ServerProcess, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.management_port, timeout=30)
    with closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if answer.status == 401:
            assert answer.headers["www-authenticate"] == "Viridian-Order"
        return answer.status, answer.read()


def at(seconds: float) -> OrderKey:
    """The operator's key, with a clock that is wrong by so much."""
    return OrderKey.from_pem(KEY.pem, clock=lambda: time.time() + seconds)


@pytest.mark.parametrize(("method", "path", "body", "status"), ORDERS)
def test_only_the_operator_gives_orders_to_this_pod(
    server: ServerProcess, method: str, path: str, body: bytes, status: int
) -> None:
    good = proof(method, path, body)
    refused = {
        "none": {},
        "rubbish": {HEADER: "x"},
        "of another key": proof(method, path, body, OTHER),
        "for another pod": proof(method, path, body, identity=replace(IDENTITY, pod="churn-green-2")),
        "for another namespace": proof(method, path, body, identity=replace(IDENTITY, namespace="other")),
        "for another path": proof(method, "/elsewhere", body),
        "for another method": proof("PUT", path, body),
        "for another body": proof(method, path, body + b" "),
        "expired": proof(method, path, body, at(-LIFETIME_SECONDS - SKEW_SECONDS - 60)),
        "of the future": proof(method, path, body, at(SKEW_SECONDS + 60)),
    }
    for kind, headers in refused.items():
        found, said = asked(server, method, path, body, headers)
        assert found == 401, kind
        assert method == "HEAD" or json.loads(said)["error"], kind
    assert asked(server, method, path, body, good)[0] == status
    assert asked(server, method, path, body, good)[0] == 401, "each proof is good once"
    for skew in (-SKEW_SECONDS + 30, SKEW_SECONDS - 30):
        assert asked(server, method, path, body, proof(method, path, body, at(skew)))[0] == status, "clocks differ"


def test_an_order_that_was_refused_changes_nothing(server: ServerProcess) -> None:
    order = SHADOW.replace(b"new", b"never-tried")
    assert asked(server, "POST", "/shadow", order, proof("POST", "/shadow", order, OTHER))[0] == 401
    assert b"never-tried" not in asked(server, "GET", "/metrics", b"", {})[1]


def test_metrics_and_health_are_for_everybody(server: ServerProcess) -> None:
    for path in ("/metrics", "/healthz"):
        assert asked(server, "GET", path, b"", {})[0] == 200


@pytest.mark.parametrize(("method", "path", "body", "status"), ORDERS)
async def test_without_a_key_no_order_is_taken(
    tmp_path: Path, method: str, path: str, body: bytes, status: int
) -> None:
    async with launched(models.write_onnx_alone(tmp_path / "model"), tmp_path, orders_key="") as server:
        assert asked(server, method, path, body, proof(method, path, body))[0] == 401


async def test_without_a_target_there_is_no_shadow(tmp_path: Path) -> None:
    async with running(models.write_onnx_alone(tmp_path / "model"), tmp_path) as server:
        found, said = asked(server, "POST", "/shadow", SHADOW, proof("POST", "/shadow", SHADOW))
    assert (found, "VIRIDIAN_SHADOW_TARGET" in json.loads(said)["error"]) == (400, True)


def test_what_was_taken_is_remembered_for_as_long_as_it_could_come_again() -> None:
    now = [float(NOW)]
    orders = Orders(parse_key(KEY.public), "team/churn-1", clock=lambda: now[0])
    key = OrderKey.from_pem(KEY.pem, clock=lambda: NOW)
    order = Order(method="POST", path="/shadow", body=b"", receiver="team/churn-1")
    header = key.prove(order)
    assert orders.refusal(order, header) == ""
    for later in (0, LIFETIME_SECONDS, LIFETIME_SECONDS + SKEW_SECONDS, LIFETIME_SECONDS + SKEW_SECONDS + 1):
        now[0] = NOW + later
        assert orders.refusal(order, header) != ""
        assert orders.refusal(order, OrderKey.from_pem(KEY.pem, clock=lambda: now[0]).prove(order)) == ""


@pytest.mark.parametrize("text", ["", ".", "1.2.3", f"-1.{'0' * 32}.{'A' * 86}", f"1.{'0' * 31}.{'A' * 86}", "٣.a.b"])
def test_what_is_no_proof(text: str) -> None:
    with pytest.raises(ProofMalformed):
        Proof.parse(text)


def test_a_proof_is_read_as_it_was_written() -> None:
    assert Proof.parse(Proof(NOW, "0" * 32, bytes(range(64))).render()) == Proof(NOW, "0" * 32, bytes(range(64)))


@pytest.mark.parametrize("text", ["x", "AAAA", "A" * 40, "\u00e4" * 44])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="key of orders"):
        parse_key(text)
