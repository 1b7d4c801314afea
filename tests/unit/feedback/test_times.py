"""Times in another unit than seconds would count for ever, and no snapshot could be made of them: they are refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.collecting import START, Stand, batch, outcome, prediction, profile, profile_window

UNBELIEVABLE = [START * 1e9, START * 1e3, START + 86_401, 946_684_799.0, 0.0, -1.0]


@pytest.mark.parametrize("time", UNBELIEVABLE)
async def test_an_outcome_at_an_unbelievable_time_is_refused_and_corrections_and_snapshots_go_on(
    stand: Stand, time: float
) -> None:
    await stand.server.predict(batch([prediction(1)]))
    answer = await stand.server.outcomes(outcome(1, "stays", time=time), outcome(1, "stays", time=START))
    assert (answer["stored"], [row["row"] for row in answer["refused"]]) == (1, [0])
    assert "seconds since 1970" in answer["refused"][0]["problem"]
    assert (await stand.server.outcomes(outcome(1, "leaves", time=START + 10)))["stored"] == 1
    assert (await stand.admin.ok("PUT", "/v1/snapshots/ml/churn/run-1"))["rows"] == 1


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"prediction_id": "a", "outcome": 1, "time": 1800000000000}'),
        ("application/json", b'{"prediction_id": "a", "outcome": 1, "time": "1970-01-02T00:00:00Z"}'),
        ("application/x-www-form-urlencoded", b"prediction_id=a&outcome=1&time=1800000000000"),
    ],
)
async def test_of_a_single_outcome_the_answer_says_the_unit(stand: Stand, kind: str, body: bytes) -> None:
    answer = await stand.server.send("POST", "/v1/outcomes", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert "seconds since 1970, neither milliseconds nor nanoseconds" in answer.text


@pytest.mark.parametrize("time", UNBELIEVABLE)
async def test_a_prediction_at_an_unbelievable_time_is_refused(stand: Stand, time: float) -> None:
    answer = await stand.server.predict(batch([prediction(1, time=time), prediction(2)]))
    assert (answer["stored"], [row["row"] for row in answer["refused"]]) == (1, [0])
    assert "seconds since 1970" in answer["refused"][0]["problem"]
    assert (await stand.admin.ok("PUT", "/v1/snapshots/ml/churn/run-1"))["rows"] == 1


@pytest.mark.parametrize(
    "changes",
    [{"start": 1.0}, {"end": START * 1e3}, {"start": START, "end": START}, {"sequence": -1}, {"sequence": 1 << 63}],
    ids=str,
)
async def test_a_window_that_cannot_have_been_is_refused(stand: Stand, changes: dict[str, Any]) -> None:
    window = msgspec.structs.replace(profile_window(0, profile((3, 1), (2, 2))), **changes)
    answer = await stand.server.send("POST", "/v1/profiles", content=msgspec.json.encode(window))
    assert answer.status_code == 400, answer.text


async def test_a_count_that_no_database_holds_is_refused(stand: Stand) -> None:
    counted = profile((1 << 70, 0), (1, 0))
    answer = await stand.server.send("POST", "/v1/profiles", content=msgspec.json.encode(profile_window(0, counted)))
    assert (answer.status_code, "64 bits" in answer.text) == (400, True)
