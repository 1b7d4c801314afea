"""The sample that people look at, and the page on which they answer."""

from __future__ import annotations

import html
import re
from collections import Counter
from typing import Any

import httpx
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.support.collecting import START, Client, Stand, batch, outcome, prediction, regression, served
from viridian.api.feedback import Source
from viridian.feedback.access.authorization import Right
from viridian.feedback.ingest.predictions import SAMPLING_KEY_BITS, lot

QUERY = {"namespace": "ml", "deployment": "churn", "rate": "1"}


async def queue(stand: Stand, count: int = 100, **query: str) -> list[dict[str, Any]]:
    stand.clock.now = START + 1000
    found: list[dict[str, Any]] = await stand.admin.ok(
        "GET", "/v1/reviews/next", params={**QUERY, "count": str(count), **query}
    )
    return found


@given(st.text("abcdef0123456789-", min_size=1, max_size=40))
def test_a_lot_is_the_ids_own(name: str) -> None:
    assert lot(name) == lot(name)
    assert 0 <= lot(name) < 1 << SAMPLING_KEY_BITS


def test_lots_are_even() -> None:
    low = sum(lot(f"prediction-{number:06}") < 0.05 * (1 << SAMPLING_KEY_BITS) for number in range(20_000))
    assert 1000 - 4 * 31 < low < 1000 + 4 * 31, "within four standard deviations of the binomial distribution"


async def test_the_same_sample_for_everybody_and_the_doubtful_first(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(n, score=(n + 0.5) / 100) for n in range(100)]))
    await stand.server.outcomes(outcome(3, "stays"), outcome(4, "stays"))
    found = await queue(stand)
    assert found == await queue(stand)
    assert len(found) == 100
    assert [one["stratum"] for one in found[:3]] == ["disagreement", "uncertain", "score, tenth 1"]
    assert found[0]["prediction_id"] == "prediction-000003"
    assert Counter(one["stratum"] for one in found)["uncertain"] == 20
    first = [one["stratum"] for one in found[:10]]
    assert len(set(first)) == 10, "one of each before the second of any"
    few = await queue(stand, rate="0.3")
    assert {one["prediction_id"] for one in few} == {
        f"prediction-{n:06}" for n in range(100) if lot(f"prediction-{n:06}") < 0.3 * (1 << SAMPLING_KEY_BITS)
    }


async def test_what_a_human_has_answered_is_not_asked_again(stand: Stand) -> None:
    await stand.server.predict(batch(map(prediction, range(3))))
    await stand.admin.outcomes(outcome(1, "leaves", source=Source.HUMAN), namespace="ml")
    await stand.server.outcomes(outcome(2, "leaves"))
    assert {one["prediction_id"] for one in await queue(stand)} == {"prediction-000000", "prediction-000002"}


async def test_two_people_are_not_shown_the_same(stand: Stand) -> None:
    await stand.server.predict(batch(map(prediction, range(2))))
    stand.gate.owners["second"] = "second"
    stand.gate.allow("second", Right.ROWS)
    second = Client(stand.http, "second")
    mine = await queue(stand, 1)
    theirs = await second.ok("GET", "/v1/reviews/next", params=QUERY)
    assert {one["prediction_id"] for one in mine + theirs} == {"prediction-000000", "prediction-000001"}
    stand.clock.now += 301
    assert await second.ok("GET", "/v1/reviews/next", params=QUERY) == mine, "nobody holds it for ever"


async def test_a_labelling_tool_takes_lines_and_brings_lines_back(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(n, prediction=float(n), score=None) for n in range(30)], regression()))
    stand.clock.now = START + 1000
    answer = await stand.admin.send("GET", "/v1/reviews.jsonl", params=QUERY)
    tasks = [msgspec.json.decode(line) for line in answer.content.splitlines()]
    assert len({task["stratum"] for task in tasks}) == 10
    lines = b"\n".join(
        msgspec.json.encode({"prediction_id": task["prediction_id"], "outcome": task["prediction"] + 1})
        for task in tasks
    )
    headers = {"Content-Type": "application/x-ndjson"}
    back = await stand.admin.ok("POST", "/v1/reviews?namespace=ml", content=lines, headers=headers)
    assert back["stored"] == 30
    assert await queue(stand) == []


# ---- the page ----


def word(page: str) -> str:
    found = re.search(r'name="word" value="([^"]+)"', page)
    assert found
    return html.unescape(found[1])


async def logged_in(stand: Stand, who: str = "admin") -> httpx.AsyncClient:
    answer = await stand.http.post("/review/login", data={"token": who})
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    return stand.http


HERE = {"namespace": "ml", "deployment": "churn"}


async def prepared(stand: Stand) -> None:
    await stand.server.predict(
        batch(prediction(n, features={"<b>name</b>": "<script>", "age": None}) for n in range(200))
    )
    stand.clock.now = START + 1000


async def test_a_person_labels_the_queue(stand: Stand) -> None:
    await prepared(stand)
    http = await logged_in(stand)
    shown = set()
    for said in ({"outcome": "leaves"}, {"outcome": "stays"}, {"skip": "yes"}):
        page = (await http.get("/review", params=HERE)).text
        assert "&lt;script&gt;" in page
        assert "<script>" not in page
        found = re.search(r'name="prediction_id" value="([^"]+)"', page)
        assert found
        shown.add(found[1])
        form = {**HERE, "word": word(page), "prediction_id": found[1], **said}
        answer = await http.post("/review/answer", data=form)
        assert answer.status_code == 303, answer.text
    assert len(shown) == 3
    assert await stand.count("outcome", "stored") == 2
    assert not shown & set(
        re.findall(r'name="prediction_id" value="([^"]+)"', (await http.get("/review", params=HERE)).text)
    )


async def test_the_page_can_be_used_by_keyboard_and_loads_nothing(stand: Stand) -> None:
    await prepared(stand)
    http = await logged_in(stand)
    answer = await http.get("/review", params=HERE)
    page = answer.text
    assert re.findall(r'accesskey="(\w)"', page) == ["1", "2", "s"]
    assert page.count("autofocus") == 1
    for element in ('<html lang="en">', "<caption>", '<th scope="row">', "<legend>", 'role="status"'):
        assert element in page
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "leaves" not in page.split("<table>")[1].split("</table>")[0], "the model's answer must not lead the person"


async def test_without_a_session_there_is_the_form_to_log_in(stand: Stand) -> None:
    answer = await stand.http.get("/review", params=HERE)
    assert (answer.status_code, 'action="/review/login"' in answer.text) == (401, True)
    refused = await stand.http.post("/review/login", data={"token": "unknown"})
    assert (refused.status_code, "Set-Cookie" in refused.headers) == (401, False)


async def test_a_session_is_worth_no_more_than_its_token_and_ends(stand: Stand) -> None:
    await prepared(stand)
    http = await logged_in(stand, "server")
    assert (await http.get("/review", params=HERE)).status_code == 403, "a server may not label"
    http = await logged_in(stand)
    page = (await http.get("/review", params=HERE)).text
    assert (await http.post("/review/logout", data={"word": word(page)})).status_code == 303
    assert (await http.get("/review", params=HERE)).status_code == 401
    http = await logged_in(stand)
    stand.clock.now += 13 * 3600
    assert (await http.get("/review", params=HERE)).status_code == 401


async def test_forms_of_other_sites_are_not_believed(stand: Stand) -> None:
    await prepared(stand)
    http = await logged_in(stand)
    page = (await http.get("/review", params=HERE)).text
    form = {**HERE, "prediction_id": "prediction-000001", "outcome": "leaves"}
    good = {**form, "word": word(page)}
    assert (await http.post("/review/answer", data=form)).status_code == 403
    assert (await http.post("/review/answer", data={**form, "word": "guessed"})).status_code == 403
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert (await http.post("/review/answer", data=good, headers=headers)).status_code == 403
        assert (await http.post("/review/login", data={"token": "admin"}, headers=headers)).status_code == 403
    assert (await http.post("/review/answer", data={**good, "outcome": "perhaps"})).status_code == 400
    ours = {"Origin": "http://collector:8090", "Sec-Fetch-Site": "same-origin"}
    assert (await http.post("/review/answer", data=good, headers=ours)).status_code == 303
    # The cookie opens the page alone, not the interface for programs.
    assert (await http.get("/v1/reviews/next", params=QUERY)).status_code == 401


async def test_an_answer_reaches_no_other_deployment_of_the_namespace(stand: Stand) -> None:
    await prepared(stand)
    await stand.server.predict(batch([prediction(1, id="of-another")], served(deployment="fraud")))
    http = await logged_in(stand)
    page = (await http.get("/review", params=HERE)).text
    for known in ("of-another", "of-nobody"):
        form = {**HERE, "word": word(page), "prediction_id": known, "outcome": "leaves"}
        answer = await http.post("/review/answer", data=form)
        assert answer.status_code == 400
        assert "no prediction of this deployment has this id" in answer.text
    assert await stand.count("outcome", "stored") == 0
