"""The pods' port against the real model server, and against pods that misbehave."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from tests.support import models
from tests.support.server_process import IDENTITY, KEY, running
from viridian.api.samples import (
    LATENCY_BOUNDS,
    CodeClass,
    Idle,
    PodSample,
    PodTarget,
    ScrapeFailure,
    ScrapeProblem,
)
from viridian.api.shadow import ShadowOrder
from viridian.ports import pods
from viridian.ports.pod_http import address, pod_http
from viridian.ports.pods import HttpPods, Pods, parse

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture
async def port() -> AsyncIterator[HttpPods]:
    async with pod_http(KEY) as http:
        yield HttpPods(http, clock=lambda: NOW)


def target(number: int, uid: str = "pod-1", ip: str = "127.0.0.1") -> PodTarget:
    return PodTarget(uid=uid, ip=ip, identity=IDENTITY, port=number)


async def served(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.TCPSite:
    """A pod of somebody else's."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return site


def number(site: web.TCPSite) -> int:
    return int(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]


async def test_the_real_server_is_read_and_told_to_let_go(tmp_path: Path, port: Pods) -> None:
    async with (
        running(models.write_picky(tmp_path / "model"), tmp_path) as server,
        aiohttp.ClientSession() as http,
    ):
        before = (await port.scrape([server.target]))["pod-1"]
        assert isinstance(before, PodSample)
        assert (before.uid, before.at, before.total, before.duration_sum) == ("pod-1", NOW, 0, 0)
        assert [bucket.bound for bucket in before.latency] == [*LATENCY_BOUNDS, math.inf]
        for given in (1, 2, 99, "x"):
            async with http.post(f"{server.url}/invocations", json={"inputs": [[given]]}):
                pass
        after = (await port.scrape([server.target]))["pod-1"]
        assert isinstance(after, PodSample)
        assert after.requests == {CodeClass.SUCCESS: 2, CodeClass.CLIENT_ERROR: 1, CodeClass.SERVER_ERROR: 1}
        assert after.latency[-1].count == after.total == 4
        assert after.duration_sum > 0
        counts = [bucket.count for bucket in after.latency]
        assert counts == sorted(counts)
        for idle in Idle:
            await port.close_connections([server.target], seconds=60, idle=idle)
            async with http.get(f"{server.url}/v2") as response:
                assert response.headers["connection"] == "close"


async def test_a_real_server_lets_the_other_slot_answer_or_closes_where_it_cannot(tmp_path: Path, port: Pods) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        running(directory, tmp_path, slot="blue", revision="champion") as champion,
        running(directory, tmp_path, shadow_target=champion.url) as lost,
        running(directory, tmp_path) as alone,
        aiohttp.ClientSession() as http,
    ):
        await port.close_connections([lost.target, alone.target], seconds=60, idle=Idle.CLOSE, forward=True)
        for server, answered in ((lost, "champion"), (alone, IDENTITY.revision)):
            async with http.post(f"{server.url}/invocations", json={"inputs": [models.FLOWER]}) as response:
                assert response.status == 200
                assert response.headers["x-viridian-revision"] == answered
                assert response.headers["connection"] == "close"


async def test_real_servers_copy_and_compare_as_they_are_ordered(tmp_path: Path, port: Pods) -> None:
    """What the operator orders by the control port, it reads back from the metrics of both."""
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        running(directory, tmp_path) as challenger,
        running(directory, tmp_path, shadow_target=challenger.url, features_digest=DIGEST.upper()) as champion,
        aiohttp.ClientSession() as http,
    ):
        first = ShadowOrder(
            target=challenger.url, revision=IDENTITY.revision, share=100, seconds=60, comparison="first", tolerance=0.1
        )
        assert (
            await port.copy_requests([champion.target], msgspec.structs.replace(first, target="http://elsewhere:1"))
            == set()
        )
        assert await port.copy_requests([champion.target, target(1, "gone")], first) == {"pod-1"}
        async with http.post(f"{champion.url}/invocations", json={"inputs": [models.FLOWER] * 3}) as response:
            assert response.status == 200
        shadow = None
        while shadow is None or not shadow.answers:
            shadow = (await scraped(port, champion.target)).shadow
        assert (shadow.comparison, shadow.share, shadow.answers, shadow.disagreement) == ("first", 100, 1, 0)
        assert (await scraped(port, challenger.target)).total == 1, "a copy counts as an answer of the challenger"
        assert (await scraped(port, champion.target)).total == 1
        assert await port.copy_requests([champion.target], None) == {"pod-1"}
        ended = (await scraped(port, champion.target)).shadow
        assert ended is not None
        assert (ended.share, ended.answers) == (0, 1)
        schemas = await port.input_schemas([champion.target, target(1, "gone")])
        shown = {uid: [column.name for column in schema.columns] for uid, schema in schemas.items()}
        assert shown == {"pod-1": list(models.IRIS)}
        both = [champion.target, replace(challenger.target, uid="shows none"), target(1, "gone")]
        assert await port.served_features(both) == {"pod-1": DIGEST}


ODD_FEATURES = {
    b'{"digest": "' + b"x" * 3000 + b'"}': {"pod-1": "x" * 79 + "…"},
    b'{"digest": "' + b"x" * 5000 + b'"}': {},
    b'{"digest": 7}': {},
    b"[" * 4000: {},
    b"{}": {},
    b"<html>": {},
}


@pytest.mark.parametrize("body", ODD_FEATURES, ids=lambda body: body[:12].decode())
async def test_what_a_pod_shows_of_its_features_is_short_or_nothing(port: Pods, body: bytes) -> None:
    async def shows(request: web.Request) -> web.Response:
        return web.Response(body=body)

    site = await served(shows)
    assert await port.served_features([target(number(site))]) == ODD_FEATURES[body]
    await site.stop()


async def scraped(port: Pods, pod: PodTarget) -> PodSample:
    found = (await port.scrape([pod]))[pod.uid]
    assert isinstance(found, PodSample)
    return found


SHADOWED = """\
viridian_requests_total{code="2xx"} 5
viridian_server_info{slot="green",revision="9a1b02ee"} 1
viridian_shadow_share{challenger="b",comparison="one"} 20
viridian_shadow_disagreement_count{challenger="b"} 4
viridian_shadow_disagreement_sum{challenger="b"} 1.5
viridian_shadow_predictions_total{challenger="b",by="champion",bin="yes"} 3
viridian_shadow_predictions_total{challenger="b",by="challenger",bin="yes"} 4
"""


def test_what_a_server_has_compared_is_read() -> None:
    shadow = parse(SHADOWED, target(1), NOW).shadow
    assert shadow is not None
    assert (shadow.comparison, shadow.share, shadow.answers, shadow.disagreement) == ("one", 20, 4, 1.5)
    assert shadow.predictions == {"champion": {"yes": 3}, "challenger": {"yes": 4}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('_sum{challenger="b"} 1.5', '_sum{challenger="b"} 4.5'),
        ('_sum{challenger="b"} 1.5', '_sum{challenger="b"} NaN'),
        ('bin="yes"} 3', 'bin="yes"} 1e300'),
        ("viridian_shadow_share", 'viridian_shadow_share{comparison="two"} 1\nviridian_shadow_share'),
    ],
    ids=["more than there are", "NaN", "too many", "two comparisons"],
)
def test_a_comparison_that_cannot_be_is_malformed(before: str, after: str) -> None:
    with pytest.raises(ValueError, match=r"viridian_shadow|count is too large|is not a count"):
        parse(SHADOWED.replace(before, after), target(1), NOW)


async def test_every_pod_has_an_answer_of_its_own(tmp_path: Path, port: Pods) -> None:
    """One that is gone does not hide another."""

    async def refuses(_: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    site = await served(refuses)
    async with running(models.write_onnx_alone(tmp_path / "model"), tmp_path) as server:
        targets = [server.target, target(1, "gone"), target(number(site), "custom"), target(1, "odd", "not an address")]
        answers = await port.scrape(targets)
        await port.close_connections(targets, seconds=1, idle=Idle.KEEP)
    await site.stop()
    assert isinstance(answers["pod-1"], PodSample)
    problems = {uid: answer.problem for uid, answer in answers.items() if isinstance(answer, ScrapeFailure)}
    assert problems.pop("odd") is ScrapeProblem.UNREACHABLE
    assert problems == {"gone": ScrapeProblem.UNREACHABLE, "custom": ScrapeProblem.STATUS}


async def test_a_pod_that_does_not_answer_is_given_up(port: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    never = asyncio.Event()

    async def hangs(_: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    site = await served(hangs)
    answers = await port.scrape([target(number(site))])
    assert answers["pod-1"] == ScrapeFailure(
        uid="pod-1", at=NOW, problem=ScrapeProblem.TIMEOUT, message="/metrics did not answer within 1 s"
    )
    await port.close_connections([target(number(site))], seconds=1, idle=Idle.CLOSE)
    never.set()
    await site.stop()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "viridian_requests_total is not in it"),
        (b"", "viridian_requests_total is not in it"),
        (b"\xff\xfe", "cannot be understood"),
        (b'viridian_requests_total{code="2xx"} NaN\n', "is not a count"),
        (b'viridian_requests_total{code="2xx"} -1\n', "is not a count"),
        (b'viridian_requests_total{code="9xx"} 1\n', "'9xx' is not a valid CodeClass"),
        (b'viridian_requests_total{code="2xx" 1\n', "cannot be understood"),
        (b"viridian_requests_total{code=\n", "cannot be understood"),
        (b'viridian_requests_total{code="2xx"} many\n', "cannot be understood"),
        (b"x" * (pods.MAX_BYTES + 1), "it is longer than"),
    ],
    ids=["html", "empty", "bytes", "NaN", "negative", "code", "brace", "cut", "words", "long"],
)
async def test_a_pod_that_talks_nonsense_is_a_failure(port: Pods, body: bytes, words: str) -> None:
    async def talks(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    site = await served(talks)
    answer = (await port.scrape([target(number(site))]))["pod-1"]
    await site.stop()
    assert isinstance(answer, ScrapeFailure)
    assert answer.problem is ScrapeProblem.MALFORMED
    assert words in answer.message


COUNTED = 'viridian_requests_total{code="5xx"%s} 300\n'
NAMED = COUNTED % "" + 'viridian_server_info{namespace="%s",deployment="%s",slot="%s",revision="%s",pod="%s"} 1\n'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (NAMED % ("other", "churn", "green", "9a1b02ee", "churn-green-1"), "belongs to namespace other"),
        (NAMED % ("team", "fraud", "green", "9a1b02ee", "fraud-green-1"), "belongs to deployment fraud"),
        (NAMED % ("team", "churn", "blue", "9a1b02ee", "churn-blue-1"), "belongs to slot blue"),
        (NAMED % ("team", "churn", "green", "00000000", "churn-green-1"), "belongs to revision 00000000"),
        (NAMED % ("team", "churn", "green", "9a1b02ee", "churn-green-2"), "belongs to pod churn-green-2"),
        (COUNTED % "", "does not say whose it is"),
        (COUNTED % ',revision="9a1b02ee"', "names no slot"),
        (COUNTED % ',slot="green",revision="00000000"', "belongs to revision 00000000"),
        (COUNTED % ',slot="green",revision="9a1b02ee"' + COUNTED % ',slot="blue",revision="9a1b02ee"', "slot blue"),
    ],
    ids=["namespace", "deployment", "slot", "revision", "pod", "nobody", "half", "older release", "two owners"],
)
async def test_the_counters_of_somebody_else_are_no_answer(port: Pods, body: str, words: str) -> None:
    """The address of a pod that is gone may be another one's, of whatever model."""

    async def another(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    site = await served(another)
    answer = (await port.scrape([target(number(site))]))["pod-1"]
    await site.stop()
    assert isinstance(answer, ScrapeFailure)
    assert answer.problem is ScrapeProblem.OTHER_POD
    assert words in answer.message


@pytest.mark.parametrize(
    "body",
    [
        NAMED % ("team", "churn", "green", "9a1b02ee", "churn-green-1"),
        NAMED % ("", "", "green", "9a1b02ee", ""),
        COUNTED % ',slot="green",revision="9a1b02ee"',
    ],
    ids=["all of it", "a runtime of the user's own", "a server of an older release"],
)
def test_its_own_counters_are(body: str) -> None:
    sample = parse(body, replace(target(1), process="2026-01-05T12:00:00Z"), NOW)
    assert (sample.total, sample.process) == (300, "2026-01-05T12:00:00Z")


async def test_a_pod_cannot_send_the_operator_elsewhere(port: Pods) -> None:
    async def redirects(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

    site = await served(redirects)
    answer = (await port.scrape([target(number(site))]))["pod-1"]
    await site.stop()
    assert isinstance(answer, ScrapeFailure)
    assert answer.problem is ScrapeProblem.STATUS


def test_series_of_several_workers_are_added_up() -> None:
    text = "\n".join(
        f'viridian_requests_total{{code="2xx",slot="green",revision="9a1b02ee",worker="{worker}"}} {count}\n'
        f'viridian_request_duration_seconds_bucket{{le="0.1",worker="{worker}"}} {count}\n'
        f'viridian_request_duration_seconds_bucket{{le="+Inf",worker="{worker}"}} {count}\n'
        f'viridian_request_duration_seconds_sum{{worker="{worker}"}} 0.5\n'
        f'python_gc_objects_collected_total{{generation="0"}} nonsense'
        for worker, count in ((1, 3), (2, 4))
    )
    sample = parse(text, target(1), NOW)
    assert sample.requests[CodeClass.SUCCESS] == 7
    assert [(bucket.bound, bucket.count) for bucket in sample.latency] == [(0.1, 7), (math.inf, 7)]
    assert sample.duration_sum == 1.0


def test_addresses_of_the_sixth_version_are_written_in_brackets() -> None:
    assert address(target(8081, ip="fd00::1"), "/metrics") == "http://[fd00::1]:8081/metrics"
