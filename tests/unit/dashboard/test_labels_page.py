"""The page on which people label: whose rights decide, what is stored, and what is passed over."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import httpx
import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.support.collecting import SERVER, batch, prediction
from tests.support.collector_process import launched, reviewing
from tests.support.dashboard_models import ASKED, NOW, MemoryLabelQueue, MemoryPersonCluster, on_trial
from tests.unit.dashboard.test_dashboard_app import HOSTILE, PEOPLE, Client, as_, page
from viridian.api.feedback import PREDICTIONS_PATH, AskedRow
from viridian.dashboard.dashboard_app import DashboardApp
from viridian.dashboard.label_queue import CollectorLabelQueue
from viridian.dashboard.signed_in import proof
from viridian.dashboard.views.label_view import label_view
from viridian.http_problem import HttpProblem

PATH = "/models/ml/churn/labels"


@pytest.fixture
def queue() -> MemoryLabelQueue:
    return MemoryLabelQueue()


@pytest.fixture
async def client(queue: MemoryLabelQueue) -> AsyncIterator[Client]:
    app = DashboardApp(MemoryPersonCluster(PEOPLE, [on_trial()]), labels=queue, clock=lambda: NOW)
    async with TestClient(TestServer(app.application()), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


async def answered(client: Client, status: int = 303, token: str = "one", **fields: str) -> str:  # noqa: S107
    """Where the browser is sent after the form."""
    form = {"account": "labeller", "proof": proof(token), "prediction_id": ASKED.prediction_id, **fields}
    async with client.post(PATH, data=form, headers=as_(token), allow_redirects=False) as response:
        assert response.status == status, await response.text()
        return response.headers.get("Location", "")


async def test_the_page_asks_for_an_account_and_then_about_a_row(client: Client) -> None:
    assert "Service account that labels" in await page(client, PATH, "one")
    text = await page(client, f"{PATH}?account=labeller", "one")
    for part in (
        "tenure_months",
        "basic",
        "missing",
        ">stays</button>",
        ">leaves</button>",
        'aria-current="page">Labels',
    ):
        assert part in text
    assert f'href="{PATH}"' in await page(client, "/models/ml/churn", "one")


async def test_an_answer_is_stored_and_the_next_row_follows(client: Client, queue: MemoryLabelQueue) -> None:
    onward = await answered(client, outcome="leaves")
    assert queue.answers == {ASKED.prediction_id: "leaves"}
    text = await page(client, onward, "one")
    assert "Your answer is stored." in text
    assert "Nothing waits for you." in text


async def test_what_is_passed_over_is_not_shown_again_until_it_is_asked_for(
    client: Client, queue: MemoryLabelQueue
) -> None:
    queue.rows = [ASKED, msgspec.structs.replace(ASKED, prediction_id="second")]
    onward = await answered(client, skip="yes")
    assert 'value="second"' in await page(client, onward, "one")
    onward = await answered(client, skip="yes", prediction_id="second", skipped=ASKED.prediction_id)
    assert parse_qs(urlsplit(onward).query)["skipped"] == [ASKED.prediction_id, "second"]
    assert "Show again what you skipped" in await page(client, onward, "one")
    assert queue.answers == {}


async def test_a_number_is_a_number(client: Client, queue: MemoryLabelQueue) -> None:
    queue.rows = [msgspec.structs.replace(ASKED, classes=())]
    assert "The right number" in await page(client, f"{PATH}?account=labeller", "one")
    for wrong in ("many", "nan", "inf", ""):
        await answered(client, 400, number=wrong)
    await answered(client, number=" 2.5 ")
    assert queue.answers == {ASKED.prediction_id: 2.5}


@pytest.mark.parametrize(
    ("token", "fields", "status"),
    [
        ("one", {"proof": "made-up"}, 403),
        ("one", {"account": "default"}, 403),
        ("one", {"account": "../x"}, 400),
        ("unknown", {}, 401),
    ],
    ids=["a form of another page", "an account without the right", "no name of an account", "an unknown token"],
)
async def test_only_the_rights_of_the_person_count(
    client: Client, queue: MemoryLabelQueue, token: str, fields: dict[str, str], status: int
) -> None:
    await answered(client, status, token, outcome="leaves", **fields)
    assert queue.answers == {}


async def test_values_of_a_row_are_text(client: Client, queue: MemoryLabelQueue) -> None:
    queue.rows = [AskedRow(prediction_id=HOSTILE, features={HOSTILE: HOSTILE}, classes=(HOSTILE,))]
    assert "<script>" not in await page(client, f"{PATH}?account=labeller", "one")


async def test_a_page_of_very_many_rows_that_were_passed_over_has_a_bounded_address(client: Client) -> None:
    many = "&".join(f"skipped=row-{number}" for number in range(200))
    text = await page(client, f"{PATH}?account=labeller&{many}", "one")
    assert re.findall(r'name="skipped" value="([^"]+)"', text)[0] == "row-170"


async def test_without_a_collector_there_is_no_such_page() -> None:
    app = DashboardApp(MemoryPersonCluster(PEOPLE, [on_trial()]), clock=lambda: NOW)
    async with TestClient(TestServer(app.application()), cookie_jar=aiohttp.DummyCookieJar()) as client:
        await page(client, PATH, "one", status=404)
        assert "/labels" not in await page(client, "/models/ml/churn", "one")


def test_a_column_has_its_value_as_people_write_it() -> None:
    shown = dict(label_view(ASKED).values)
    assert shown == {"age": "43", "is_new": "no", "plan": "basic", "region": "", "tenure_months": "7"}


async def test_the_queue_of_a_real_collector(tmp_path: Path) -> None:
    owners = {"server": SERVER, "person": "system:serviceaccount:ml:labeller"}
    async with reviewing(owners) as api, launched(api, tmp_path, review_rate="1") as collector:
        body = msgspec.json.encode(batch(prediction(number, time=time.time()) for number in range(2)))
        async with httpx.AsyncClient(base_url=collector.url) as http:
            sent = await http.post(PREDICTIONS_PATH, content=body, headers={"Authorization": "Bearer server"})
            assert sent.is_success, sent.text
        queue = CollectorLabelQueue(f"{collector.url}/")
        try:
            first = await queue.next("person", "ml", "churn", ())
            assert first is not None
            second = await queue.next("person", "ml", "churn", {first.prediction_id})
            assert second is not None
            assert first.classes == ("stays", "leaves")
            await queue.answer("person", "ml", first.prediction_id, "stays")
            assert await queue.next("person", "ml", "churn", {second.prediction_id}) is None
            with pytest.raises(HttpProblem, match="the collector did not take the answer"):
                await queue.answer("person", "ml", second.prediction_id, "neither")
            with pytest.raises(HttpProblem) as problem:
                await queue.next("made-up", "ml", "churn", ())
            assert problem.value.status == 503
        finally:
            await queue.close()


async def test_a_collector_that_is_away_is_a_sentence() -> None:
    queue = CollectorLabelQueue("http://127.0.0.1:1")
    with pytest.raises(HttpProblem, match="the collector does not answer"):
        await queue.next("person", "ml", "churn", ())
    await queue.close()
