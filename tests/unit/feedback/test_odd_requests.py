"""Whatever the bytes are, the collector answers with a reason: never 500."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.collecting import START, Stand, batch, outcome, prediction, regression
from viridian.feedback.number_texts import number

DEEP = {
    "lists": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "in a key": b'{"prediction_id":"a","more":' + b"[" * 100_000,
}
POSTS = ("/v1/predictions", "/v1/profiles", "/v1/outcomes", "/v1/reviews")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
async def test_what_is_nested_too_deeply_is_400(stand: Stand, path: str, body: bytes) -> None:
    query = "?namespace=ml"
    answer = await stand.admin.send("POST", path + query, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_one_line_that_is_nested_too_deeply_keeps_no_other_out(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1)]))
    lines = DEEP["lists"] + b"\n" + msgspec.json.encode(outcome(1, "leaves")) + b"\n"
    stored = await stand.server.ok(
        "POST", "/v1/outcomes", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    assert stored["stored"] == 1
    assert [refused["row"] for refused in stored["refused"]] == [0]


GOOD = {"3": 3.0, "-3.5": -3.5, "+2": 2.0, ".5": 0.5, "5.": 5.0, "1e3": 1000.0}
ODD = ["", "3_0", "٣", "３", "0x10", "nan", "inf", "-Infinity", "1e400", "1e", "3 0", "½", "1,5"]


def test_numbers_that_are_sent_as_text() -> None:
    assert {text: number(text) for text in GOOD} == GOOD
    assert [text for text in ODD if number(text) is not None] == []


async def test_text_that_is_no_number_is_refused_wherever_a_number_is_meant(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1, prediction=1.0)], by=regression()))
    for text in ODD[1:]:
        found = await stand.admin.send(
            "GET", "/v1/windows/ml/churn", params={"start": text, "end": "1", "seconds": "1"}
        )
        assert found.status_code == 400, text
        row = f'prediction_id,outcome,time\nprediction-000001,"{text}",{START}\nprediction-000001,1,"{text}"\n'
        stored = await stand.server.ok(
            "POST", "/v1/outcomes", content=row.encode(), headers={"Content-Type": "text/csv"}
        )
        assert [refused["row"] for refused in stored["refused"]] == [0, 1], text
