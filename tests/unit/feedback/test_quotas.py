"""Rows of known deployments alone, and of each namespace no more than its share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tests.support.collecting import (
    START,
    Client,
    Clock,
    Stand,
    batch,
    collecting,
    outcome,
    prediction,
    profile,
    profile_window,
    served,
)
from viridian.access.token_buckets import BURST_SECONDS
from viridian.api.feedback import RetentionRules
from viridian.feedback.access.quotas import Quotas
from viridian.feedback.collector_metrics import MOST_NAMESPACES, CollectorMetrics
from viridian.feedback.problems import HttpProblem, OverShare
from viridian.feedback.storage import catalog, tables
from viridian.feedback.storage.catalog import Catalog
from viridian.feedback.storage.usage import usage

DAY = 86_400.0
UNKNOWN = {"predictions": batch([prediction(1)], served(deployment="never-existed")),
           "profiles": profile_window(0, profile((3, 1), (2, 2)), by=served(deployment="never-existed"))}  # fmt: skip


@pytest.mark.parametrize("path", UNKNOWN)
async def test_rows_of_a_deployment_that_nobody_has_told_of_are_not_taken(stand: Stand, path: str) -> None:
    answer = await stand.server.send("POST", f"/v1/{path}", content=msgspec.json.encode(UNKNOWN[path]))
    assert (answer.status_code, answer.headers["Retry-After"]) == (404, "2")
    assert "ModelDeployment" in answer.json()["error"]
    assert 'viridian_collector_refused_requests_total{code="404",namespace="ml"} 1.0' in await stand.metrics()
    with stand.collector.engine.connect() as connection:
        assert not connection.scalar(sa.select(sa.func.count()).select_from(tables.served))


async def test_outcomes_of_a_namespace_that_nobody_has_told_of_are_not_taken(stand: Stand) -> None:
    stand.gate.owners["nobody"] = "system:serviceaccount:elsewhere:nobody"
    answer = await Client(stand.http, "nobody").send("POST", "/v1/outcomes", json={"prediction_id": "a", "outcome": 1})
    assert answer.status_code == 404


async def tell(stand: Stand, method: str, keeping: RetentionRules | None = None, name: str = "new") -> None:
    content = msgspec.json.encode(keeping or RetentionRules()) if method == "PUT" else b""
    await stand.admin.ok(method, f"/v1/rules/ml/{name}", content=content)


async def test_a_deployment_is_known_from_its_rules_until_it_is_gone(stand: Stand) -> None:
    rows = batch([prediction(1)], served(deployment="new"))
    await tell(stand, "PUT")
    await stand.server.predict(rows)
    await tell(stand, "DELETE")
    await tell(stand, "DELETE")
    answer = await stand.server.send("POST", "/v1/predictions", content=msgspec.json.encode(rows))
    assert answer.status_code == 404
    assert (await stand.server.outcomes(outcome(1, "leaves")))["stored"] == 1, "what is kept still gets its outcome"
    await tell(stand, "PUT")
    assert (await stand.server.predict(rows))["duplicates"] == 1


async def test_what_is_left_of_a_deployment_goes_as_its_rules_said(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url) as stand:
        await tell(stand, "PUT", RetentionRules(retention_seconds=7 * DAY))
        await stand.server.predict(batch([prediction(1)], served(deployment="new")))
        await tell(stand, "DELETE")
    async with collecting(tmp_path, database_url) as stand:
        assert not stand.collector.privacy.knows("ml", "new")
        stand.clock.now += 6 * DAY
        await stand.collector.sweeper.sweep()
        assert stand.collector.privacy.closed == [("ml", "new")]
        assert await stand.count("prediction", "expired") == 0
        stand.clock.now += 2 * DAY
        await stand.collector.sweeper.sweep()
        assert await stand.count("prediction", "expired") == 1
        assert stand.collector.privacy.closed == []
    async with collecting(tmp_path, database_url) as stand:
        assert stand.collector.privacy.closed == []


async def test_a_namespace_that_sends_too_fast_waits_and_nobody_else(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url, namespace_rows=1.0) as stand:
        await stand.server.predict(batch(map(prediction, range(30))))
        content = msgspec.json.encode(batch([prediction(31)]))
        answer = await stand.server.send("POST", "/v1/predictions", content=content)
        assert answer.status_code == 429
        assert 15 < int(answer.headers["Retry-After"]) <= 20
        assert "rows a second" in answer.json()["error"]
        await stand.stranger.predict(batch([prediction(1)], served(namespace="other")))


async def test_a_namespace_that_keeps_its_share_is_refused_and_nobody_else(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url, namespace_disk_bytes=20_000) as stand:
        await stand.collector.sweeper.sweep()
        for start in range(0, 400, 20):
            content = msgspec.json.encode(batch(map(prediction, range(start, start + 20))))
            answer = await stand.server.send("POST", "/v1/predictions", content=content)
            if answer.status_code != 200:
                break
        assert (answer.status_code, answer.headers["Retry-After"]) == (507, "60")
        assert "shorter time" in answer.json()["error"]
        await stand.stranger.predict(batch([prediction(1)], served(namespace="other")))
        stand.clock.now += 91 * DAY
        await stand.collector.sweeper.sweep()
        stand.clock.now -= 91 * DAY
        await stand.server.predict(batch([prediction(1000)]))


async def test_a_namespace_above_its_share_freezes_no_more_rows(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url, namespace_disk_bytes=20_000) as stand:
        await stand.server.predict(batch(map(prediction, range(30))))
        first = await stand.admin.ok("PUT", "/v1/snapshots/ml/churn/run-1")
        for run in range(2, 10):
            await stand.collector.sweeper.sweep()
            answer = await stand.admin.send("PUT", f"/v1/snapshots/ml/churn/run-{run}")
            if answer.status_code != 200:
                break
        assert answer.status_code == 507
        assert await stand.admin.ok("PUT", "/v1/snapshots/ml/churn/run-1") == first, "what is frozen stays"


async def test_what_is_counted_as_kept_is_what_is_kept(stand: Stand) -> None:
    def kept() -> dict[str, int]:
        return usage(stand.collector.engine)

    await stand.collector.sweeper.sweep()
    await stand.server.predict(batch([prediction(1)]))
    await stand.server.ok(
        "POST", "/v1/profiles", content=msgspec.json.encode(profile_window(0, profile((3, 1), (2, 2))))
    )
    known = kept()["ml"]
    assert known > 900
    rows = [prediction(number, subject="ada" if number % 2 else "") for number in range(10, 60)]
    await stand.server.outcomes(*(outcome(number, "leaves") for number in range(10, 80)))
    await stand.server.outcomes(outcome(10, "a longer text, which is none of the classes"))
    await stand.server.predict(batch(rows))
    await stand.server.predict(batch(rows))
    await stand.admin.ok("PUT", "/v1/snapshots/ml/churn/run-1")
    await stand.admin.ok("PUT", "/v1/snapshots/ml/churn/run-1")
    for number in range(1, 100):
        window = profile_window(number, profile((3, 1), (2, 2)))
        await stand.server.ok("POST", "/v1/profiles", content=msgspec.json.encode(window))
    assert kept()["ml"] > known + 50 * 300
    await stand.admin.ok("DELETE", "/v1/subjects/ada?namespace=ml")
    stand.clock.now += 9 * DAY
    await stand.collector.sweeper.sweep()
    stand.clock.now += 500 * DAY
    await stand.collector.sweeper.sweep()
    with stand.collector.engine.connect() as connection:
        assert not connection.scalar(sa.select(sa.func.count()).select_from(tables.served))
        shapes = connection.scalar(sa.select(sa.func.sum(sa.func.length(tables.shapes.c.document) + 300)))
    assert kept()["ml"] == shapes
    await stand.server.predict(batch([prediction(1, time=stand.clock.now)]))
    assert kept()["ml"] > shapes, "who was forgotten is known again"


NUMBERS = st.tuples(st.sampled_from("ab"), st.floats(0, 100), st.integers(0, 200), st.integers(0, 10_000))


@given(st.lists(NUMBERS, max_size=60))
def test_over_any_time_no_more_than_the_rate_and_one_burst_and_one_body_is_admitted(steps: list[Any]) -> None:
    clock = Clock(0.0)
    quotas = Quotas(rows=10.0, size=1000.0, stored=0, clock=clock)
    admitted = {"a": (0, 0), "b": (0, 0)}
    for name, pause, rows, size in steps:
        clock.now += pause
        try:
            quotas.admit(name, rows, size)
        except HttpProblem as problem:
            clock.now += problem.retry_after or 0
            quotas.admit(name, rows, size)
        admitted[name] = (admitted[name][0] + rows, admitted[name][1] + size)
        assert admitted[name][0] <= 10.0 * (clock.now + BURST_SECONDS) + 200
        assert admitted[name][1] <= 1000.0 * (clock.now + BURST_SECONDS) + 10_000


def test_without_limits_everything_is_admitted() -> None:
    quotas = Quotas(rows=0, size=0, stored=0)
    for _ in range(100):
        quotas.admit("a", 10**9, 10**12)


def test_what_was_admitted_counts_before_the_database_says_so() -> None:
    quotas = Quotas(rows=0, size=0, stored=100)
    quotas.now_stored({"a": 60})
    quotas.admit("a", 1, 40)
    with pytest.raises(OverShare):
        quotas.admit("a", 1, 1)
    quotas.admit("b", 1, 100)


async def test_the_writer_remembers_so_many_servers_and_finds_the_others_again(stand: Stand) -> None:
    stand.collector.writer._catalog = Catalog(2)
    for turn in range(2):
        for number in range(5):
            by = served(revision=f"r{number}")
            await stand.server.predict(batch([prediction(100 * turn + number)], by))
    await stand.server.outcomes(*(outcome(number, "leaves") for number in range(5)))
    assert len(await stand.admin.windows(START, START + 200, 200)) == 5
    assert len(stand.collector.writer._catalog._by_key) == 2


async def test_the_servers_of_a_deployment_are_bounded_and_those_of_others_go_on(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MAX_SERVERS_BYTES", 1_000)
    answers = [
        await stand.server.send(
            "POST",
            "/v1/predictions",
            content=msgspec.json.encode(batch([prediction(number)], served(revision=f"r{number}"))),
        )
        for number in range(20)
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == sorted(statuses)
    assert set(statuses) == {200, 507}
    refused = [
        asyncio.create_task(stand.server.send("POST", "/v1/predictions", content=answers[-1].request.content))
        for _ in range(3)
    ]
    await stand.server.predict(batch([prediction(100)], served(deployment="fraud")))
    assert {answer.status_code for answer in await asyncio.gather(*refused)} == {507}
    assert "viridian_collector_failed_commits_total 0.0" in await stand.metrics()
    stand.clock.now += 91 * DAY
    await stand.collector.sweeper.sweep()
    await stand.server.predict(batch([prediction(200, time=stand.clock.now)], served(revision="r19")))


def test_the_metrics_name_so_many_namespaces_and_no_more() -> None:
    metrics = CollectorMetrics()
    for number in range(MOST_NAMESPACES + 10):
        metrics.refused(f"n{number}", 429)
    lines = metrics.render().decode().splitlines()
    named = [line for line in lines if line.startswith("viridian_collector_refused_requests_total{")]
    assert len(named) == MOST_NAMESPACES + 1
    assert 'viridian_collector_refused_requests_total{code="429",namespace="others"} 10.0' in named
