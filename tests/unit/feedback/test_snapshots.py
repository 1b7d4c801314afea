"""Frozen rows: as they were, the same bytes for ever, and what was promised or nothing."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from tests.support.collecting import START, Stand, batch, collecting, outcome, prediction, regression, served
from viridian.api.feedback import RetentionRules

PATH = "/v1/snapshots/ml/churn/run-1"


async def download(stand: Stand, path: str = PATH) -> pl.DataFrame:
    answer = await stand.admin.send("GET", f"{path}.parquet")
    assert answer.status_code == 200, answer.text
    return pl.read_parquet(io.BytesIO(answer.content))


async def test_a_snapshot_holds_the_joined_rows_with_their_types(stand: Stand) -> None:
    features: list[dict[str, Any]] = [
        {"age": 30, "price": 1, "region": "north", "active": True, "mixed": 5.0, "large": 1},
        {"age": None, "price": 2.5, "region": None, "active": False, "mixed": "five", "large": 1 << 63},
    ]
    rows = [prediction(number, features=known) for number, known in enumerate(features)]
    await stand.server.predict(batch(rows))
    await stand.server.outcomes(outcome(1, "leaves", time=START + 60, label_definition="left-30d"))
    frozen = await stand.admin.ok("PUT", PATH)
    assert (frozen["rows"], frozen["labelled"]) == (2, 1)
    assert frozen["uri"] == f"http://collector:8090{PATH}.parquet"
    frame = await download(stand)
    assert frame["prediction_id"].to_list() == ["prediction-000000", "prediction-000001"]
    assert frame.select(pl.col("^features.*$")).schema == pl.Schema(
        {
            "features.active": pl.Boolean,
            "features.age": pl.Int64,
            "features.large": pl.Float64,
            "features.mixed": pl.String,
            "features.price": pl.Float64,
            "features.region": pl.String,
        }
    )
    assert frame["features.mixed"].to_list() == ["5", "five"]
    last = frame.row(1, named=True)
    assert (last["prediction"], last["outcome"], last["source"]) == ("leaves", "leaves", "event")
    assert last["outcome_time"].timestamp() == START + 60
    assert last["label_definition"] == "left-30d"
    assert frame["outcome"].to_list() == [None, "leaves"]
    assert "subject" not in frame.columns


async def test_rows_and_outcomes_that_come_later_are_not_in_it(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1)]))
    first = await stand.admin.ok("PUT", PATH)
    await stand.server.predict(batch([prediction(2)]))
    await stand.server.outcomes(outcome(1, "leaves"))
    assert await stand.admin.ok("PUT", PATH) == first
    answer = await stand.admin.send("GET", f"{PATH}.parquet")
    assert f"sha256:{hashlib.sha256(answer.content).hexdigest()}" == first["digest"]
    assert answer.headers["X-Viridian-Digest"] == first["digest"]
    later = await stand.admin.ok("PUT", PATH.replace("run-1", "run-2"))
    assert (later["rows"], later["labelled"]) == (2, 1)


async def test_a_part_of_the_rows(stand: Stand) -> None:
    await stand.server.predict(batch(map(prediction, range(10))))
    await stand.server.outcomes(*(outcome(number, "leaves") for number in range(0, 10, 2)))
    query = {"start": str(START + 2), "end": str(START + 7), "labelled": "true"}
    assert (await stand.admin.ok("PUT", PATH, params=query))["rows"] == 3
    assert (await download(stand))["features.age"].to_list() == [22, 24, 26]


async def test_a_damaged_or_lost_file_is_not_handed_out(stand: Stand, tmp_path: Path) -> None:
    await stand.server.predict(batch([prediction(1)]))
    await stand.admin.ok("PUT", PATH)
    (file,) = (tmp_path / "snapshots").glob("*.parquet")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    assert (await stand.admin.send("GET", f"{PATH}.parquet")).status_code == 500
    file.unlink()
    assert (await stand.admin.send("GET", f"{PATH}.parquet")).status_code == 410
    assert (await stand.admin.send("GET", f"{PATH}0.parquet")).status_code == 404


async def test_numbers_stay_numbers(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1, prediction=2.5, score=None)], regression()))
    await stand.server.outcomes(outcome(1, "3.5"))
    await stand.admin.ok("PUT", PATH)
    frame = await download(stand)
    assert (frame["prediction"].item(), frame["outcome"].item()) == (2.5, 3.5)


async def test_several_versions_and_many_rows(stand: Stand) -> None:
    await stand.server.predict(batch(map(prediction, range(100))))
    newer = served(version="8", revision="new")
    for begin in range(100, 21_000, 5_225):
        await stand.server.predict(batch(map(prediction, range(begin, begin + 5_225)), newer))
    frozen = await stand.admin.ok("PUT", PATH)
    frame = await download(stand)
    assert (frozen["rows"], frame.height) == (21_000, 21_000)
    assert frame["version"].value_counts(sort=True)["count"].to_list() == [20_900, 100]


async def test_nothing_received_is_no_snapshot(stand: Stand) -> None:
    assert (await stand.admin.send("PUT", PATH)).status_code == 404


async def test_files_without_a_run_are_swept_away_and_old_ones_forgotten(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url) as stand:
        await stand.server.predict(batch([prediction(1)]))
        await stand.admin.ok("PUT", PATH)
        stray = tmp_path / "snapshots" / "stray.parquet"
        stray.touch()
        await stand.collector.sweeper.sweep()
        assert not stray.exists()
        assert (await download(stand)).height == 1
        stand.clock.now += 91 * 86_400
        await stand.collector.sweeper.sweep()
        assert (await stand.admin.send("GET", f"{PATH}.parquet")).status_code == 404
        assert list((tmp_path / "snapshots").iterdir()) == []


async def test_a_snapshot_lives_no_longer_than_rows_of_its_deployment(stand: Stand, tmp_path: Path) -> None:
    for name in ("churn", "fraud"):
        await stand.server.predict(batch([prediction(1, id=name)], served(deployment=name)))
        await stand.admin.ok("PUT", f"/v1/snapshots/ml/{name}/run-1")
    content = msgspec.json.encode(RetentionRules(retention_seconds=30 * 86_400.0))
    await stand.admin.ok("PUT", "/v1/rules/ml/churn", content=content)
    stand.clock.now += 29 * 86_400
    await stand.collector.sweeper.sweep()
    assert (await download(stand)).height == 1
    stand.clock.now += 2 * 86_400
    await stand.collector.sweeper.sweep()
    assert (await stand.admin.send("GET", f"{PATH}.parquet")).status_code == 404
    assert (await download(stand, "/v1/snapshots/ml/fraud/run-1")).height == 1
    assert len(list((tmp_path / "snapshots").iterdir())) == 1
