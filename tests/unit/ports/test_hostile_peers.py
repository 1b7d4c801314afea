"""An MLflow and a collector that want to harm the operator: each call costs little, ends, and says what it means."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.costs import MIB, longest_lag, memory_of_at_most
from tests.support.hostile_pod import DOCUMENTS, MODES, hostile_pod
from viridian.api.feedback import RetentionRules, TrafficSplit
from viridian.api.registry import RunStatus
from viridian.ports.collector import FeedbackError, FeedbackRefused, HttpCollector
from viridian.ports.http_sessions import session
from viridian.ports.mlflow import MlflowRegistry
from viridian.ports.mlflow_api import Credentials
from viridian.ports.registry import RegistryError, RegistryRefused, RegistryUnavailable

WIRE = [
    mode for mode in MODES if not any(word in mode for word in ("count", "bucket", "sums", "label", "line ", "lines"))
]
READS: dict[str, Callable[[MlflowRegistry], Awaitable[object]]] = {
    "model": lambda registry: registry.model("churn"),
    "version": lambda registry: registry.version("churn", "1"),
    "version of a run": lambda registry: registry.version_of_run("churn", "r"),
    "find run": lambda registry: registry.find_run("churn", "k"),
    "run": lambda registry: registry.run("r"),
}
WRITES: dict[str, Callable[[MlflowRegistry], Awaitable[object]]] = {
    "register": lambda registry: registry.register("churn", "r", "models:/m-1", {"a": "b"}),
    "tag version": lambda registry: registry.tag_version("churn", "1", {"a": "b"}),
    "set alias": lambda registry: registry.set_alias("churn", "champion", "1"),
    "delete alias": lambda registry: registry.delete_alias("churn", "champion"),
    "create run": lambda registry: registry.create_run("churn", "k", {}),
    "tag run": lambda registry: registry.tag_run("r", {"a": "b"}),
    "finish run": lambda registry: registry.finish_run("r", RunStatus.FINISHED),
}
COLLECTED: dict[str, Callable[[HttpCollector], Awaitable[object]]] = {
    "windows": lambda feedback: feedback.windows("ml", "churn", start=0.0, end=1.0, seconds=1.0, revision=None),
    "freeze": lambda feedback: feedback.freeze("ml", "churn", "r"),
    "keep": lambda feedback: feedback.keep("ml", "churn", RetentionRules()),
    "log splits": lambda feedback: feedback.log_splits("ml", "churn", [TrafficSplit(time=1.0, champion="r1")]),
}
RUN = '{"run": {"info": {"run_id": "r", "status": "RUNNING"}, "data": {"metrics": [{"key": "a", "value": %s}]}}}'
NOT_MLFLOWS = {
    "very many digits": RUN % ("9" * 100_000),
    "a number beyond all": RUN % "1e999",
    "no number": RUN % "NaN",
    "a word for a number": RUN % '"many"',
    "an unknown status": '{"run": {"info": {"run_id": "r", "status": "WEIRD"}}}',
    "a list for an object": '{"run": [], "registered_model": [1], "model_version": 7, "experiment": "x", "runs": {}}',
    "empty objects": '{"run": {}, "registered_model": 1, "model_version": {}, "experiment": {}, "runs": [{}]}',
    "nulls": '{"run": null, "registered_model": null, "model_version": null, "experiment": null}',
    "numbers for texts": '{"registered_model": {"aliases": [{"alias": 1, "version": 2}]}, "run": 5}',
    "no UTF-8": b'{"run": "\xff"}',
    "a page": "<html>Sign in</html>",
    "a list": "[]",
    "nothing": "",
}
"""Answers with status 200 that are not MLflow's, and no collector's."""


@pytest.mark.parametrize("mode", [*WIRE, *DOCUMENTS])
async def test_a_hostile_mlflow_costs_little(mode: str, record_property: Callable[[str, object], None]) -> None:
    """What may be an answer, to somebody who asks for other things, is none of a run."""
    with hostile_pod(mode) as port:
        async with MlflowRegistry(f"http://127.0.0.1:{port}", timeout_seconds=1.0) as registry, longest_lag() as lag:
            with memory_of_at_most(20 * MIB), pytest.raises(RegistryError) as caught:
                await registry.run("r")
    assert isinstance(caught.value, RegistryUnavailable) or mode in DOCUMENTS or "redirect" in mode or "gzip" in mode
    assert fits_a_condition(caught.value)
    record_property(
        "longest time that a hostile MLflow held up the operator's loop", f"{1000 * max(lag):5.0f} ms: {mode}"
    )


@pytest.mark.parametrize("mode", [*WIRE, *DOCUMENTS])
async def test_a_hostile_collector_costs_little(
    mode: str, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr("viridian.ports.collector.TIMEOUT_SECONDS", 1.0)
    with hostile_pod(mode) as port:
        async with session() as opened, longest_lag() as lag:
            with memory_of_at_most(20 * MIB), pytest.raises(FeedbackError) as caught:
                await COLLECTED["windows"](HttpCollector(opened, f"http://127.0.0.1:{port}", None))
    assert fits_a_condition(caught.value)
    lasted = f"{1000 * max(lag):5.0f} ms: {mode}"
    record_property("longest time that a hostile collector held up the operator's loop", lasted)


def fits_a_condition(error: Exception) -> bool:
    return len(str(error)) < 600 and str(error).isprintable()


@pytest.mark.parametrize("answer", NOT_MLFLOWS.values(), ids=NOT_MLFLOWS)
async def test_what_is_no_answer_of_mlflow_is_refused(answer: str | bytes) -> None:
    body = answer if isinstance(answer, bytes) else answer.encode()
    async with listener(lambda _: web.Response(body=body)) as (here, asked), MlflowRegistry(here) as registry:
        for name, call in (READS | WRITES).items():
            before = len(asked)
            with contextlib.suppress(RegistryError):
                await call(registry)
                assert name in WRITES, f"{name} took it for an answer"
            assert len(asked) > before


@pytest.mark.parametrize("answer", [*NOT_MLFLOWS.values(), '[{"revision": 1}]', "[null]", "[[]]", "{}"])
async def test_what_is_no_answer_of_a_collector_is_refused(answer: str | bytes) -> None:
    body = answer if isinstance(answer, bytes) else answer.encode()
    async with listener(lambda _: web.Response(body=body)) as (here, _), session() as opened:
        feedback = HttpCollector(opened, here, None)
        await COLLECTED["keep"](feedback)  # what is answered to an order that was taken is not looked at
        for name in ("windows", "freeze"):
            if (name, answer) != ("windows", "[]"):
                with pytest.raises(FeedbackRefused):
                    await COLLECTED[name](feedback)


# ---- redirects


@asynccontextmanager
async def listener(answer: Callable[[web.Request], web.Response]) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A server that answers so, its address, and what it is asked."""
    asked: list[web.Request] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request)
        return answer(request)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", handle)
    async with TestServer(application) as server:
        yield str(server.make_url("")), asked


@pytest.mark.parametrize("status", [303, 307])
@pytest.mark.parametrize("call", [*READS, *WRITES])
async def test_no_redirect_of_mlflow_is_followed(status: int, call: str) -> None:
    async with listener(lambda _: web.Response(text="{}")) as (elsewhere, asked_there):
        redirect = web.Response(status=status, headers={"Location": f"{elsewhere}/x"})
        async with listener(lambda _: web.Response(status=redirect.status, headers=redirect.headers)) as (here, asked):
            async with MlflowRegistry(here, credentials=Credentials(token="PLANTED")) as registry:
                with pytest.raises(RegistryRefused, match="not as MLflow does"):
                    await (READS | WRITES)[call](registry)
            assert all(request.headers["Authorization"] == "Bearer PLANTED" for request in asked)
            assert asked
    assert asked_there == []


@pytest.mark.parametrize("status", [303, 307])
@pytest.mark.parametrize("call", COLLECTED)
async def test_no_redirect_of_the_collector_is_followed(status: int, call: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("PLANTED")
    async with listener(lambda _: web.Response(text="[]")) as (elsewhere, asked_there):
        headers = {"Location": f"{elsewhere}/x"}
        async with (
            listener(lambda _: web.Response(status=status, headers=headers)) as (here, asked),
            session() as opened,
        ):
            with pytest.raises(FeedbackError):
                await COLLECTED[call](HttpCollector(opened, here, tmp_path / "token"))
            assert asked[0].headers["Authorization"] == "Bearer PLANTED"
    assert asked_there == []


async def test_a_library_that_quotes_the_address_tells_no_password() -> None:
    planted = "http://planteduser:PLANTEDPW77@127.0.0.1:1/mlflow?sig=PLANTEDSIG88"
    async with MlflowRegistry(planted) as registry, session() as opened:
        with pytest.raises(RegistryUnavailable) as refused:
            await registry.model("churn")
        with pytest.raises(FeedbackError) as failed:
            await COLLECTED["windows"](HttpCollector(opened, planted, None))
    assert "planted" not in f"{refused.value} {failed.value}".lower()
