"""With which chance each row was answered by its revision: from the splits that the operator has logged."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import polars as pl
import pytest

from tests.support.collecting import START, Stand, batch, prediction, served
from viridian.api.feedback import TrafficSplit
from viridian.feedback.storage.splits import Propensities

SPLITS = "/v1/splits/ml/churn"
FIRST, SECOND = "r1", "r2"
LOG = [
    TrafficSplit(time=START + 10, champion=FIRST, challenger=SECOND, share=0.25),
    TrafficSplit(time=START + 20, champion=FIRST, challenger=SECOND, share=0.8),
    TrafficSplit(time=START + 30, champion=SECOND),
]


async def log(stand: Stand, splits: list[TrafficSplit]) -> None:
    await stand.admin.ok("PUT", SPLITS, content=msgspec.json.encode(splits))


async def frozen(stand: Stand, run: str) -> dict[str, float | None]:
    path = f"/v1/snapshots/ml/churn/{run}"
    await stand.admin.ok("PUT", path)
    answer = await stand.admin.send("GET", f"{path}.parquet")
    frame = pl.read_parquet(io.BytesIO(answer.content))
    return dict(zip(frame["prediction_id"], frame["propensity"], strict=True))


@pytest.mark.parametrize(
    ("revision", "seconds", "expected"),
    [
        (FIRST, 9.9, 1.0),
        (FIRST, 10, 0.75),
        (SECOND, 10, 0.25),
        (SECOND, 25, 0.8),
        (SECOND, 31, 1.0),
        (FIRST, 31, None),
        ("r0", 15, None),
    ],
)
def test_the_split_in_effect_decides(revision: str, seconds: float, expected: float | None) -> None:
    found = Propensities(LOG).of(revision, START + seconds)
    assert found == (pytest.approx(expected) if expected is not None else None)


def test_without_splits_a_revision_answers_everything() -> None:
    assert Propensities([]).of(FIRST, START) == 1.0


async def test_each_frozen_row_has_its_propensity(stand: Stand) -> None:
    for revision, first in ((FIRST, 0), (SECOND, 10)):
        rows = [prediction(first + number, time=START + 5 + 10 * number) for number in range(4)]
        await stand.server.predict(batch(rows, served(revision=revision)))
    own = prediction(20, time=START + 15, propensity=0.5, variant="mine")
    await stand.server.predict(batch([own], served(revision=FIRST)))
    await log(stand, LOG[:2])
    await log(stand, LOG)
    found = await frozen(stand, "run-1")
    shown = [found[f"prediction-{number:06}"] for number in (*range(4), *range(10, 14), 20)]
    assert shown == pytest.approx([1.0, 0.75, 0.2, None, 1.0, 0.25, 0.8, 1.0, 0.5])


async def test_what_is_logged_stays(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1, time=START + 15)], served(revision=FIRST)))
    await log(stand, LOG)
    await log(stand, [msgspec.structs.replace(LOG[0], share=0.9)])
    assert await frozen(stand, "run-1") == {"prediction-000001": 0.75}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([{"time": START, "champion": FIRST, "share": 1.5}], "a share is from 0 to 1"),
        ([{"time": -1.0, "champion": FIRST}], "a share is from 0 to 1, and"),
        ([{"time": START, "champion": "r\0"}], "names of revisions"),
        ([{"time": START, "champion": FIRST}] * 1001, "at most 1000 splits"),
        ({"time": START}, "a list of splits"),
    ],
)
async def test_splits_that_make_no_sense_are_refused(stand: Stand, body: Any, says: str) -> None:
    answer = await stand.admin.send("PUT", SPLITS, content=msgspec.json.encode(body))
    assert answer.status_code == 400
    assert says in answer.text


async def test_only_the_operator_may_log_splits(stand: Stand) -> None:
    answer = await stand.server.send("PUT", SPLITS, content=msgspec.json.encode(LOG))
    assert answer.status_code == 403
