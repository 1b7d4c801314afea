"""Who may do what, and what is asked of the API server for it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.support.collecting import SERVER, START, Client, ScriptedGate, Stand, batch, outcome, prediction, served
from viridian.access.caller import Caller
from viridian.api.feedback import Source
from viridian.feedback.access.authorization import Access, Right
from viridian.feedback.problems import HttpProblem

WINDOWS = "/v1/windows/ml/churn?start=0&end=1&seconds=1"
ROUTES: list[tuple[str, str, Any, Right]] = [
    ("GET", WINDOWS, None, Right.FIGURES),
    ("PUT", "/v1/snapshots/ml/churn/run-1", None, Right.KEEP),
    ("GET", "/v1/snapshots/ml/churn/run-1.parquet", None, Right.ROWS),
    ("GET", "/v1/reviews/next?namespace=ml&deployment=churn", None, Right.ROWS),
    ("GET", "/v1/reviews.jsonl?namespace=ml&deployment=churn", None, Right.ROWS),
    ("POST", "/v1/reviews?namespace=ml", [outcome(1, "leaves")], Right.LABEL),
    ("DELETE", "/v1/subjects/user-5?namespace=ml", None, Right.ERASE),
    ("PUT", "/v1/rules/ml/churn", {}, Right.KEEP),
    ("POST", "/v1/outcomes?namespace=ml", [outcome(1, "leaves")], Right.WRITE),
    ("POST", "/v1/predictions", batch([prediction(1)]), Right.WRITE),
]


async def ask(client: Client, method: str, path: str, body: Any) -> int:
    content = None if body is None else msgspec.json.encode(body)
    answer = await client.send(method, path, content=content, headers={"Content-Type": "application/json"})
    return answer.status_code


@pytest.mark.parametrize(("method", "path", "body", "right"), ROUTES, ids=lambda value: str(value)[:40])
async def test_each_route_needs_its_own_right(stand: Stand, method: str, path: str, body: Any, right: Right) -> None:
    await stand.server.predict(batch([prediction(0)]))
    others = set(Right) - {right}
    stand.gate.allow("system:serviceaccount:other:server", *others)
    assert await ask(stand.stranger, method, path, body) == 403
    stand.gate.owners["permitted"] = "permitted"
    stand.gate.allow("permitted", right)
    assert await ask(Client(stand.http, "permitted"), method, path, body) in (200, 204, 404)
    assert await ask(Client(stand.http, "unknown"), method, path, body) == 401
    without = await stand.http.request(method, path)
    assert (without.status_code, without.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_a_server_writes_for_its_own_namespace_without_any_right(stand: Stand) -> None:
    assert stand.gate.rights == {("admin", right.value, "ml") for right in Right}
    await stand.server.predict(batch([prediction(1)]))
    await stand.server.outcomes(outcome(1, "leaves"))
    assert await ask(stand.server, "POST", "/v1/predictions", batch([prediction(2)], served(namespace="other"))) == 403
    assert await ask(stand.server, "GET", WINDOWS, None) == 403, "writing is not reading"


async def test_nobody_speaks_as_a_human_without_the_right_to_label(stand: Stand) -> None:
    said = [outcome(1, "leaves", source=Source.HUMAN)]
    assert await ask(stand.server, "POST", "/v1/outcomes", said) == 403
    stand.gate.allow(SERVER, Right.LABEL)
    await stand.collector.access.require(Caller(SERVER), Right.WRITE, "ml")
    assert await ask(stand.admin, "POST", "/v1/outcomes?namespace=ml", said) == 200


async def test_when_the_api_server_is_away_the_sender_comes_again_later(stand: Stand) -> None:
    stand.gate.away = True
    content = msgspec.json.encode(batch([prediction(1)]))
    answer = await stand.server.send("POST", "/v1/predictions", content=content)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    stand.gate.away = False
    await stand.server.predict(batch([prediction(1)]))
    stand.gate.away = True
    await stand.server.predict(batch([prediction(2)]))


class _Counting:
    """A gate that changes its mind."""

    def __init__(self) -> None:
        self.identity: Caller | None = Caller("ada")
        self.allowed = True
        self.questions = 0

    async def identify(self, token: str) -> Caller | None:
        self.questions += 1
        return self.identity

    async def allows(self, identity: Caller, verb: str, namespace: str, deployment: str) -> bool:
        self.questions += 1
        return self.allowed


async def test_an_answer_is_believed_for_a_while_and_not_longer() -> None:
    gate, now = _Counting(), [0.0]
    access = Access(gate, 30.0, lambda: now[0])
    for _ in range(5):
        ada = await access.identify("token")
        await access.require(ada, Right.ERASE, "ml")
    assert gate.questions == 2
    gate.identity, gate.allowed = None, False
    now[0] = 29.0
    await access.require(await access.identify("token"), Right.ERASE, "ml")
    now[0] = 31.0
    with pytest.raises(HttpProblem, match="not valid"):
        await access.identify("token")
    with pytest.raises(HttpProblem, match="delete on modeldeployments/feedback"):
        await access.require(ada, Right.ERASE, "ml")


async def test_health_and_metrics_are_for_everybody(stand: Stand) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await stand.http.get(path)).status_code == 200, path
    assert (await stand.http.get("/v1/nothing")).status_code == 404


async def test_what_is_too_large_is_refused(stand: Stand) -> None:
    answer = await stand.server.send("POST", "/v1/outcomes", content=b" " * (33 << 20))
    assert answer.status_code == 413
    packed = await stand.server.send("POST", "/v1/outcomes", content=b"x", headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 415


async def test_a_model_without_classes_cannot_be_counted(stand: Stand) -> None:
    content = msgspec.json.encode(batch([prediction(1)], served(classes=())))
    answer = await stand.server.send("POST", "/v1/predictions", content=content)
    assert (answer.status_code, "served.classes" in answer.text) == (400, True)
    assert await stand.admin.windows(START, START + 1, 1) == []


async def test_invalid_tokens_of_one_address_are_not_all_asked_about() -> None:
    gate = ScriptedGate({"server": SERVER})
    access = Access(gate, 30.0, lambda: 0.0)
    for number in range(200):
        with pytest.raises(HttpProblem) as refused:
            await access.identify(f"invented-{number}", "10.0.0.1")
        assert refused.value.status == (401 if number <= 100 else 429)
    assert gate.questions == 101
    assert refused.value.retry_after
    assert (await access.identify("server", "10.0.0.2")).user == SERVER, "another address is asked about"
    assert (await access.identify("server", "10.0.0.1")).user == SERVER, "what is known is not asked again"


async def test_rights_that_nobody_has_are_not_all_asked_about() -> None:
    gate = ScriptedGate()
    access = Access(gate, 30.0, lambda: 0.0)
    statuses = []
    for number in range(200):
        with pytest.raises(HttpProblem) as refused:
            await access.require(Caller("ada"), Right.ROWS, "ml", f"invented-{number}")
        statuses.append(refused.value.status)
    assert statuses == [403] * 101 + [429] * 99
    gate.allow("bob", Right.ROWS)
    await access.require(Caller("bob"), Right.ROWS, "ml", "churn")
    assert gate.questions == 102


async def test_many_who_ask_the_same_at_once_are_one_question() -> None:
    gate = ScriptedGate({"server": SERVER})
    access = Access(gate, 30.0)
    async with asyncio.TaskGroup() as together:
        for _ in range(50):
            together.create_task(access.identify("server"))
    assert gate.questions == 1
    gate.away = True
    for _ in range(2):
        with pytest.raises(HttpProblem, match="does not answer"):
            await access.identify("other")
    assert gate.questions == 3, "what failed is asked again"
