"""What leaves a real server: rows where rules for them are given, and counts alone where none are."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from sklearn.linear_model import LinearRegression

from tests.support import models
from tests.support.scripted_collector import ScriptedCollector, scripted_collector
from tests.support.server_process import ServerProcess, running

REQUESTS = 5
PLANTED = 5.1234567890123
"""A value that nothing but a row could bring out of the server."""
ROW = {"dataframe_split": {"columns": list(models.IRIS), "data": [[PLANTED, *models.FLOWER[1:]]]}}
KEEPING = {"pod": "pod-1", "namespace": "ml", "deployment": "flowers", "profile_seconds": "0.2"}


async def asked_and_ended(server: ServerProcess) -> str:
    """The process tells the collector everything before it ends; its metrics before that."""
    async with aiohttp.ClientSession() as http:
        for _ in range(REQUESTS):
            async with http.post(f"{server.url}/invocations", json=ROW) as answer:
                assert answer.status == 200
        async with http.get(f"{server.management}/metrics") as answer:
            metrics = await answer.text()
    server.terminate()
    assert await server.process.wait() == 0
    return metrics


def withheld(metrics: str) -> dict[str, float]:
    lines = (line for line in metrics.splitlines() if line.startswith("viridian_feedback_withheld{"))
    return {what: float(line.rpartition(" ")[2]) for line in lines for what in ("rows", "profiles") if what in line}


def rows_of(collector: ScriptedCollector) -> int:
    return sum(len(batch.rows) for batch in collector.batches)


async def test_without_rules_no_row_leaves_and_windows_do(tmp_path: Path) -> None:
    packed = models.write_sealed(tmp_path / "model")
    with scripted_collector() as collector:
        async with running(packed.directory, tmp_path, collector_url=collector.url, **KEEPING) as server:
            await asked_and_ended(server)
    assert sum(window.profile.rows for window in collector.windows) == REQUESTS
    assert {path for path, *_ in collector.seen} == {"/v1/profiles"}
    for window in collector.windows:
        assert window.served.deployment == "flowers"


async def test_with_rules_rows_leave(tmp_path: Path) -> None:
    packed = models.write_sealed(tmp_path / "model")
    with scripted_collector() as collector:
        async with running(
            packed.directory, tmp_path, collector_url=collector.url, feedback='{"sampling": 100}', **KEEPING
        ) as server:
            metrics = await asked_and_ended(server)
    assert withheld(metrics) == {"profiles": 0.0, "rows": 0.0}
    assert sum(window.profile.rows for window in collector.windows) == REQUESTS
    assert rows_of(collector) == REQUESTS
    assert collector.batches[0].rows[0].features[models.IRIS[0]] == pytest.approx(PLANTED)


async def test_a_regressor_without_rules_and_without_a_profile_tells_nothing(tmp_path: Path) -> None:
    regressor = LinearRegression().fit(*models.iris())
    directory = models.write_skops_mlflow(tmp_path / "model", regressor, models.iris_columns())
    with scripted_collector() as collector:
        async with running(directory, tmp_path, collector_url=collector.url, **KEEPING) as server:
            metrics = await asked_and_ended(server)
    assert collector.seen == []
    assert withheld(metrics) == {"profiles": 1.0}


async def test_a_classifier_without_a_profile_tells_nothing_and_says_so(tmp_path: Path) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    with scripted_collector() as collector:
        async with running(directory, tmp_path, collector_url=collector.url, feedback="{}", **KEEPING) as server:
            metrics = await asked_and_ended(server)
    assert collector.seen == []
    assert withheld(metrics) == {"profiles": 1.0, "rows": 1.0}
