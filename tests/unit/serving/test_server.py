"""The real process: its two ports, its words, and how it starts and fails."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import models
from tests.support.server_process import ServerProcess, launched, proven, running

INFER = "/v2/models/the flowers/infer"
ONE = {"inputs": [models.FLOWER]}
TENSOR = {"inputs": [{"name": "rows", "shape": [1, 4], "datatype": "FP64", "data": models.FLOWER}]}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server of the flowers."""
    async with running(models.write_onnx_mlflow(tmp_path / "model"), tmp_path, max_body_bytes="100000") as running_:
        yield running_


def counter(text: str, name: str, **labels: str) -> float:
    """The value of one series that carries these labels."""
    for line in text.splitlines():
        if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"{name} {labels} is not in it")


async def metrics(server: ServerProcess, http: aiohttp.ClientSession) -> str:
    async with http.get(f"{server.management}/metrics") as response:
        assert response.status == 200
        return await response.text()


async def test_every_answer_names_prediction_revision_and_slot(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    seen = set()
    calls: list[tuple[str, str, Any, int]] = [
        ("POST", INFER, TENSOR, 200),
        ("POST", "/v2/models/the flowers/versions/7/infer", TENSOR, 200),
        ("POST", "/invocations", ONE, 200),
        ("POST", "/invocations", {}, 400),
        ("GET", "/v2", None, 200),
        ("GET", "/v2/health/live", None, 200),
        ("GET", "/v2/health/ready", None, 200),
        ("GET", "/ping", None, 200),
        ("GET", "/v2/models/the flowers", None, 200),
        ("GET", "/v2/models/the flowers/ready", None, 200),
        ("HEAD", "/v2/models/the flowers/versions/7/ready", None, 200),
        ("GET", "/v2/models/another/ready", None, 404),
        ("GET", INFER, None, 405),
        ("DELETE", "/v2", None, 405),
        ("GET", "/metrics", None, 404),
    ]
    for method, path, body, status in calls:
        async with http.request(method, server.url + path, json=body) as response:
            assert response.status == status, path
            assert response.content_type == "application/json"
            assert response.headers["x-viridian-revision"] == "9a1b02ee"
            assert response.headers["x-viridian-slot"] == "green"
            prediction = uuid.UUID(response.headers["x-viridian-prediction-id"])
            assert prediction.version == 7
            seen.add(prediction)
    assert len(seen) == len(calls)


async def test_bad_input_is_400_with_field_and_reason_and_is_counted(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{server.url}/invocations", json={"inputs": [[1, 2, 3, "s3cret"]]}) as response:
        assert response.status == 400
        assert await response.json() == {
            "error": "'petal width', row 0: expected a number, got a string",
            "field": "petal width",
            "reason": "WrongType",
        }
    text = await metrics(server, http)
    assert counter(text, "viridian_rejected_inputs_total", reason="WrongType") == 1
    assert counter(text, "viridian_requests_total", code="4xx", model="the flowers", version="7", slot="green") == 1


async def test_only_predictions_are_counted(server: ServerProcess, http: aiohttp.ClientSession) -> None:
    for _ in range(3):
        async with http.post(server.url + INFER, json=TENSOR) as response:
            assert (await response.json())["outputs"][0]["data"] == [0]
    for path in ("/v2/health/ready", "/v2/models/the flowers", "/nothing"):
        async with http.get(server.url + path):
            pass
    text = await metrics(server, http)
    counts = {code: counter(text, "viridian_requests_total", code=code) for code in ("2xx", "4xx", "5xx")}
    assert counts == {"2xx": 3, "4xx": 0, "5xx": 0}
    assert counter(text, "viridian_request_duration_seconds_count") == 3
    assert counter(text, "viridian_requests_in_flight", revision="9a1b02ee") == 0
    assert "_created" not in text


@pytest.mark.parametrize("size", [100_001, 300_000, 2_000_000])
async def test_a_body_above_the_limit_is_413(server: ServerProcess, http: aiohttp.ClientSession, size: int) -> None:
    async with http.post(f"{server.url}/invocations", data=io.BytesIO(b" " * size)) as response:
        assert response.status == 413
        assert (await response.json())["reason"] == "BodyTooLarge"
    async with http.post(f"{server.url}/invocations", json=ONE) as response:
        assert response.status == 200
    text = await metrics(server, http)
    assert counter(text, "viridian_rejected_inputs_total", reason="BodyTooLarge") == 1


async def test_a_body_in_pieces_is_put_together(server: ServerProcess, http: aiohttp.ClientSession) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(ONE).encode():
            yield bytes([byte])

    async with http.post(f"{server.url}/invocations", data=pieces()) as response:
        assert await response.json() == {"predictions": [0]}


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "text/xml"}, {"inference-header-content-length": "12"}, {"content-encoding": "gzip"}],
    ids=str,
)
async def test_what_is_not_spoken_is_415(
    server: ServerProcess, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with http.post(f"{server.url}/invocations", data=b"{}", headers=headers) as response:
        assert response.status == 415
        assert (await response.json())["reason"] == "MediaType"


async def test_a_model_that_raises_is_500_and_its_words_stay_inside(
    tmp_path: Path, http: aiohttp.ClientSession, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(models.write_picky(tmp_path / "model"), tmp_path) as server:
        for _ in range(3):
            async with http.post(f"{server.url}/invocations", json={"inputs": [[98765]]}) as response:
                assert response.status == 500
                body = await response.json()
        assert body["error"] == "the model raised InvalidArgument"
        assert body["prediction"] == response.headers["x-viridian-prediction-id"]
        async with http.post(f"{server.url}/invocations", json={"inputs": [[3]]}) as response:
            assert await response.json() == {"predictions": [3.0]}
        assert counter(await metrics(server, http), "viridian_requests_total", code="5xx") == 3
        server.terminate()
        log = await server.rest_of_log()
    raised = [entry for entry in log if entry["message"] == "the model raised"]
    assert [entry["exception"] for entry in raised] == ["InvalidArgument"], "told once, not three times"
    assert "98765" not in json.dumps([body, log]) + capfd.readouterr().err


async def test_a_failing_smoke_prediction_ends_the_process_with_a_sentence(tmp_path: Path) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model", example={"inputs": [[1]]})
    async with launched(directory, tmp_path) as server:
        log = await server.rest_of_log()
        assert await server.process.wait() == 1
    sentence = server.termination_log.read_text()
    assert sentence == (
        "SmokeFailed: smoke prediction failed: its own input example does not fit the signature: "
        "row 0 has 1 values, but 4 are needed"
    )
    assert [entry["message"] for entry in log] == [sentence.removeprefix("SmokeFailed: ")]


async def test_a_version_whose_files_were_changed_is_not_served(tmp_path: Path) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    digest = models.add_manifest(directory)
    async with running(directory, tmp_path, model_digest=digest) as server:
        server.terminate()
        assert await server.process.wait() == 0
    (directory / "MLmodel").write_text((directory / "MLmodel").read_text() + "\n")
    async with launched(directory, tmp_path) as server:
        assert await server.process.wait() == 1
    assert server.termination_log.read_text() == (
        "ModelTampered: the model is refused: files differ from the manifest: 'MLmodel'"
    )


async def test_a_skops_model_is_served_by_the_same_process(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    directory = models.write_skops_mlflow(tmp_path / "model", models.logistic(), models.iris_columns())
    async with launched(directory, tmp_path) as server:
        async with http.get(f"{server.management}/healthz") as response:
            assert response.status == 200, "alive while scikit-learn is still being imported"
        await server.logged("ready")
        async with http.post(f"{server.url}/invocations", json=ONE) as response:
            assert await response.json() == {"predictions": [0]}


async def test_told_to_leave_while_loading_it_leaves(tmp_path: Path) -> None:
    directory = models.write_skops_mlflow(tmp_path / "model", models.logistic())
    async with launched(directory, tmp_path, drain_seconds="600") as server:
        server.terminate()
        assert await server.process.wait() == 0


async def test_a_slow_model_holds_nothing_up(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Health, metrics and the end of connections answer while every thread of the model is busy."""
    async with running(models.write_picky(tmp_path / "model", work=8), tmp_path) as server:
        slow = [asyncio.create_task(posted(http, server, {"inputs": [[0]]})) for _ in range(6)]
        while counter(await metrics(server, http), "viridian_requests_in_flight") < 6:
            pass
        for url in (f"{server.url}/v2/health/ready", f"{server.management}/healthz"):
            async with http.get(url) as response:
                assert response.status == 200
        async with http.post(
            f"{server.management}/connections/close", **proven("/connections/close", {"forSeconds": 1})
        ) as response:
            assert response.status == 204
        assert not all(task.done() for task in slow)
        assert await asyncio.gather(*slow) == [{"predictions": [0.0]}] * 6


async def posted(http: aiohttp.ClientSession, server: ServerProcess, body: Any) -> Any:
    async with http.post(f"{server.url}/invocations", json=body) as response:
        assert response.status == 200
        return await response.json()


async def test_the_log_has_one_line_for_start_ready_and_drain(tmp_path: Path) -> None:
    async with launched(models.write_onnx_alone(tmp_path / "model"), tmp_path) as server:
        ready = await server.logged("ready")
        assert {key: ready[key] for key in ("model", "version", "revision", "slot")} == {
            "model": "the flowers",
            "version": "7",
            "revision": "9a1b02ee",
            "slot": "green",
        }
        server.terminate()
        assert [entry["message"] for entry in await server.rest_of_log()] == ["drain"]
        assert await server.process.wait() == 0


async def test_a_taken_port_is_told_in_words(server: ServerProcess, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=f"cannot listen on port {server.port}"):
        async with launched(tmp_path, tmp_path, port=str(server.port)):
            pass
