"""What is sent is stored once, is joined in whatever order it comes, and is still there after a restart."""

from __future__ import annotations

import io
import itertools
import math
import random
import struct
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
import pytest
import sqlalchemy as sa

from benchmarks.feedback import traffic
from tests.support.collecting import (
    START,
    Stand,
    batch,
    collecting,
    outcome,
    prediction,
    profile,
    profile_window,
    regression,
    served,
)
from tests.support.collector_process import launched, reviewing
from viridian.api.feedback import Block, Outcome, PredictionBatch, Source, Unstored
from viridian.api.performance import Classified, Regressed
from viridian.api.profile import MAX_FEATURES
from viridian.feedback.storage import tables


async def labelled(stand: Stand) -> int:
    (window,) = await stand.admin.windows(START, START + 10_000, 10_000)
    return window.performance.labelled


async def leaving(stand: Stand) -> tuple[int, ...]:
    """What became of those that were predicted to stay, and of those that were predicted to leave: how many left."""
    (window,) = await stand.admin.windows(START, START + 10_000, 10_000)
    assert isinstance(window.performance.joined, Classified)
    return window.performance.joined.confusion[1]


async def test_a_row_that_is_sent_again_is_not_stored_again(stand: Stand) -> None:
    rows = [prediction(number) for number in range(5)]
    assert (await stand.server.predict(batch(rows)))["stored"] == 5
    again = await stand.server.predict(batch([*rows, prediction(5)]))
    assert (again["stored"], again["duplicates"]) == (1, 5)
    (window,) = await stand.admin.windows(START, START + 100, 100)
    assert window.performance.predicted == 6


async def test_an_outcome_joins_its_prediction(stand: Stand) -> None:
    await stand.server.predict(batch(map(prediction, range(4))))
    answer = await stand.server.outcomes(outcome(1, "leaves"), outcome(2, "stays"))
    assert answer == {"stored": 2, "duplicates": 0, "waiting": 0, "refused": []}
    assert await labelled(stand) == 2


async def test_an_outcome_that_comes_first_waits_for_its_prediction(stand: Stand) -> None:
    answer = await stand.server.outcomes(outcome(1, "leaves"), outcome(2, "stays"))
    assert (answer["stored"], answer["waiting"]) == (2, 2)
    await stand.server.predict(batch(map(prediction, range(4))))
    assert await labelled(stand) == 2
    assert (await stand.server.outcomes(outcome(1, "leaves", time=START - 1)))["duplicates"] == 1, (
        "it was joined before"
    )


async def test_a_label_thirty_days_late_joins(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1)]))
    stand.clock.now += 30 * 86_400
    await stand.server.outcomes(outcome(1, "leaves"))
    assert await labelled(stand) == 1


async def test_a_repetition_changes_nothing_and_a_correction_moves_the_figures(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1)]))
    said = outcome(1, "leaves", time=START + 10)
    await stand.server.outcomes(said)
    assert (await stand.server.outcomes(said))["duplicates"] == 1
    assert await leaving(stand) == (0, 1)
    await stand.server.outcomes(outcome(1, "stays", time=START + 20))
    assert await leaving(stand) == (0, 0)
    assert await labelled(stand) == 1


async def test_an_older_outcome_does_not_replace_a_newer_one(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1)]))
    await stand.server.outcomes(outcome(1, "leaves", time=START + 20))
    assert (await stand.server.outcomes(outcome(1, "stays", time=START + 10)))["duplicates"] == 1
    assert await leaving(stand) == (0, 1)


SAID = [
    outcome(1, "stays", time=START + 30, source=Source.EVENT),
    outcome(1, "stays", time=START + 20, source=Source.USER),
    outcome(1, "stays", time=START + 1, source=Source.HUMAN),
    outcome(1, "leaves", time=START + 2, source=Source.HUMAN),
]


@pytest.mark.parametrize("first", [True, False], ids=["prediction first", "outcomes first"])
async def test_in_every_order_the_latest_word_of_a_human_wins(stand: Stand, first: bool) -> None:
    for number, order in enumerate(itertools.permutations(SAID), start=1):
        row = prediction(number)
        said = [msgspec.structs.replace(one, prediction_id=row.id) for one in order]
        if first:
            await stand.server.predict(batch([row]))
        for one in said:
            await stand.admin.outcomes(one, namespace="ml")
        if not first:
            await stand.server.predict(batch([row]))
    (window,) = await stand.admin.windows(START, START + 10_000, 10_000)
    assert isinstance(window.performance.joined, Classified)
    assert sum(window.performance.joined.confusion[1]) == 24, "all of them left"


async def test_several_outcomes_of_one_prediction_in_one_upload(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1)]))
    await stand.admin.outcomes(*SAID, namespace="ml")
    assert await leaving(stand) == (0, 1)


TABLE = pl.DataFrame(
    {
        "prediction_id": ["prediction-000001", "prediction-000002", "not an id", "prediction-000003"],
        "outcome": ["leaves", "stays", "stays", "perhaps"],
        "time": ["2027-01-15T12:00:00Z", "1800000000.5", "", ""],
    }
)


def csv() -> bytes:
    return TABLE.write_csv().encode()


def parquet() -> bytes:
    buffer = io.BytesIO()
    TABLE.write_parquet(buffer)
    return buffer.getvalue()


def json_list() -> bytes:
    return msgspec.json.encode(
        [
            {name: value for name, value in row.items() if value != ""}
            for row in TABLE.with_columns(
                pl.Series("time", ["2027-01-15T12:00:00Z", 1800000000.5, None, None], dtype=pl.Object)
            ).to_dicts()
        ]
    )


def json_lines() -> bytes:
    return msgspec.json.Encoder().encode_lines(msgspec.json.decode(json_list()))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/csv", csv()),
        ("application/vnd.apache.parquet", parquet()),
        ("application/json", json_list()),
        ("application/x-ndjson; charset=utf-8", json_lines()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bulk_upload_stores_what_it_understands_and_names_the_rows_it_does_not(
    stand: Stand, kind: str, body: bytes
) -> None:
    await stand.server.predict(batch(map(prediction, range(4))))
    answer = await stand.server.ok("POST", "/v1/outcomes", content=body, headers={"Content-Type": kind})
    assert answer["stored"] == 2
    assert [row["row"] for row in answer["refused"]] == [2, 3]
    assert "none of the model's classes" in answer["refused"][1]["problem"]
    assert await labelled(stand) == 2


async def test_a_form_of_a_user_lands(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1)]))
    form = {"prediction_id": "prediction-000001", "outcome": "leaves", "source": "user", "comment": "thanks"}
    assert (await stand.server.ok("POST", "/v1/outcomes", data=form))["stored"] == 1
    assert await leaving(stand) == (0, 1)


@pytest.mark.parametrize("value", [True, 1, 1.0, "1", "1.0", "1.", "true", "TRUE", "Leaves", " leaves "])
async def test_the_positive_class_has_many_spellings(stand: Stand, value: Any) -> None:
    await stand.server.predict(batch([prediction(1)]))
    await stand.server.outcomes(outcome(1, value))
    assert await leaving(stand) == (0, 1)


@pytest.mark.parametrize("classes", [("0", "1"), ("0.0", "1.0")])
@pytest.mark.parametrize("value", ["1.0", "1", 1, 1.0])
async def test_a_table_with_a_gap_writes_classes_with_a_fraction(
    stand: Stand, classes: tuple[str, str], value: Any
) -> None:
    await stand.server.predict(batch([prediction(1, prediction=classes[1])], served(classes=classes)))
    content = f"prediction_id,outcome\nprediction-000001,{value}\n"
    answer = await stand.server.ok("POST", "/v1/outcomes", content=content, headers={"Content-Type": "text/csv"})
    assert answer["refused"] == []
    assert await leaving(stand) == (0, 1)


async def test_numbers_are_joined_with_numbers(stand: Stand) -> None:
    rows = [prediction(number, prediction=float(number), score=None) for number in range(3)]
    await stand.server.predict(batch(rows, regression()))
    answer = await stand.server.outcomes(outcome(0, 1), outcome(1, "3.0"), outcome(2, "many"), outcome(2, True))
    assert [row["row"] for row in answer["refused"]] == [2, 3]
    (window,) = await stand.admin.windows(START, START + 100, 100)
    assert window.performance.predicted == 3
    assert window.performance.joined == Regressed(
        rows=2, error=-3.0, absolute_error=3.0, squared_error=5.0, fourth_power_error=17.0, outcome=4.0,
        squared_outcome=10.0,
    )  # fmt: skip


async def test_a_waiting_outcome_that_the_model_does_not_know_is_counted_and_gone(stand: Stand) -> None:
    await stand.server.outcomes(outcome(1, "perhaps"))
    await stand.server.predict(batch([prediction(1)]))
    assert await labelled(stand) == 0
    assert await stand.count("outcome", "refused") == 1


async def test_a_prediction_of_an_unknown_class_is_refused_and_the_others_are_stored(stand: Stand) -> None:
    answer = await stand.server.predict(
        batch([prediction(1), prediction(2, prediction="flies"), prediction(3, id="a b")])
    )
    assert (answer["stored"], [row["row"] for row in answer["refused"]]) == (1, [1, 2])


async def test_a_profile_is_counted_once(stand: Stand) -> None:
    for sequence in (0, 0, 1):
        content = msgspec.json.encode(profile_window(sequence, profile((3, 1), (2, 2))))
        await stand.server.ok("POST", "/v1/profiles", content=content)
    (window,) = await stand.admin.windows(START, START + 600, 600)
    assert window.profile is not None
    assert window.profile.rows == 8
    assert await stand.count("profile", "duplicate") == 1


async def test_lost_rows_are_counted_once_even_when_a_batch_comes_twice(stand: Stand) -> None:
    for _ in range(2):
        await stand.server.predict(batch([prediction(1)], dropped=5))
    await stand.server.predict(batch([], dropped=2))
    line = 'viridian_collector_dropped_rows_total{deployment="churn",namespace="ml"} 7.0'
    assert line in (await stand.metrics()).splitlines()


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url) as stand:
        await stand.server.predict(batch([prediction(1)]))
        await stand.server.outcomes(outcome(1, "leaves"), outcome(2, "stays"))
    async with collecting(tmp_path, database_url) as stand:
        await stand.server.predict(batch([prediction(2)]))
        assert await labelled(stand) == 2


async def test_killed_between_a_prediction_and_its_outcome(tmp_path: Path, database_url: str) -> None:
    chance = random.Random(1)
    rows = traffic.batch(chance, 50)
    said = [Outcome(prediction_id=row.id, outcome="leaves") for row in rows.rows]
    end = rows.rows[-1].time
    async with reviewing(traffic.OWNERS) as api:
        for path, sent in (("/v1/predictions", rows), ("/v1/outcomes", said)):
            async with (
                launched(api, tmp_path, database_url) as collector,
                httpx.AsyncClient(base_url=collector.url, headers=traffic.HEADERS) as http,
            ):
                answer = await http.post(path, content=msgspec.json.encode(sent))
                assert (answer.json()["stored"], answer.json().get("waiting", 0)) == (50, 0)
                collector.kill()
                await collector.process.wait()
    async with collecting(tmp_path, database_url) as stand:
        (window,) = await stand.admin.windows(end - 3600, end + 1, 3601)
        assert (window.performance.predicted, window.performance.labelled) == (50, 50)


async def test_the_same_id_in_two_namespaces_is_two_predictions(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1)]))
    await stand.stranger.predict(batch([prediction(1)], served(namespace="other")))
    await stand.stranger.outcomes(outcome(1, "leaves"))
    assert await labelled(stand) == 0, "the outcome belongs to the other namespace"


async def test_an_outcome_needs_a_time_zone(stand: Stand) -> None:
    answer = await stand.server.outcomes(
        Outcome(prediction_id="a", outcome=1, time="2027-01-15T12:00:00"), outcome(1, 1)
    )
    assert answer["refused"] == [
        {"row": 0, "problem": "the time is neither seconds since 1970 nor RFC 3339, such as 2026-11-24T12:00:00Z"}
    ]


async def test_what_the_database_takes_is_told(stand: Stand) -> None:
    async def told() -> float:
        name = "viridian_collector_database_bytes "
        (line,) = [line for line in (await stand.metrics()).splitlines() if line.startswith(name)]
        return float(line.removeprefix(name))

    await stand.collector.sweeper.sweep()
    before = await told()
    await stand.server.predict(batch(map(prediction, range(5_000))))
    await stand.collector.sweeper.sweep()
    assert before > 0
    assert await told() > before + 5_000 * 100


@pytest.mark.parametrize(("score", "kept"), [(1.0000001, 1.0), (-1.19e-07, 0.0), (1 + 2.0**-13, 1.0), (0.25, 0.25)])
async def test_a_score_that_rounding_has_moved_is_stored_as_a_probability(
    stand: Stand, score: float, kept: float
) -> None:
    answer = await stand.server.predict(batch([prediction(1, score=score)]))
    assert (answer["stored"], answer["refused"]) == (1, [])
    with stand.collector.engine.connect() as connection:
        assert connection.scalar(sa.select(tables.predictions.c.score)) == kept


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"score": 1.001}, Unstored.SCORE),
        ({"score": -0.001}, Unstored.SCORE),
        ({"id": "a b"}, Unstored.ID),
        ({"time": START * 1000}, Unstored.TIME),
        ({"prediction": "flies"}, Unstored.PREDICTION),
        ({"variant": "\0"}, Unstored.VARIANT),
        ({"features": {str(number): 0 for number in range(MAX_FEATURES + 1)}}, Unstored.FEATURES),
    ],
    ids=lambda value: value.value if isinstance(value, Unstored) else "",
)
async def test_what_is_refused_has_a_row_a_sentence_and_a_reason_that_is_counted(
    stand: Stand, parts: dict[str, Any], reason: Unstored
) -> None:
    answer = await stand.server.predict(batch([prediction(1), prediction(2, **parts)], dropped=3))
    assert answer["stored"] == 1
    ((row, sentence, said),) = [(one["row"], one["problem"], one["reason"]) for one in answer["refused"]]
    assert (row, said) == (1, reason)
    assert len(sentence) > 10
    lines = (await stand.metrics()).splitlines()
    assert f'viridian_collector_refused_predictions_total{{reason="{reason.value}"}} 1.0' in lines


async def test_rows_in_blocks_are_the_same_rows(stand: Stand) -> None:
    rows = [prediction(number) for number in range(4)]
    block = Block(
        ids=[row.id for row in rows],
        times=[row.time for row in rows],
        columns=["age", "region"],
        numbers=struct.pack("<4d", *range(20, 24)),
        whole=["age"],
        others={"region": ["north"] * 4},
        predictions=[row.prediction for row in rows],
        scores=[row.score for row in rows],
    )
    assert list(block.rows()) == rows
    assert [*block.part(0, 1).rows(), *block.part(1, 9).rows()] == rows
    answer = await stand.server.predict(PredictionBatch(served=served(), rows=[prediction(9)], blocks=[block, block]))
    assert (answer["stored"], answer["duplicates"]) == (5, 4)
    assert (await stand.server.predict(batch(rows)))["duplicates"] == 4


@pytest.mark.parametrize(
    ("field", "short"),
    [
        ("times", [START]),
        ("predictions", ["stays"]),
        ("scores", [None]),
        ("subjects", ["x"]),
        ("others", {"region": ["north"]}),
        ("others", {"region": ["north", "south"], "unnamed": [1, 2]}),
        ("numbers", bytes(15)),
        ("columns", ["region"]),
        ("columns", ["age", "age", "region"]),
        ("whole", ["visits"]),
    ],
)
async def test_a_block_whose_lists_differ_is_refused(stand: Stand, field: str, short: Any) -> None:
    block = Block(
        ids=["a", "b"],
        times=[START] * 2,
        columns=["age", "region"],
        numbers=bytes(16),
        others={"region": ["north", "south"]},
        predictions=["stays"] * 2,
        scores=[0.1, 0.2],
        subjects=["x", "y"],
    )
    assert block.complete
    content = msgspec.json.encode(
        PredictionBatch(served=served(), blocks=[msgspec.structs.replace(block, **{field: short})])
    )
    answer = await stand.server.send("POST", "/v1/predictions", content=content)
    assert answer.status_code == 400


async def test_lost_rows_are_counted_where_every_other_row_is_refused(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(1, score=7.0)], dropped=5))
    line = 'viridian_collector_dropped_rows_total{deployment="churn",namespace="ml"} 5.0'
    assert line in (await stand.metrics()).splitlines()


@pytest.mark.parametrize("classes", [(" no", "no"), ("NO", "no"), ("1", "1.0"), ("", " "), ("größer", "GRÖSSER")])
async def test_classes_that_differ_in_blanks_or_case_alone_stay_apart(stand: Stand, classes: tuple[str, str]) -> None:
    by = served(classes=classes)
    rows = [prediction(number, prediction=classes[number]) for number in range(2)]
    assert (await stand.server.predict(batch(rows, by)))["refused"] == []
    with stand.collector.engine.connect() as connection:
        table = tables.predictions
        assert list(connection.scalars(sa.select(table.c.predicted).order_by(table.c.id))) == [0.0, 1.0]


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1e309", "1e400", "NaN"])
async def test_a_number_that_no_model_can_mean_refuses_its_row_alone(stand: Stand, number: str) -> None:
    await stand.server.predict(batch([prediction(n, prediction=1.0, score=None) for n in range(2)], regression()))
    lines = [f'{{"prediction_id": "prediction-00000{n}", "outcome": {said}}}' for n, said in ((0, number), (1, "2"))]
    content, kind = "\n".join(lines), {"Content-Type": "application/x-ndjson"}
    answer = await stand.server.ok("POST", "/v1/outcomes", content=content, headers=kind)
    assert (answer["stored"], [row["row"] for row in answer["refused"]]) == (1, [0])


@pytest.mark.parametrize(
    "time", ["2027-01-15T12:00:60Z", "2027-01-15t12:00:00.123456789z", "2027-01-15 12:00:00+01:00"]
)
async def test_times_as_rfc_3339_allows_them(stand: Stand, time: str) -> None:
    await stand.server.predict(batch([prediction(1)]))
    assert (await stand.server.outcomes(outcome(1, "leaves", time=time)))["refused"] == []


@pytest.mark.parametrize("value", [1e200, -1e308, 1e308, 1e77, 5e-324, 1e-170])
async def test_one_number_without_measure_does_not_take_the_figures_from_the_others(stand: Stand, value: float) -> None:
    rows = [prediction(number, prediction=said, score=None) for number, said in enumerate((value, 1.0, -value))]
    await stand.server.predict(batch(rows, regression()))
    await stand.server.outcomes(outcome(0, -value), outcome(1, 2.0), outcome(2, 0.0))
    (window,) = await stand.admin.windows(START, START + 100, 100)
    assert (window.performance.predicted, window.performance.labelled) == (3, 3)
    assert isinstance(window.performance.joined, Regressed)
    assert all(map(math.isfinite, msgspec.structs.astuple(window.performance.joined)))
    assert (window.performance.joined.absolute_error > 1e70) is (abs(value) > 1)


@pytest.mark.parametrize("score", [5e-324, 1e-200, 1 - 2.0**-53, 0.0, 1.0, -0.0])
async def test_the_surest_scores_have_figures(stand: Stand, score: float) -> None:
    await stand.server.predict(batch([prediction(1, score=score), prediction(2, score=score)]))
    await stand.server.outcomes(outcome(1, "leaves"), outcome(2, "stays"))
    (window,) = await stand.admin.windows(START, START + 100, 100)
    assert isinstance(window.performance.joined, Classified)
    assert window.performance.joined.squared_error == pytest.approx(1.0)
