"""`labels` on a real collector in this process: its queue, its answers, and what keeps a person from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.collecting import START, Stand, batch, collecting, prediction, regression
from tests.support.web_server import QuietHandler, web_server
from viridian.cli.cluster_client import ClusterProblem
from viridian.cli.collector_way import CollectorWay, pod_port
from viridian.cli.label_command import labelled
from viridian.cli.review_queue import HttpAnswer, ReviewQueue, Send, sender
from viridian.people.review_requests import ReviewRequest


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with collecting(tmp_path) as stand:
        yield stand


def sending(stand: Stand, token: str = "admin") -> Send:  # noqa: S107 - a name
    """To the collector of the test, from another thread, as a terminal has one of its own."""
    loop = asyncio.get_running_loop()

    def send(request: ReviewRequest) -> HttpAnswer:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
        asked = stand.http.request(request.method, f"{request.path}&rate=1", content=request.body, headers=headers)
        answer = asyncio.run_coroutine_threadsafe(asked, loop).result(30)
        return HttpAnswer(answer.status_code, answer.content)

    return send


async def labels(stand: Stand, *typed: str, token: str = "admin") -> list[str]:  # noqa: S107
    """What is printed while a person types that."""
    stand.clock.now = START + 1000
    keys, queue = iter(typed), ReviewQueue(sending(stand, token), "ml", "churn")
    return await asyncio.to_thread(lambda: list(labelled(queue, lambda _: next(keys))))


async def test_a_person_answers_skips_and_ends(stand: Stand) -> None:
    features = {"plan": None, "text": "\x1b[31mred"}
    await stand.server.predict(batch(prediction(n, features={"age": 30 + n, **features}) for n in range(5)))
    said = await labels(stand, "1", "7", "leaves", "s", "q")
    assert said[-1] == "2 answers are stored, 1 rows were skipped."
    assert said[0].splitlines()[0] == "COLUMN   VALUE"
    assert said[0].splitlines()[2:] == ["plan     -", "text     \N{REPLACEMENT CHARACTER}[31mred"]
    assert await stand.count("outcome", "stored") == 2
    assert len(set(said[:4])) == 4, "what is skipped is not shown again"
    assert (await labels(stand, "1", "1", "2"))[-2:] == [
        "Nothing waits for you.",
        "3 answers are stored, 0 rows were skipped.",
    ]


async def test_a_number_is_asked_for_until_it_is_one(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(0, prediction=1.0, score=None)], regression()))
    said = await labels(stand, "many", "nan", "2.5")
    assert said[-1] == "1 answers are stored, 0 rows were skipped."


async def test_a_person_without_the_right_learns_which_one_is_missing(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(0)]))
    with pytest.raises(ClusterProblem, match="the verb list on modeldeployments/feedback"):
        await labels(stand, token="stranger")
    with pytest.raises(ClusterProblem, match="see --service-account"):
        await labels(stand, token="nobody")


class _Echo(QuietHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path} {self.headers['Authorization']}".encode())


@pytest.fixture
def address() -> Iterator[str]:
    with web_server(_Echo) as address:
        yield f"{address}/behind"


def test_the_address_may_have_a_path_and_the_token_goes_along(address: str) -> None:
    assert sender(CollectorWay(address), "t0")(ReviewRequest("GET", "/v1/x?y=1")) == HttpAnswer(
        200, b"/behind/v1/x?y=1 Bearer t0"
    )
    with pytest.raises(ClusterProblem, match="no collector of this release"):
        ReviewQueue(sender(CollectorWay(address), "t0"), "ml", "churn").next()


def test_an_address_where_nothing_answers_is_named() -> None:
    with pytest.raises(ClusterProblem, match=r"the collector at 127\.0\.0\.1 does not answer"):
        sender(CollectorWay("http://127.0.0.1:1"), "t0")(ReviewRequest("GET", "/v1/x"))
    with pytest.raises(ClusterProblem, match="is no address of a collector"):
        sender(CollectorWay("collector:8090"), "t0")


def test_a_port_of_the_service_leads_to_the_port_of_the_pod_that_has_its_name() -> None:
    pod = {"spec": {"containers": [{"name": "sidecar"}, {"ports": [{"name": "http", "containerPort": 9090}]}]}}
    for target, port in ({"targetPort": "http"}, 9090), ({"targetPort": 7000}, 7000), ({}, 8090):
        service = {"spec": {"ports": [{"port": 80, "targetPort": 1}, {"port": 8090, **target}]}}
        assert pod_port(service, pod, 8090) == port
