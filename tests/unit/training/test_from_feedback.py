"""The loop closes: what a real server answered and what became true is, row by row, what the next training gets.

A model server, a collector and MLflow, each a process of its own; in the place of Kubernetes stand scripted tokens.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np
import pandas
import pytest
from sklearn.linear_model import LogisticRegression

from tests.support import collector_process, models
from tests.support.server_process import running
from tests.unit.training.conftest import Stage
from viridian import training
from viridian.api.feedback import OUTCOMES_PATH, SNAPSHOTS_PATH, FrozenRows
from viridian.training import feedback

OWNERS = {"server": "system:serviceaccount:ml:default", "operator": "system:serviceaccount:viridian-system:viridian"}
FEATURES = [f"features.{name}" for name in models.IRIS]


class People:
    """Everybody who speaks with the server and the collector over HTTP."""

    def __init__(self, http: aiohttp.ClientSession, collector: str) -> None:
        self._http = http
        self._collector = collector

    async def ask(self, server: str, rows: Any) -> list[str]:
        """The ids of the predictions about these rows, asked in one request."""
        body = {"dataframe_split": {"columns": list(models.IRIS), "data": rows.tolist()}}
        async with self._http.post(f"{server}/invocations", json=body) as answer:
            assert answer.status == 200
            first = answer.headers["x-viridian-prediction-id"]
        return [first, *(f"{first}-{row}" for row in range(1, len(rows)))]

    async def tell(self, outcomes: dict[str, int]) -> None:
        """What turned out to be true, by prediction."""
        listed = [{"prediction_id": name, "outcome": str(outcome)} for name, outcome in outcomes.items()]
        await self._collect("POST", OUTCOMES_PATH, listed, "server")

    async def freeze(self, run: str) -> FrozenRows:
        """As the operator does when a run begins."""
        return msgspec.json.decode(
            await self._collect("PUT", f"{SNAPSHOTS_PATH}/ml/flowers/{run}", None, "operator"), type=FrozenRows
        )

    async def _collect(self, method: str, path: str, body: Any, token: str) -> bytes:
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.request(method, f"{self._collector}{path}", json=body, headers=headers) as answer:
            content = await answer.read()
            assert answer.ok, content
            return content


@pytest.mark.timeout(300)
async def test_a_run_trains_on_exactly_the_rows_that_were_joined_when_it_began(stage: Stage, tmp_path: Path) -> None:
    packed = models.write_sealed(tmp_path / "model")
    features, classes = models.iris()
    token = tmp_path / "server-token"
    token.write_text("server")
    async with (
        collector_process.reviewing(OWNERS) as kubernetes,
        collector_process.launched(kubernetes, tmp_path / "collector", known=["ml/flowers"]) as collector,
        aiohttp.ClientSession() as http,
    ):
        people = People(http, collector.url)
        telling = {
            "collector_url": collector.url,
            "collector_token_file": str(token),
            "feedback": '{"sampling": 100}',
            "namespace": "ml",
            "deployment": "flowers",
        }

        async def answered(rows: Any) -> list[str]:
            """When the server has ended, the collector has everything."""
            async with running(packed.directory, tmp_path, **telling) as server:
                named = [await people.ask(server.url, rows[:1]), await people.ask(server.url, rows[1:])]
                server.terminate()
                assert await server.process.wait() == 0
            return [name for names in named for name in names]

        known = await answered(features)
        told = dict(zip(known, classes.tolist(), strict=True))
        open_ones = set(known[::10])
        await people.tell({name: outcome for name, outcome in told.items() if name not in open_ones})
        frozen = await people.freeze("run-1")

        # What comes later is for the next run: another prediction, and an outcome of one that had none.
        await answered(features[:2])
        await people.tell({min(open_ones): 0})
        assert (await people.freeze("run-1")).digest == frozen.digest

        stage.environment.setenv("VIRIDIAN_FEEDBACK_URI", frozen.uri)
        stage.environment.setenv("VIRIDIAN_FEEDBACK_DIGEST", frozen.digest)
        stage.environment.setenv("VIRIDIAN_COLLECTOR_TOKEN_FILE", str(token))
        rows = await asyncio.to_thread(feedback.rows)

    assert rows is not None
    assert set(rows["prediction_id"]) == set(known)
    assert len(rows) == len(known) == frozen.rows
    by_id = rows.set_index("prediction_id").loc[known]
    np.testing.assert_array_equal(by_id[FEATURES].to_numpy(float), features)
    for name, outcome in zip(known, by_id["outcome"], strict=True):
        assert pandas.isna(outcome) if name in open_ones else outcome == str(told[name])
    assert set(by_id["version"]) == {"7"}

    # As docs/training.md has it.
    labelled = by_id[by_id["outcome"].notna()]
    inputs = labelled.filter(regex=r"^features\.").rename(columns=lambda name: name.removeprefix("features."))
    outcome = labelled["outcome"].astype(int)
    model = LogisticRegression(max_iter=1000).fit(inputs[::2], outcome[::2])
    logged = training.log(model, holdout=(inputs[1::2], outcome[1::2]), training=(inputs[::2], outcome[::2]))
    assert set(inputs) == set(models.IRIS)
    assert logged.payload == "onnx"
    assert stage.report()["model"] == {"uri": logged.model_uri, "digest": logged.digest}
    assert logged.metrics["accuracy"] > 0.8
