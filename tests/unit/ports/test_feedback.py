"""The collector over HTTP: what is asked, with which token, and what each failure means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.watched import window
from viridian.api.feedback import FrozenRows, RetentionRules, TrafficSplit
from viridian.api.manifest import MANIFEST_PATH
from viridian.api.samples import Identity, PodTarget
from viridian.ports import pod_files
from viridian.ports.collector import FeedbackError, FeedbackRefused, FeedbackUnavailable, HttpCollector
from viridian.ports.pod_files import BundleUnreadable, HttpBundles
from viridian.ports.pod_http import pod_http

Answer = Callable[[web.Request], web.Response]


class Collector:
    """A server that remembers what it was asked, and answers as the test says."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.answer: Answer = lambda _: web.Response(body=b"[]")
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self._handle)
        self.server = TestServer(application)

    async def _handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.bodies.append(await request.read())
        return self.answer(request)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    await made.server.start_server()
    yield made
    await made.server.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


async def windows(feedback: HttpCollector, revision: str | None = None) -> object:
    return await feedback.windows("ml", "churn", start=0.0, end=7200.0, seconds=3600.0, revision=revision)


async def test_windows_are_asked_for_by_name_and_read_as_they_were_sent(
    collector: Collector, session: aiohttp.ClientSession
) -> None:
    known = [window(0, rows=200), window(3600, labels=10)]
    collector.answer = lambda _: web.Response(body=msgspec.json.encode(known))
    feedback = HttpCollector(session, str(collector.server.make_url("/")), None)
    assert await windows(feedback, "7f3c") == known
    (asked,) = collector.asked
    assert asked.path == "/v1/windows/ml/churn"
    assert dict(asked.query) == {"start": "0", "end": "7200", "seconds": "3600", "revision": "7f3c"}
    assert "Authorization" not in asked.headers
    await windows(feedback)
    assert "revision" not in collector.asked[-1].query


async def test_performance_is_asked_for_without_profiles(collector: Collector, session: aiohttp.ClientSession) -> None:
    feedback = HttpCollector(session, str(collector.server.make_url("/")), None)
    await feedback.windows("ml", "churn", start=0, end=3600, seconds=3600, revision="7f3c", profiles=False)
    assert collector.asked[0].query["profile"] == "false"


async def test_a_definition_of_the_label_is_asked_for_by_name(
    collector: Collector, session: aiohttp.ClientSession
) -> None:
    feedback = HttpCollector(session, str(collector.server.make_url("/")), None)
    await feedback.windows("ml", "churn", start=0, end=3600, seconds=3600, revision=None, label="churned 30d")
    assert collector.asked[0].query["label"] == "churned 30d"


async def test_the_token_is_read_anew_each_time(
    collector: Collector, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    feedback = HttpCollector(session, str(collector.server.make_url("/")), token)
    for said in ("first", "second"):
        token.write_text(f"{said}\n")
        await windows(feedback)
        assert collector.asked[-1].headers["Authorization"] == f"Bearer {said}"


async def test_what_may_be_kept_is_sent_whole(collector: Collector, session: aiohttp.ClientSession) -> None:
    collector.answer = lambda _: web.Response(status=204)
    keeping = RetentionRules(deny=("email",), retention_seconds=3600.0)
    await HttpCollector(session, str(collector.server.make_url("/")), None).keep("ml", "churn", keeping)
    assert (collector.asked[0].method, collector.asked[0].path) == ("PUT", "/v1/rules/ml/churn")
    assert msgspec.json.decode(collector.bodies[0], type=RetentionRules) == keeping


async def test_splits_are_sent_with_their_times(collector: Collector, session: aiohttp.ClientSession) -> None:
    collector.answer = lambda _: web.Response(status=204)
    splits = [TrafficSplit(time=1.5, champion="r1", challenger="r2", share=0.25), TrafficSplit(time=2.5, champion="r2")]
    await HttpCollector(session, str(collector.server.make_url("/")), None).log_splits("ml", "churn", splits)
    assert (collector.asked[0].method, collector.asked[0].path) == ("PUT", "/v1/splits/ml/churn")
    assert msgspec.json.decode(collector.bodies[0], type=list[TrafficSplit]) == splits


async def test_that_a_deployment_is_gone_is_said_of_that_one(
    collector: Collector, session: aiohttp.ClientSession
) -> None:
    collector.answer = lambda _: web.Response(status=204)
    await HttpCollector(session, str(collector.server.make_url("/")), None).close("ml", "churn")
    assert (collector.asked[0].method, collector.asked[0].path) == ("DELETE", "/v1/rules/ml/churn")


@pytest.mark.parametrize(
    ("answer", "failure", "says"),
    [
        (web.Response(status=503, text="busy"), FeedbackUnavailable, "answered 503: busy"),
        (web.Response(status=429), FeedbackUnavailable, "answered 429"),
        (web.Response(status=401, text="who?"), FeedbackRefused, "does not know the operator's token: who?"),
        (web.Response(status=403, text="the verb get"), FeedbackRefused, "does not allow the operator"),
        (web.Response(status=404), FeedbackRefused, "answered 404"),
        (web.Response(status=302, headers={"Location": "/"}), FeedbackRefused, "answered 302"),
        (web.Response(text="<html>"), FeedbackRefused, "is no collector of this release"),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
async def test_failures(
    collector: Collector,
    session: aiohttp.ClientSession,
    answer: web.Response,
    failure: type[FeedbackError],
    says: str,
) -> None:
    collector.answer = lambda _: answer
    with pytest.raises(failure, match=says.replace("?", r"\?")):
        await windows(HttpCollector(session, str(collector.server.make_url("/")), None))


async def test_a_collector_that_is_not_there(collector: Collector, session: aiohttp.ClientSession) -> None:
    address = str(collector.server.make_url("/"))
    await collector.server.close()
    with pytest.raises(FeedbackUnavailable, match="cannot be reached"):
        await windows(HttpCollector(session, address, None))


# ---- files of a version, from its pod


def pod(collector: Collector) -> PodTarget:
    port = collector.server.port
    assert port is not None
    return PodTarget(uid="pod", ip="127.0.0.1", identity=Identity(), port=port)


@pytest.fixture
async def bundles_of_pods() -> AsyncIterator[HttpBundles]:
    async with pod_http() as http:
        yield HttpBundles(http)


async def test_a_file_of_the_version(collector: Collector, bundles_of_pods: HttpBundles) -> None:
    collector.answer = lambda _: web.Response(body=b"{}")
    assert await bundles_of_pods.read(pod(collector), MANIFEST_PATH) == b"{}"
    assert collector.asked[0].path == "/bundle/viridian/manifest.json"


async def test_a_file_that_the_version_does_not_have(collector: Collector, bundles_of_pods: HttpBundles) -> None:
    collector.answer = lambda _: web.Response(status=404)
    assert await bundles_of_pods.read(pod(collector), MANIFEST_PATH) is None


async def test_a_pod_that_does_not_answer_as_it_should(
    collector: Collector, bundles_of_pods: HttpBundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.answer = lambda _: web.Response(status=500)
    with pytest.raises(BundleUnreadable, match="answered 500"):
        await bundles_of_pods.read(pod(collector), MANIFEST_PATH)
    monkeypatch.setattr(pod_files, "MAX_BYTES", 100)
    collector.answer = lambda _: web.Response(body=b"x" * 300)
    with pytest.raises(BundleUnreadable, match="longer than 100 bytes"):
        await bundles_of_pods.read(pod(collector), MANIFEST_PATH)


async def freeze(feedback: HttpCollector) -> object:
    return await feedback.freeze("ml", "churn", "20261120t1200-abc")


async def test_rows_are_frozen_by_name_and_told_where_they_are(
    collector: Collector, session: aiohttp.ClientSession
) -> None:
    frozen = FrozenRows(uri="http://collector:8090/rows.parquet", digest=f"sha256:{'b' * 64}", rows=3, labelled=2)
    collector.answer = lambda _: web.Response(body=msgspec.json.encode(frozen))
    assert await freeze(HttpCollector(session, str(collector.server.make_url("")), None)) == frozen


async def test_before_the_first_row_there_are_none_to_freeze(
    collector: Collector, session: aiohttp.ClientSession
) -> None:
    said = {"error": "nothing has been received of this deployment yet"}
    collector.answer = lambda _: web.json_response(said, status=404)
    assert await freeze(HttpCollector(session, str(collector.server.make_url("")), None)) is None


@pytest.mark.parametrize("body", ["404 page not found", "", '{"detail": "Not Found"}', '["error"]'])
async def test_a_404_of_anything_else_is_no_word_about_rows(
    collector: Collector, session: aiohttp.ClientSession, body: str
) -> None:
    collector.answer = lambda _: web.Response(text=body, status=404)
    with pytest.raises(FeedbackRefused, match="404"):
        await freeze(HttpCollector(session, str(collector.server.make_url("")), None))
