"""Rows that a real collector froze, held to Arize's own rules and sent by its client to a listener, not to Arize."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from tests.support.collecting import batch, collecting, outcome, prediction
from tests.support.stack.stage_run import StackRun, StageEnd
from tests.support.stack.systems import named
from viridian.api.feedback import Prediction
from viridian.api.stage import ExitCode

SYSTEM = named("arize")
SNAPSHOT = "/v1/snapshots/ml/churn/run-1"
ROWS, WITH_OUTCOME = 20, 8


def frozen(folder: Path, predictions: Iterable[Prediction]) -> bytes:
    """The Parquet file that a collector hands out of these rows, of which the first have an outcome."""

    async def freeze() -> bytes:
        async with collecting(folder) as stand:
            await stand.server.predict(batch(predictions))
            await stand.server.outcomes(*(outcome(number, "leaves") for number in range(WITH_OUTCOME)))
            await stand.admin.ok("PUT", SNAPSHOT)
            return (await stand.admin.send("GET", f"{SNAPSHOT}.parquet")).content

    return asyncio.run(freeze())


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return frozen(tmp_path_factory.mktemp("collector"), map(prediction, range(ROWS)))


@dataclass
class Listener:
    """Hands out the frozen rows, and takes what is sent to Arize."""

    rows: bytes = b""
    status: int = 200
    """With which it answers what is sent to Arize."""
    taken: list[tuple[bytes, pd.DataFrame]] = field(default_factory=list)
    """Arize's schema in protobuf, and the rows of each request."""
    address: str = ""
    port: int = 0


@pytest.fixture
def listener() -> Iterator[Listener]:
    known = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, known.rows)

        def do_POST(self) -> None:
            assert self.path == "/v1/pandas_arrow"
            assert self.headers["arize-space-id"] == "space-1"
            table = pa.ipc.open_stream(self.rfile.read(int(self.headers["Content-Length"]))).read_all()
            known.taken.append((base64.b64decode(table.schema.metadata[b"arize-schema"]), table.to_pandas()))
            self.answer(known.status, b"{}")

        def answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known.port = server.server_port
        known.address = f"http://127.0.0.1:{known.port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield known
        server.shutdown()


@pytest.fixture
def run(tmp_path: Path) -> StackRun:
    return StackRun(SYSTEM, tmp_path / "run").begin("r1", tmp_path)


def exported(run: StackRun, listener: Listener, rows: bytes, **variables: str) -> StageEnd:
    """How the stage ends for these rows."""
    listener.rows = rows
    digest = hashlib.sha256(listener.rows).hexdigest()
    place = {
        "VIRIDIAN_FEEDBACK_URI": f"{listener.address}/rows.parquet",
        "VIRIDIAN_FEEDBACK_DIGEST": f"sha256:{digest}",
    }
    return run.work(HOME=str(run.folder), **place, **variables)


def service(listener: Listener) -> dict[str, str]:
    """As the Secret has it, with the listener in the place of Arize."""
    place = {"ARIZE_API_SCHEME": "http", "ARIZE_API_HOST": "127.0.0.1", "ARIZE_API_PORT": str(listener.port)}
    return {"ARIZE_API_KEY": "key-1", "ARIZE_SPACE_ID": "space-1", **place}


def file(run: StackRun, name: str) -> pd.DataFrame:
    (path,) = run.folder.rglob(f"out/{name}.parquet")
    return pd.read_parquet(path)


def test_rows_pass_the_rules_of_arize_and_stay_as_parquet(run: StackRun, listener: Listener, usual: bytes) -> None:
    ended = exported(run, listener, usual)
    assert ended.code == ExitCode.DONE, ended.log
    predictions, outcomes = file(run, "predictions-7"), file(run, "outcomes-7")
    assert len(predictions) == ROWS
    assert {"prediction_id", "time", "prediction", "score", "features.age"} <= set(predictions.columns)
    assert list(outcomes.columns) == ["prediction_id", "outcome"]
    assert len(outcomes) == WITH_OUTCOME
    assert listener.taken == [], "nothing is sent without a key"
    assert run.at_work == "training"


def test_with_a_key_the_client_sends_them(run: StackRun, listener: Listener, usual: bytes) -> None:
    ended = exported(run, listener, usual, **service(listener))
    assert ended.code == ExitCode.DONE, ended.log
    (schema, predictions), (_, outcomes) = listener.taken
    assert b"churn" in schema
    assert b"features.age" in schema
    assert sorted(predictions["prediction_id"]) == [f"prediction-{number:06}" for number in range(ROWS)]
    assert sorted(outcomes["outcome"]) == ["leaves"] * WITH_OUTCOME


@pytest.mark.parametrize("status", [401, 503])
def test_a_service_that_takes_nothing_keeps_no_run_from_training(
    run: StackRun, listener: Listener, usual: bytes, status: int
) -> None:
    listener.status = status
    ended = exported(run, listener, usual, **service(listener))
    assert ended.code == ExitCode.DONE, ended.log
    assert "not sent to Arize" in ended.log
    assert run.at_work == "training"


def test_rows_that_arize_would_refuse_pause_the_policy_and_the_rule_is_named(
    run: StackRun, listener: Listener, tmp_path: Path
) -> None:
    old: list[Any] = [prediction(number, time=946_684_800.0 + number) for number in range(ROWS)]
    ended = exported(run, listener, frozen(tmp_path, old), **service(listener))
    assert ended.code == ExitCode.BAD_DATA, ended.log
    assert run.world.condition("Paused") == ("True", "DataQualityFailed")
    assert "predictions of version 7: InvalidValueTimestamp" in run.world.message("DataQuality")
    assert listener.taken == []


def test_without_rows_there_is_nothing_to_export(run: StackRun) -> None:
    assert run.work().code == ExitCode.DONE
    assert run.at_work == "training"
