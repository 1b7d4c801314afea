"""Prometheus over HTTP: what is asked, with which token, and what each answer and failure means."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from viridian.ports.http_sessions import session as http_session
from viridian.ports.prometheus import (
    MAX_BYTES,
    HttpPrometheus,
    Point,
    PrometheusError,
    PrometheusRefused,
    PrometheusUnavailable,
)

Answer = Callable[[web.Request], web.Response]


def success(kind: str, result: Any, **more: Any) -> Answer:
    body = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return lambda _: web.json_response(body)


def error(status: int, kind: str, message: str) -> Answer:
    return lambda _: web.json_response({"status": "error", "errorType": kind, "error": message}, status=status)


class Server:
    """Speaks the documented format, as the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.answer: Answer = success("vector", [])
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self._handle)
        self.server = TestServer(application)

    async def _handle(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((request.path_qs, form, dict(request.headers)))
        return self.answer(request)

    def address(self, path: str = "") -> str:
        return f"{str(self.server.make_url('/')).rstrip('/')}{path}"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.server.start_server()
    yield made
    await made.server.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http_session() as made:
        yield made


async def test_a_value_now(server: Server, session: aiohttp.ClientSession) -> None:
    server.answer = success("vector", [{"metric": {"slot": "blue"}, "value": [1732104000.5, "0.31"]}])
    found = await HttpPrometheus(session, server.address(), None).now("ml", "max(error_rate)", 1732104000.5)
    assert found == ((Point(1732104000.5, 0.31),),)
    ((path, form, headers),) = server.asked
    assert path == "/api/v1/query"
    assert form == {"query": "max(error_rate)", "time": "1732104000.500", "timeout": "10s"}
    assert "Authorization" not in headers


async def test_a_row_of_values(server: Server, session: aiohttp.ClientSession) -> None:
    server.answer = success("matrix", [{"metric": {}, "values": [[60, "1"], [75, "NaN"], [90, "+Inf"]]}])
    ((first, second, third),) = await HttpPrometheus(session, server.address(), None).row("ml", "x", 60, 90, 15)
    assert first == Point(60.0, 1.0)
    assert math.isnan(second.value)
    assert third.value == math.inf
    ((path, form, _),) = server.asked
    assert path == "/api/v1/query_range"
    assert (form["start"], form["end"], form["step"]) == ("60.000", "90.000", "15")


async def test_how_long_a_sample_stands_is_asked_for_with_the_row(
    server: Server, session: aiohttp.ClientSession
) -> None:
    server.answer = success("matrix", [])
    await HttpPrometheus(session, server.address(), None).row("ml", "x", 60, 90, 15, stale_after=120)
    await HttpPrometheus(session, server.address(), None).row("ml", "x", 60, 90, 15)
    assert [form.get("lookback_delta") for _, form, _ in server.asked] == ["120s", None]


async def test_a_scalar_is_one_series_and_warnings_change_nothing(
    server: Server, session: aiohttp.ClientSession
) -> None:
    server.answer = success("scalar", [60, "2"], warnings=["partial"])
    assert await HttpPrometheus(session, server.address(), None).now("ml", "2", 60) == ((Point(60.0, 2.0),),)


async def test_proxies_that_keep_tenants_apart_learn_the_namespace(
    server: Server, session: aiohttp.ClientSession
) -> None:
    prometheus = HttpPrometheus(session, server.address("/tenants/{namespace}/prometheus?namespace={namespace}"), None)
    await prometheus.now("ml", "x", 60)
    assert server.asked[0][0] == "/tenants/ml/prometheus/api/v1/query?namespace=ml"


async def test_the_token_is_read_anew_each_time(server: Server, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    token = tmp_path / "token"
    prometheus = HttpPrometheus(session, server.address(), token)
    for word in ("first", "second"):
        token.write_text(f"{word}\n")
        await prometheus.now("ml", "x", 60)
        assert server.asked[-1][2]["Authorization"] == f"Bearer {word}"


async def test_a_token_goes_before_a_login_in_the_address(
    server: Server, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    prometheus = HttpPrometheus(session, server.address("/").replace("http://", "http://user:word@"), token)
    await prometheus.now("ml", "x", 60)
    token.write_text("of-a-service-account")
    await prometheus.now("ml", "x", 60)
    first, second = (headers["Authorization"] for _, _, headers in server.asked)
    assert (first.partition(" ")[0], second) == ("Basic", "Bearer of-a-service-account")


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (error(400, "bad_data", "parse error: unexpected end of input"), PrometheusRefused, "parse error"),
        (error(422, "execution", "many-to-many matching"), PrometheusRefused, "many-to-many"),
        (error(503, "timeout", "query timed out"), PrometheusUnavailable, "query timed out"),
        (error(429, "too_many", "slow down"), PrometheusUnavailable, "slow down"),
        (error(200, "internal", "so so"), PrometheusUnavailable, "so so"),
        (lambda _: web.Response(status=401), PrometheusRefused, "does not allow the operator to ask"),
        (error(403, "forbidden", "secret words"), PrometheusRefused, "does not allow the operator to ask"),
        (lambda _: web.Response(status=302, headers={"Location": "http://169.254.169.254/"}), PrometheusUnavailable,
         "is not that of Prometheus"),
        (lambda _: web.Response(text="<html>Sign in</html>"), PrometheusUnavailable, "is not that of Prometheus"),
        (success("streams", []), PrometheusUnavailable, "is not that of Prometheus"),
        (success("vector", [{"metric": {}}]), PrometheusUnavailable, "is not that of Prometheus"),
        (success("vector", [{"metric": {}, "value": [60, "many"]}]), PrometheusUnavailable, "is not that of"),
        (success("vector", 7), PrometheusUnavailable, "is not that of Prometheus"),
        (success("matrix", [{"values": [["NaN", "1"]]}]), PrometheusUnavailable, "is not that of Prometheus"),
        (lambda _: web.Response(body=b"x" * (MAX_BYTES + 1)), PrometheusRefused, "aggregate to one series"),
        (lambda _: web.Response(body=b"[" * 100_000), PrometheusUnavailable, "is not that of Prometheus"),
    ],
)  # fmt: skip
async def test_what_each_failure_means(
    server: Server, session: aiohttp.ClientSession, answer: Answer, kind: type[PrometheusError], says: str
) -> None:
    server.answer = answer
    with pytest.raises(PrometheusError, match=says) as raised:
        await HttpPrometheus(session, server.address(), None).now("ml", "x", 60)
    assert type(raised.value) is kind
    assert len(server.asked) == 1, "redirects are not followed, and nothing is repeated"


async def test_a_server_that_is_not_there_is_waited_for_and_no_secret_is_shown(session: aiohttp.ClientSession) -> None:
    prometheus = HttpPrometheus(session, "http://127.0.0.1:9/?key=SECRETWORD", None)
    with pytest.raises(PrometheusUnavailable, match="cannot be reached") as raised:
        await prometheus.now("ml", "x", 60)
    assert "SECRETWORD" not in str(raised.value)


async def test_of_very_many_series_no_more_are_taken_than_say_so(
    server: Server, session: aiohttp.ClientSession
) -> None:
    server.answer = success("vector", [{"metric": {}, "value": [60, "1"]}] * 5000)
    assert len(await HttpPrometheus(session, server.address(), None).now("ml", "x", 60)) == 101
