"""What must not be kept is not kept: in no byte of any file, no log, no metric and no answer."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
import sqlalchemy as sa

from tests.support.collecting import SERVER, START, Stand, batch, collecting, outcome, prediction
from viridian.api.feedback import RetentionRules
from viridian.feedback.access.authorization import Right
from viridian.feedback.storage import tables

PLANTED = "ada.lovelace@example.org"
RULES = RetentionRules(deny=("email",), hash=("contact",))


async def keep(stand: Stand, keeping: RetentionRules) -> None:
    await stand.admin.ok("PUT", "/v1/rules/ml/churn", content=msgspec.json.encode(keeping))


def features(stand: Stand) -> list[dict[str, Any]]:
    """As they are stored."""
    with stand.collector.engine.connect() as connection:
        stored = connection.scalars(sa.select(tables.predictions.c.features).order_by(tables.predictions.c.key))
        return [msgspec.json.decode(row) for row in stored]


async def everything_that_goes_wrong(stand: Stand) -> list[str]:
    """The planted address in every place where a sender may put it; what was answered."""
    row = prediction(1, features={"email": PLANTED, "contact": PLANTED, "age": 30}, subject=PLANTED)
    other = prediction(4, features={"email": PLANTED, "contact": PLANTED, "age": 31})
    stand.gate.allow(SERVER, Right.ERASE)
    csv, lines, form = "text/csv", "application/x-ndjson", "application/x-www-form-urlencoded"
    good = f'{{"prediction_id": "prediction-000001", "outcome": "leaves", "label_definition": "", "who": "{PLANTED}"}}'
    table = io.BytesIO()
    pl.DataFrame({"prediction_id": [PLANTED], "outcome": [PLANTED], PLANTED: [PLANTED]}).write_parquet(table)
    sent = [
        ("POST", "/v1/predictions", "", msgspec.json.encode(batch([row, other]))),
        ("POST", "/v1/predictions", "", msgspec.json.encode(batch([prediction(2, prediction=PLANTED)]))),
        ("POST", "/v1/predictions", "", msgspec.json.encode(batch([prediction(3, id=PLANTED)]))),
        ("POST", "/v1/predictions", "", f'{{"{PLANTED}": 1}}'.encode()),
        ("POST", "/v1/predictions", "", f'{{"served": {{"task": "{PLANTED}"}}}}'.encode()),
        ("POST", "/v1/outcomes", "application/json", good.encode()),
        ("POST", "/v1/outcomes", "application/json", f'[{good}, {{"source": "{PLANTED}"}}, "{PLANTED}"]'.encode()),
        ("POST", "/v1/outcomes", lines, f"{PLANTED}\n{good}".encode()),
        ("POST", "/v1/outcomes", csv, f"prediction_id,outcome,{PLANTED}\n{PLANTED},{PLANTED},1\n".encode()),
        ("POST", "/v1/outcomes", csv, f'{PLANTED}\n"{PLANTED}'.encode()),
        ("POST", "/v1/outcomes", csv, f"prediction_id,outcome,time\nprediction-000001,{PLANTED},{PLANTED}\n".encode()),
        ("POST", "/v1/outcomes", "application/vnd.apache.parquet", table.getvalue()),
        ("POST", "/v1/outcomes", "application/vnd.apache.parquet", PLANTED.encode()),
        ("POST", "/v1/outcomes", form, f"prediction_id=prediction-000001&outcome=stays&{PLANTED}=1".encode()),
        ("POST", "/v1/outcomes", form, f"{PLANTED}=1".encode()),
        ("POST", "/v1/outcomes", PLANTED, b"1"),
        ("POST", f"/v1/outcomes?namespace={PLANTED}", "application/json", b"[]"),
        ("GET", f"/v1/{PLANTED}", "", b""),
        ("GET", f"/v1/windows/ml/churn?start={PLANTED}&end=1&seconds=1", "", b""),
        ("GET", f"/v1/windows/{PLANTED}/churn?start=0&end=1&seconds=1", "", b""),
        ("PUT", f"/v1/rules/ml/{PLANTED}", "", b"{}"),
        ("PUT", "/v1/rules/ml/churn", "", f'{{"{PLANTED}": []}}'.encode()),
        ("PUT", f"/v1/snapshots/ml/churn/{PLANTED}", "", b""),
        ("DELETE", f"/v1/subjects/{PLANTED}", "", b""),
        ("PATCH", f"/v1/subjects/{PLANTED}", "", b""),
    ]
    answers = []
    for method, path, kind, content in sent:
        for client in (stand.server, stand.admin, stand.stranger):
            headers = {"Content-Type": kind} if kind else {}
            answer = await client.send(method, path, content=content, headers=headers)
            assert answer.status_code < 500, answer.text
            answers.append(answer.text + str(answer.headers))
    for path in ("/review", "/review/login"):
        answers.append((await stand.http.post(path, data={PLANTED: PLANTED, "token": PLANTED})).text)
    return answers


async def everything_that_people_see_and_say(stand: Stand) -> list[str]:
    """The queue for review in all its forms, and answers with the planted address beside and instead of a class."""
    stand.clock.now = START + 1000
    query = {"namespace": "ml", "deployment": "churn", "rate": "1"}
    queue = (await stand.admin.send("GET", "/v1/reviews/next", params={**query, "count": "10"})).text
    tasks = (await stand.admin.send("GET", "/v1/reviews.jsonl", params=query)).text
    assert "prediction-000004" in queue
    assert "prediction-000004" in tasks
    here = {"namespace": "ml", "deployment": "churn"}
    assert (await stand.http.post("/review/login", data={"token": "admin"})).status_code == 303
    page = await stand.http.get("/review", params=here)
    word = page.text.partition('name="word" value="')[2].partition('"')[0]
    assert word
    said = {**here, "word": word, "prediction_id": "prediction-000004", "outcome": PLANTED}
    wrong = await stand.http.post("/review/answer", data=said)
    assert wrong.status_code == 400
    lines = [
        {"prediction_id": "prediction-000004", "outcome": PLANTED},
        {"prediction_id": "prediction-000004", "outcome": "leaves", "annotator": PLANTED},
        {"prediction_id": PLANTED, "outcome": "leaves"},
    ]
    content, kind = msgspec.json.Encoder().encode_lines(lines), {"Content-Type": "application/x-ndjson"}
    answer = await stand.admin.send("POST", "/v1/reviews?namespace=ml", content=content, headers=kind)
    assert (answer.json()["stored"], len(answer.json()["refused"])) == (1, 2)
    return [queue, tasks, answer.text, page.text, wrong.text]


def holders(folder: Path) -> list[Path]:
    """Files with the planted address in them."""
    return [path for path in folder.rglob("*") if path.is_file() and PLANTED.encode() in path.read_bytes()]


async def test_a_planted_address_is_found_nowhere(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, logger="viridian.feedback")
    async with collecting(tmp_path, database_url) as stand:
        await keep(stand, RULES)
        answers = await everything_that_goes_wrong(stand)
        assert features(stand), "something must have been stored, or nothing was tried"
        assert holders(tmp_path) == [], "while it runs, with the write-ahead log"
        answers += await everything_that_people_see_and_say(stand)
        snapshot = await stand.admin.ok("PUT", "/v1/snapshots/ml/churn/run-1")
        assert snapshot["rows"] > 0
        frozen = (await stand.admin.send("GET", "/v1/snapshots/ml/churn/run-1.parquet")).content
        rows = str(pl.read_parquet(io.BytesIO(frozen)).to_dicts())
        assert "features.contact" in rows
        assert PLANTED not in rows, "Parquet is compressed: its bytes alone would prove nothing"
        assert PLANTED not in await stand.metrics()
        stored = everything_stored(stand)
    assert holders(tmp_path) == [], "after its end"
    assert PLANTED not in stored
    assert [answer for answer in answers if PLANTED in answer] == []
    assert PLANTED not in caplog.text
    assert PLANTED not in "".join(capfd.readouterr())


def everything_stored(stand: Stand) -> str:
    """Every value of every table, for databases whose files lie elsewhere."""
    with stand.collector.engine.connect() as connection:
        return str([list(connection.execute(sa.select(table))) for table in tables.metadata.sorted_tables])


async def test_denied_columns_go_and_hashed_ones_become_digests_that_stay_digests(stand: Stand) -> None:
    await keep(stand, RULES)
    await stand.server.predict(batch([prediction(1, features={"email": "a", "contact": "b", "age": 1})]))
    (first,) = features(stand)
    assert first == {"contact": first["contact"], "age": 1}
    assert len(first["contact"]) == 64
    await stand.server.predict(
        batch([prediction(2, features={"contact": first["contact"]}), prediction(3, features={"contact": None})])
    )
    assert features(stand)[1:] == [{"contact": first["contact"]}, {"contact": None}]


async def test_with_an_allow_list_a_new_source_is_denied_until_it_is_listed(stand: Stand) -> None:
    row = prediction(1, features={"age": 1, "device fingerprint": "f3a9"})
    await keep(stand, RetentionRules(allow=("age",)))
    await stand.server.predict(batch([row]))
    await keep(stand, RetentionRules(allow=("age", "device fingerprint")))
    await stand.server.predict(batch([prediction(2, features=row.features)]))
    assert features(stand) == [{"age": 1}, row.features]


async def test_the_file_of_whoever_runs_the_collector_cannot_be_undone(tmp_path: Path, database_url: str) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "everywhere: {deny: [email]}\ndeployments:\n  ml/churn: {hash: [contact], allow: [email, contact]}\n"
    )
    async with collecting(tmp_path, database_url, rules=rules) as stand:
        await keep(stand, RetentionRules(allow=("email", "contact", "age")))
        await stand.server.predict(batch([prediction(1, features={"email": "a", "contact": "b", "age": 1})]))
        (stored,) = features(stand)
    assert list(stored) == ["contact"]
    assert stored["contact"] != "b"


async def test_rules_and_the_key_outlive_the_process(tmp_path: Path, database_url: str) -> None:
    digests = []
    for number in range(2):
        async with collecting(tmp_path, database_url) as stand:
            if number == 0:
                await keep(stand, RetentionRules(hash=("contact",)))
            await stand.server.predict(batch([prediction(number, features={"contact": "b"})]))
            digests = [row["contact"] for row in features(stand)]
    assert len(digests) == 2
    assert len(set(digests)) == 1


async def rows(stand: Stand) -> int:
    return sum(window.performance.predicted for window in await stand.admin.windows(START, START + 10_000, 10_000))


@pytest.mark.parametrize("subject", ["user-5", "5" * 64], ids=["plain", "hashed by the server"])
async def test_an_erased_subject_is_gone_and_stays_away(stand: Stand, subject: str) -> None:
    await stand.server.predict(batch([prediction(1, subject=subject), prediction(2, subject="user-6"), prediction(3)]))
    await stand.server.outcomes(outcome(1, "leaves"), outcome(2, "leaves"))
    assert await stand.admin.ok("DELETE", f"/v1/subjects/{subject}?namespace=ml") == {"erased": 1}
    assert await rows(stand) == 2
    await stand.server.predict(batch([prediction(1, subject=subject), prediction(4, subject=subject), prediction(5)]))
    assert await rows(stand) == 3
    assert await stand.count("prediction", "erased") == 2
    snapshot = await stand.admin.ok("PUT", "/v1/snapshots/ml/churn/run-1")
    assert (snapshot["rows"], snapshot["labelled"]) == (3, 1)


async def test_erasing_ends_at_the_namespace(stand: Stand) -> None:
    stand.gate.allow("admin", Right.ERASE, namespace="other")
    await stand.server.predict(batch([prediction(1, subject="user-5")]))
    answer = await stand.admin.ok("DELETE", "/v1/subjects/user-5?namespace=other")
    assert answer["erased"] == 0
    assert "keyed hash" in answer["hint"], "nobody should believe that this was all"
    assert await rows(stand) == 1


async def test_rows_are_deleted_when_their_time_is_over(stand: Stand) -> None:
    await keep(stand, RetentionRules(retention_seconds=3600.0))
    await stand.server.predict(batch(map(prediction, range(2500))))
    await stand.server.outcomes(outcome(1, "leaves"), outcome(2400, "leaves"), outcome(9_999, "stays"))
    stand.clock.now = START + 3600 + 2000
    await stand.collector.sweeper.sweep()
    assert await rows(stand) == 500
    assert await stand.count("prediction", "expired") == 2000
    stand.clock.now = START + 91 * 86_400
    await stand.collector.sweeper.sweep()
    assert await rows(stand) == 0
    with stand.collector.engine.connect() as connection:
        for table in (tables.outcomes, tables.waiting, tables.predictions):
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0
