"""How the MLflow adapter sorts answers: against small servers on 127.0.0.1 that answer what a test tells them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from localcluster.ports import free_port
from viridian.api.registry import logged_model_id
from viridian.ports.mlflow import MlflowRegistry, last_path, model_of, quoted
from viridian.ports.mlflow_api import Credentials
from viridian.ports.registry import RegistryError, RegistryMissing, RegistryRefused, RegistryUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server whose every path is answered by the handler; gives its address."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{port}"

    yield start
    for runner in runners:
        await runner.cleanup()


def answers(status: int, text: str, headers: dict[str, str] | None = None) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return handler


async def error_of(uri: str, *, timeout_seconds: float = 5.0) -> RegistryError:
    async with MlflowRegistry(uri, timeout_seconds=timeout_seconds) as registry:
        with pytest.raises(RegistryError) as caught:
            await registry.model("churn")
    return caught.value


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, '{"error_code": "INTERNAL_ERROR", "message": "disk full"}'),
        (502, "<html>bad gateway</html>"),
        (503, ""),
        (504, "upstream timed out"),
        (429, '{"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}'),
        (409, '{"error_code": "RESOURCE_CONFLICT", "message": "busy"}'),
        (400, '{"error_code": "BAD_REQUEST", "message": "(sqlite3.IntegrityError) UNIQUE constraint failed"}'),
    ],
)
async def test_trouble_that_passes_is_unavailable(serve: Serve, status: int, text: str) -> None:
    error = await error_of(await serve(answers(status, text)))
    assert isinstance(error, RegistryUnavailable)
    assert f"answered {status}" in error.message


@pytest.mark.parametrize(
    ("status", "text", "part"),
    [
        (401, "You are not authenticated", "MLFLOW_TRACKING_TOKEN"),
        (403, "Permission denied", "does not allow this with the operator's credentials: Permission denied"),
        (
            403,
            "Invalid Host header - possible DNS rebinding attack detected",
            "--allowed-hosts '127.0.0.1,127.0.0.1:*'",
        ),
        (404, "<html>404</html>", "check MLFLOW_TRACKING_URI"),
        (200, "<html>please log in</html>", "check MLFLOW_TRACKING_URI"),
        (200, '{"login": "please"}', "sends no 'registered_model': check MLFLOW_TRACKING_URI"),
        (302, "", "check MLFLOW_TRACKING_URI"),
        (400, '{"error_code": "ENDPOINT_NOT_FOUND", "message": "no such call"}', "answered 400: no such call"),
    ],
)
async def test_what_only_people_can_change_is_refused(serve: Serve, status: int, text: str, part: str) -> None:
    error = await error_of(await serve(answers(status, text, {"Location": "/login"} if status == 302 else None)))
    assert isinstance(error, RegistryRefused)
    assert part in error.message


async def test_a_message_is_one_line_that_fits_a_condition(serve: Serve) -> None:
    error = await error_of(await serve(answers(500, "first " + "x" * 10_000 + "\nsecond")))
    assert len(error.message) < 400
    assert "\n" not in error.message


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    error = await error_of(f"http://127.0.0.1:{free_port()}")
    assert isinstance(error, RegistryUnavailable)
    assert "cannot be reached" in error.message


async def test_a_server_that_does_not_answer_is_unavailable(serve: Serve) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    error = await error_of(await serve(never), timeout_seconds=0.2)
    assert isinstance(error, RegistryUnavailable)
    assert "did not answer within 0.2 s" in error.message


async def test_nothing_is_repeated_inside(serve: Serve) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=503)

    await error_of(await serve(handler))
    assert seen == ["/api/2.0/mlflow/registered-models/get"]


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        (Credentials(), None),
        (Credentials(token="t0ken"), "Bearer t0ken"),
        (Credentials(user="ada", password="s3cret"), "Basic YWRhOnMzY3JldA=="),
    ],
)
async def test_credentials_are_sent(serve: Serve, credentials: Credentials, sent: str | None) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({"registered_model": {"name": "churn"}})

    async with MlflowRegistry(await serve(handler), credentials=credentials) as registry:
        await registry.model("churn")
    assert seen == [sent]


async def test_credentials_in_the_address_are_sent_and_never_shown(serve: Serve) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=500)

    error = await error_of((await serve(handler)).replace("http://", "http://ada:s3cret@"))
    assert seen == ["Basic YWRhOnMzY3JldA=="]
    assert "s3cret" not in error.message


def test_credentials_come_from_mlflows_own_variables_and_hide() -> None:
    credentials = Credentials.from_environment(
        {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "s3cret"}
    )
    assert credentials == Credentials(user="ada", password="s3cret")
    assert "s3cret" not in repr(credentials)
    assert "ada" not in repr(credentials)


@pytest.mark.parametrize("uri", ["", "mlflow:5000", "sqlite:///mlflow.db", "databricks", "http://"])
def test_an_address_that_is_none_is_refused_at_once(uri: str) -> None:
    with pytest.raises(ValueError, match="must look like http://mlflow"):
        MlflowRegistry(uri)


async def test_a_path_in_the_address_stays(serve: Serve) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response({"registered_model": {"name": "churn"}})

    async with MlflowRegistry(f"{await serve(handler)}/tracking/") as registry:
        await registry.model("churn")
    assert seen == ["/tracking/api/2.0/mlflow/registered-models/get"]


async def test_a_deleted_run_does_not_exist(serve: Serve) -> None:
    body = {"run": {"info": {"run_id": "r", "status": "RUNNING", "lifecycle_stage": "deleted"}}}

    async def handler(_: web.Request) -> web.Response:
        return web.json_response(body)

    async with MlflowRegistry(await serve(handler)) as registry:
        assert await registry.run("r") is None


async def test_a_deleted_experiment_is_told_to_people(serve: Serve) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"experiment": {"experiment_id": "1", "lifecycle_stage": "deleted"}})

    async with MlflowRegistry(await serve(handler)) as registry:
        with pytest.raises(RegistryRefused, match="is deleted: restore it, or name another one"):
            await registry.create_run("churn", "r1", {})


async def test_a_model_that_vanishes_between_two_calls_is_missing(serve: Serve) -> None:
    missing = answers(404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}')
    async with MlflowRegistry(await serve(missing)) as registry:
        with pytest.raises(RegistryMissing, match="gone"):
            await registry.set_alias("churn", "champion", "1")


@pytest.mark.parametrize(
    ("source", "model_id"),
    [
        ("models:/m-1b0f", "m-1b0f"),
        ("mlflow-artifacts:/1/models/m-1b0f/artifacts", "m-1b0f"),
        ("mlflow-artifacts:/1/da92/artifacts/model", None),
        ("s3://bucket/m-1b0f", None),
        ("models:/churn/3", None),
    ],
)
def test_the_logged_model_of_a_source(source: str, model_id: str | None) -> None:
    assert logged_model_id(source) == model_id


def test_the_model_logged_last_is_the_runs_model() -> None:
    run = {
        "outputs": {
            "model_outputs": [{"model_id": "m-1", "step": 4}, {"model_id": "m-2"}, {"model_id": "m-3", "step": "4"}]
        }
    }
    assert model_of(run, {}) == "models:/m-3"


@pytest.mark.parametrize(
    ("history", "uri"),
    [
        ('[{"artifact_path": "old"}, {"artifact_path": "model"}]', "mlflow-artifacts:/1/r/artifacts/model"),
        ('[{"artifact_path": "mod', None),
        ("[]", None),
        ("", None),
        ("{}", None),
    ],
)
def test_the_model_that_an_older_client_logged(history: str, uri: str | None) -> None:
    run = {"info": {"artifact_uri": "mlflow-artifacts:/1/r/artifacts"}}
    assert model_of(run, {"mlflow.log-model.history": history}) == uri
    assert last_path(history) == (uri and "model")


@pytest.mark.parametrize(("value", "literal"), [("churn", "'churn'"), ("it's", '"it\'s"'), ('a"b', "'a\"b'")])
def test_values_in_a_filter_are_quoted(value: str, literal: str) -> None:
    assert quoted(value) == literal


def test_a_value_that_no_quotes_can_hold_is_refused() -> None:
    with pytest.raises(RegistryRefused, match="both kinds of quotes"):
        quoted("a'b\"c")
