"""The stream of a judged pod: from the real model server, and from pods that send something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support import models
from tests.support.costs import MIB, longest_lag, memory_of_at_most
from tests.support.hostile_pod import hostile_pod
from tests.support.model_metrics import Counters
from tests.support.server_process import IDENTITY, KEY, ServerProcess, proven, running
from tests.unit.ports.test_pods import number, served, target
from viridian.api.answer_stream import END_OF_PART, STREAM_PATH, StreamOrder
from viridian.api.samples import CodeClass, PodSample, PodTarget
from viridian.ports import answer_streams
from viridian.ports.answer_streams import HttpAnswerStreams, StreamEnd
from viridian.ports.order_signing import OrderKey
from viridian.ports.pod_http import pod_http
from viridian.ports.pods import HttpPods
from viridian.serving.endpoints.streamed_answers import MAX_STREAMS

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
LONG = StreamOrder(for_seconds=60)


class Following:
    """A stream that is being read."""

    def __init__(self, streams: HttpAnswerStreams, target: PodTarget, order: StreamOrder) -> None:
        self.samples: asyncio.Queue[PodSample] = asyncio.Queue()
        self.task = asyncio.create_task(streams.follow(target, order, self.samples.put_nowait))

    async def next(self) -> PodSample:
        async with asyncio.timeout(20):
            return await self.samples.get()


@asynccontextmanager
async def following(
    target: PodTarget, order: StreamOrder = LONG, key: OrderKey | None = KEY
) -> AsyncIterator[Following]:
    async with pod_http(key) as http:
        stream = Following(HttpAnswerStreams(http, clock=lambda: NOW), target, order)
        try:
            yield stream
        finally:
            stream.task.cancel()
            await asyncio.wait([stream.task])


async def ended(target: PodTarget, order: StreamOrder = LONG, key: OrderKey | None = KEY) -> StreamEnd:
    """How a stream ends by itself."""
    async with following(target, order, key) as stream, asyncio.timeout(20):
        return await stream.task


async def ask(server: ServerProcess, *given: Any) -> None:
    async with aiohttp.ClientSession() as http:
        for one in given:
            async with http.post(f"{server.url}/invocations", json={"inputs": [[one]]}):
                pass


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with running(models.write_picky(tmp_path / "model"), tmp_path) as process:
        yield process


async def test_the_first_sample_comes_at_once_and_further_ones_with_bad_answers(server: ServerProcess) -> None:
    async with following(server.target) as stream:
        first = await stream.next()
        assert (first.uid, first.at, first.total, first.last_answer) == ("pod-1", NOW, 0, None)
        await ask(server, 1, 2)
        await ask(server, "x", 99)
        second = await stream.next()
        assert second.requests == {CodeClass.SUCCESS: 2, CodeClass.CLIENT_ERROR: 1, CodeClass.SERVER_ERROR: 1}
        assert second.last_answer is not None
        assert second.last_answer <= NOW


async def test_a_sample_of_a_stream_is_what_a_reading_shows(server: ServerProcess) -> None:
    await ask(server, 1, 99, "x")
    async with pod_http(KEY) as http, following(server.target) as stream:
        streamed = await stream.next()
        read = (await HttpPods(http, clock=lambda: NOW).scrape([server.target]))["pod-1"]
    assert isinstance(read, PodSample)
    assert (streamed.requests, streamed.latency) == (read.requests, read.latency)
    assert streamed.duration_sum == read.duration_sum


async def test_an_answer_that_took_too_long_is_bad_where_the_order_says_so(server: ServerProcess) -> None:
    async with following(server.target, StreamOrder(for_seconds=60, slow_seconds=0)) as stream:
        await stream.next()
        await ask(server, 1)
        assert (await stream.next()).requests[CodeClass.SUCCESS] == 1


async def test_bad_answers_that_come_fast_share_a_sample(server: ServerProcess) -> None:
    async with following(server.target) as stream:
        await stream.next()
        await ask(server, *[99] * 30)
        seen = [await stream.next()]
        while seen[-1].requests[CodeClass.SERVER_ERROR] < 30:
            seen.append(await stream.next())
        assert len(seen) < 30
        assert [one.total for one in seen] == sorted(one.total for one in seen)


async def test_a_stream_ends_after_the_time_that_was_asked_for(server: ServerProcess) -> None:
    assert await ended(server.target, StreamOrder(for_seconds=0.1)) is StreamEnd.OVER


async def test_a_server_that_ends_does_not_wait_for_its_readers(server: ServerProcess) -> None:
    async with following(server.target) as stream:
        await stream.next()
        server.terminate()
        async with asyncio.timeout(20):
            assert await stream.task in (StreamEnd.OVER, StreamEnd.BROKEN)
            assert await server.process.wait() == 0


@pytest.mark.parametrize("key", [None, OrderKey.generate()], ids=["no key", "another operator's key"])
async def test_without_the_operators_proof_there_is_no_stream(server: ServerProcess, key: OrderKey | None) -> None:
    assert await ended(server.target, key=key) is StreamEnd.REFUSED


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"forSeconds": 0}', b'{"forSeconds": 1e9}', b'{"forSeconds": 1, "more": 2}', b"[" * 4000]
)
async def test_an_order_that_makes_no_sense_is_400(server: ServerProcess, body: bytes) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.post(server.management + STREAM_PATH, **proven(STREAM_PATH, body)) as answer,
    ):
        assert answer.status == 400


async def test_streams_of_a_server_are_bounded_and_those_that_are_left_make_room(server: ServerProcess) -> None:
    async with pod_http(KEY) as http:
        streams = HttpAnswerStreams(http)
        many = [Following(streams, server.target, LONG) for _ in range(MAX_STREAMS)]
        for one in many:
            await one.next()
        assert await ended(server.target) is StreamEnd.REFUSED
        for one in many:
            one.task.cancel()
        await asyncio.wait([one.task for one in many])
        end = StreamEnd.REFUSED
        async with asyncio.timeout(20):
            while end is StreamEnd.REFUSED:
                end = await ended(server.target, StreamOrder(for_seconds=0.1))
        assert end is StreamEnd.OVER


# ---- other pods


def parts(*texts: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def sends(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for text in texts:
            await response.write(text.encode() + END_OF_PART)
        return response

    return sends


@pytest.mark.parametrize("path", ["404", "405", "500"])
async def test_a_runtime_without_streams_refuses(path: str) -> None:
    async def refuses(_: web.Request) -> web.StreamResponse:
        return web.Response(status=int(path))

    site = await served(refuses)
    assert await ended(target(number(site))) is StreamEnd.REFUSED
    await site.stop()


async def test_a_pod_that_is_not_there_is_a_broken_stream() -> None:
    assert await ended(target(1)) is StreamEnd.BROKEN


async def test_samples_of_somebody_else_are_none() -> None:
    counters = Counters()
    counters.requests = 10
    site = await served(parts(counters.text(IDENTITY).replace("churn-green-1", "churn-green-2")))
    async with following(target(number(site))) as stream:
        assert await stream.task is StreamEnd.REFUSED
        assert stream.samples.empty()
    await site.stop()


async def test_a_part_that_is_cut_off_is_no_sample() -> None:
    text = Counters(requests=10).text(IDENTITY)

    async def cuts(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(text.encode())
        return response

    site = await served(cuts)
    async with following(target(number(site))) as stream:
        assert await stream.task is StreamEnd.OVER
        assert stream.samples.empty()
    await site.stop()


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "viridian_requests_total NaN\n", "# x\n" * 100_000, "x" * 200_000],
    ids=["nothing", "html", "NaN", "long part", "long line"],
)
async def test_what_is_no_sample_breaks_the_stream(text: str) -> None:
    site = await served(parts(f"{text}\n"))
    assert await ended(target(number(site))) is StreamEnd.BROKEN
    await site.stop()


async def test_a_pod_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_streams, "SILENCE_SECONDS", 0.1)
    never = asyncio.Event()

    async def falls_silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(Counters(requests=10).text(IDENTITY).encode() + END_OF_PART)
        await never.wait()
        return response

    site = await served(falls_silent)
    async with following(target(number(site))) as stream:
        assert (await stream.next()).total == 10
        assert await stream.task is StreamEnd.BROKEN
    never.set()
    await site.stop()


ENDLESS = (
    *("a flood", "endless headers", "early hints without end", "endless trailers", "an endless chunk extension"),
    *("endless empty lines", "a byte now and then", "an answer that never comes", "a redirect"),
)
"""Modes about more than one part: what a single part may hold is tested with `/metrics`."""


@pytest.mark.parametrize("mode", ENDLESS)
async def test_a_hostile_pod_costs_little_and_gives_no_sample(
    mode: str, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr(answer_streams, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(answer_streams, "_SPARE_SECONDS", 0.5)
    with hostile_pod(mode) as port:
        hostile = PodTarget(uid="pod-1", ip="127.0.0.1", identity=IDENTITY, port=port)
        async with longest_lag() as lag:
            with memory_of_at_most(20 * MIB):
                async with following(hostile, StreamOrder(for_seconds=0.5)) as stream:
                    await stream.task
                    assert stream.samples.empty()
    record_property(
        "longest time that a hostile stream held up the operator's loop", f"{1000 * max(lag):5.0f} ms: {mode}"
    )
