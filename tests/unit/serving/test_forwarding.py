"""A pod that has lost its users: the other slot answers those who still come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import models
from tests.support.challengers import BadChallenger, Behaviour, answers, challenged
from tests.support.server_process import ServerProcess, proven, running
from viridian.api.forward_order import FORWARD_PATH, FORWARDED_HEADER
from viridian.serving.forwarding import TRIES, Forwarding, services

ROW = {"inputs": [models.FLOWER]}
TENSORS = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": models.FLOWER}]}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def forward(server: ServerProcess, http: aiohttp.ClientSession, seconds: float = 60) -> int:
    order = proven(FORWARD_PATH, {"forSeconds": seconds})
    async with http.post(f"{server.management}{FORWARD_PATH}", **order) as response:
        return response.status


async def ask(
    server: ServerProcess, http: aiohttp.ClientSession, path: str = "/invocations", body: Any = ROW, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """Status, body and headers in lower case."""
    async with http.post(f"{server.url}{path}", json=body, headers=headers) as response:
        return response.status, await response.json(), {name.lower(): text for name, text in response.headers.items()}


async def answered(server: ServerProcess, http: aiohttp.ClientSession) -> float:
    """How many requests of users the server has answered itself."""
    async with http.get(f"{server.management}/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("viridian_requests_total{"))


async def test_the_answer_is_the_other_slot_s_with_its_headers(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        running(directory, tmp_path, slot="blue", revision="champion") as champion,
        running(directory, tmp_path, shadow_target=champion.url) as lost,
    ):
        assert (await ask(lost, http))[2]["x-viridian-slot"] == "green"
        assert await forward(lost, http) == 204
        for path, body in (("/invocations", ROW), ("/v2/models/the flowers/infer", TENSORS)):
            status, found, headers = await ask(lost, http, path, body, **{"x-request-id": "mine"})
            assert (status, headers["x-viridian-slot"], headers["x-viridian-revision"]) == (200, "blue", "champion")
            assert (headers["connection"], headers["x-request-id"]) == ("close", "mine")
            assert "x-viridian-prediction-id" in headers
            assert found.get("predictions") == [0] or found["outputs"]
        status, found, headers = await ask(lost, http, body={"inputs": [["no number"]]})
        assert (status, headers["x-viridian-slot"]) == (400, "blue")
        assert (await answered(lost, http), await answered(champion, http)) == (1, 3)


async def test_where_nobody_else_answers_the_pod_does(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with running(directory, tmp_path, shadow_target="http://127.0.0.1:1") as lost:
        assert await forward(lost, http) == 204
        status, found, headers = await ask(lost, http)
        assert (status, found, headers["x-viridian-slot"]) == (200, {"predictions": [0]}, "green")
        assert headers["connection"] == "close"


async def test_pods_of_one_slot_do_not_forward_to_and_fro(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        running(directory, tmp_path) as beside,
        running(directory, tmp_path, shadow_target=beside.url) as lost,
    ):
        assert await forward(lost, http) == 204
        assert (await ask(lost, http))[0] == 200
        assert await answered(lost, http) == 1
        seen = await answered(beside, http)
        assert seen <= TRIES
        async with running(directory, tmp_path, shadow_target=lost.url) as another:
            assert await forward(another, http) == 204
            status, _, headers = await ask(another, http)
            assert (status, headers["x-viridian-slot"]) == (200, "green")
            assert await answered(lost, http) == 1, "it has forwarded nothing that was forwarded to it"
            assert await answered(beside, http) == seen


async def test_who_names_a_version_gets_that_one(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        running(directory, tmp_path, slot="blue", model_version="6") as champion,
        running(directory, tmp_path, shadow_target=champion.url) as lost,
    ):
        assert await forward(lost, http) == 204
        _, _, headers = await ask(lost, http, "/v2/models/the flowers/versions/7/infer", TENSORS)
        assert headers["x-viridian-slot"] == "green"


async def test_a_later_order_to_close_connections_ends_it(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """As at the beginning of a step of a version that is tried again."""
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        running(directory, tmp_path, slot="blue") as champion,
        running(directory, tmp_path, shadow_target=champion.url) as again,
    ):
        assert await forward(again, http) == 204
        assert (await ask(again, http))[2]["x-viridian-slot"] == "blue"
        order = proven("/connections/close", {"forSeconds": 1})
        async with http.post(f"{again.management}/connections/close", **order) as response:
            assert response.status == 204
        assert (await ask(again, http))[2]["x-viridian-slot"] == "green"


async def test_it_ends(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        running(directory, tmp_path, slot="blue") as champion,
        running(directory, tmp_path, shadow_target=champion.url) as lost,
    ):
        assert await forward(lost, http, 0.2) == 204
        slot = "blue"
        while slot == "blue":
            slot = (await ask(lost, http))[2]["x-viridian-slot"]
        assert "connection" not in (await ask(lost, http))[2]


async def test_a_server_that_knows_nobody_says_so(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with running(models.write_onnx_mlflow(tmp_path / "model"), tmp_path) as alone:
        assert await forward(alone, http) == 409
        orders: list[Any] = [{"forSeconds": 0}, {"forSeconds": 601}, {"seconds": 5}, []]
        for order in orders:
            async with http.post(f"{alone.management}{FORWARD_PATH}", **proven(FORWARD_PATH, order)) as response:
                assert response.status in (400, 409)


@contextmanager
def behind(other: BadChallenger, seconds: float = 5) -> Iterator[Forwarding]:
    """What a pod of the slot green does."""
    made = Forwarding(other.url, "green", seconds)
    made.begin(60)
    assert made.active
    yield made
    made.close()
    assert not made.active


def of_slot(slot: str, *, status: int = 200, body: bytes = b"{}") -> Behaviour:
    return answers(status, body, f"x-viridian-slot: {slot}", "content-type: application/json", "set-cookie: a=b")


async def test_a_connection_to_the_other_slot_is_kept() -> None:
    async with challenged(of_slot("blue")) as other:
        with behind(other) as forwarding:
            for number in range(20):
                reply = await forwarding.answer("/invocations", [(b"cookie", b"secret")], b"%d" % number)
                assert reply is not None
                assert (reply.status, reply.body, reply.headers) == (200, b"{}", [(b"x-viridian-slot", b"blue")])
        assert other.connections == 1
        assert {request.header(FORWARDED_HEADER) for request in other.seen} == {"1"}
        assert {request.header("cookie") for request in other.seen} == {""}


@pytest.mark.parametrize("status", [200, 400, 429, 500, 503])
async def test_every_answer_of_the_other_slot_is_passed_on(status: int) -> None:
    async with challenged(of_slot("blue", status=status)) as other:
        with behind(other) as forwarding:
            reply = await forwarding.answer("/invocations", [], b"")
        assert reply is not None
        assert reply.status == status


async def test_answers_of_the_same_slot_are_left_out_and_the_tries_are_bounded() -> None:
    async with challenged(of_slot("green")) as other:
        with behind(other) as forwarding:
            assert await forwarding.answer("/invocations", [], b"") is None
        assert other.connections == TRIES


async def test_a_request_waits_no_longer_than_for_a_prediction() -> None:
    async def never(*_: Any) -> None:
        """Says nothing."""

    async with challenged(never) as other:
        with behind(other, seconds=0.1) as forwarding:
            assert await forwarding.answer("/invocations", [], b"") is None
        assert other.connections == 1


async def test_a_request_that_was_forwarded_is_forwarded_no_further() -> None:
    async with challenged(of_slot("blue")) as other:
        with behind(other) as forwarding:
            reply = await forwarding.answer("/invocations", [(FORWARDED_HEADER.encode(), b"1")], b"")
        assert reply is not None
        assert (reply.status, json.loads(reply.body)["error"]) == (421, "this pod forwards its requests itself")
        assert other.connections == 0


@pytest.mark.parametrize(
    ("preview", "there"),
    [
        ("", []),
        ("http://churn-preview:8080", ["http://churn:8080", "http://churn-preview:8080"]),
        ("http://churn-preview.ml.svc:80", ["http://churn.ml.svc:80", "http://churn-preview.ml.svc:80"]),
        ("http://elsewhere:8080", ["http://elsewhere:8080"]),
    ],
)
def test_the_other_slot_is_behind_the_live_service_or_its_preview(preview: str, there: list[str]) -> None:
    assert [service.url for service in services(preview)] == there
