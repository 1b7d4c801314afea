"""Live answers first: whatever a challenger does, its champion's users do not notice, and memory stays bounded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.support import models
from tests.support.challengers import (
    POISON,
    Behaviour,
    answers,
    challenged,
    closes,
    floods,
    sleeps,
    trickles,
    writes,
)
from tests.support.server_process import ServerProcess, proven, running
from viridian.api.shadow import SHADOW_HEADER, Drop, Failure, ShadowOrder
from viridian.serving.data.prediction_bins import NoBins
from viridian.serving.rate_limit import Rate
from viridian.serving.shadow import challenger as challenger_module
from viridian.serving.shadow import mirror as module
from viridian.serving.shadow.mirror import Shadow, sampled

ONE = json.dumps({"inputs": [models.FLOWER]}).encode()
GOOD = b'{"predictions":[0]}'

# ---- the sample ----


@given(st.uuids(), st.floats(0, 100), st.floats(0, 100))
def test_a_larger_share_copies_what_a_smaller_one_does_and_more(one: uuid.UUID, less: float, more: float) -> None:
    less, more = sorted((less, more))
    assert sampled(str(one), more) or not sampled(str(one), less)
    assert sampled(str(one), 100)
    assert not sampled(str(one), 0)


@pytest.mark.parametrize("share", [1, 10, 50])
def test_a_share_is_a_share(share: int) -> None:
    chance = random.Random(share)
    named = sum(sampled(str(uuid.UUID(int=chance.getrandbits(128))), share) for _ in range(20_000))
    assert named / 200 == pytest.approx(share, rel=0.1)


def test_the_rate_is_kept_and_a_second_of_it_saved() -> None:
    now = 0.0
    rate = Rate(10, lambda: now)
    assert [rate.allows() for _ in range(11)] == [True] * 10 + [False]
    now = 0.25
    assert [rate.allows() for _ in range(3)] == [True, True, False]
    now = 1000.0
    assert sum(rate.allows() for _ in range(100)) == 10


# ---- the queue ----


@pytest.fixture
async def shadow(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shadow]:
    """A shadow that may copy as quickly as it likes."""
    monkeypatch.setattr(module, "MAX_PER_SECOND", 1e9)
    made = Shadow(NoBins)
    yield made
    made.stop()


def order(target: str, **other: Any) -> ShadowOrder:
    return ShadowOrder(**{"target": target, "revision": "new", "share": 100, "seconds": 600, **other})


def offer(shadow: Shadow, number: int = 0, body: bytes = ONE, answer: bytes = GOOD) -> None:
    shadow.offer(f"id-{number}", b"/invocations", [(b"content-type", b"application/json")], body, answer)


def told(shadow: Shadow, name: str, **labels: str) -> float:
    """One count of the shadow's metrics."""
    return next(
        sample.value
        for family in shadow.families((), ())
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def failures(shadow: Shadow) -> float:
    """Copies that were not answered, for whatever reason."""
    return sum(
        sample.value
        for family in shadow.families((), ())
        for sample in family.samples
        if sample.name == "viridian_shadow_failures_total"
    )


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - it happens in tasks of the code under test
        await asyncio.sleep(0.001)


async def test_a_copy_is_the_request_and_says_that_it_is_one(shadow: Shadow) -> None:
    async with challenged(answers(200, GOOD)) as other:
        shadow.follow(order(other.url))
        headers = [(b"content-type", b"application/json"), (b"cookie", b"secret"), (b"authorization", b"secret")]
        shadow.offer("id-7", b"/v2/models/a%20b/infer", headers, ONE, GOOD)
        await until(lambda: told(shadow, "viridian_shadow_compared_total") == 1)
        (seen,) = other.seen
        assert seen.head.startswith("POST /v2/models/a%20b/infer HTTP/1.1\r\n")
        assert seen.body == ONE
        assert seen.header(SHADOW_HEADER) == "id-7"
        assert "secret" not in seen.head, "what identifies the user stays here"


async def test_what_does_not_fit_is_dropped_and_memory_is_bounded(shadow: Shadow) -> None:
    async with challenged(sleeps) as other:
        shadow.follow(order(other.url))
        for number in range(2_000):
            offer(shadow, number, bytes(100_000))
        trial = shadow._trial
        assert trial is not None
        assert trial._bytes <= module.MAX_WAITING_BYTES
        assert told(shadow, "viridian_shadow_dropped_total", reason=Drop.QUEUE_FULL) >= 2_000 - module.MAX_WAITING
        await until(lambda: len(other.seen) == module.WORKERS)
        assert trial._bytes <= module.MAX_WAITING_BYTES


async def test_few_large_requests_fill_the_queue_as_well(shadow: Shadow) -> None:
    async with challenged(sleeps) as other:
        shadow.follow(order(other.url))
        offer(shadow, 0, bytes(module.MAX_REQUEST_BYTES + 1))
        offer(shadow, 1, ONE, bytes(challenger_module.MAX_ANSWER_BYTES + 1))
        assert told(shadow, "viridian_shadow_dropped_total", reason=Drop.TOO_LARGE) == 2
        for number in range(5):
            offer(shadow, number, bytes(module.MAX_REQUEST_BYTES))
        assert told(shadow, "viridian_shadow_dropped_total", reason=Drop.QUEUE_FULL) == 2


async def test_no_more_copies_than_the_rate(shadow: Shadow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PER_SECOND", 3.0)
    async with challenged(answers(200, GOOD)) as other:
        shadow.follow(order(other.url))
        for number in range(10):
            offer(shadow, number)
        dropped = told(shadow, "viridian_shadow_dropped_total", reason=Drop.RATE)
        await until(lambda: told(shadow, "viridian_shadow_compared_total") == 10 - dropped)
        assert dropped >= 6


BAD: dict[str, tuple[Behaviour, Failure]] = {
    "500": (answers(500, POISON), Failure.FAILED),
    "sleeps": (sleeps, Failure.TIME_OUT),
    "byte by byte": (trickles, Failure.TIME_OUT),
    "closes": (closes, Failure.CLOSED),
    "rubbish": (writes(b"\x00" + POISON), Failure.MALFORMED),
    "not JSON": (answers(200, POISON), Failure.MALFORMED),
    "no answer of the protocol": (answers(200, b'{"result": "poison"}'), Failure.MALFORMED),
    "other rows": (answers(200, b'{"predictions": ["poison", "poison"]}'), Failure.UNLIKE),
    "another revision": (answers(200, GOOD, "x-viridian-revision: poison"), Failure.OTHER_REVISION),
    "without an end": (floods, Failure.TOO_LARGE),
}


@pytest.mark.parametrize(("behaviour", "reason"), BAD.values(), ids=BAD)
async def test_each_failure_is_counted_and_the_workers_go_on(
    shadow: Shadow, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, reason: Failure
) -> None:
    monkeypatch.setattr(challenger_module, "ANSWER_SECONDS", 0.05 if reason is Failure.TIME_OUT else 60.0)
    async with challenged(behaviour) as other:
        shadow.follow(order(other.url))
        for number in range(3 * module.WORKERS):
            offer(shadow, number)
        count = 3 * module.WORKERS
        await until(lambda: told(shadow, "viridian_shadow_failures_total", reason=reason) == count)
        assert told(shadow, "viridian_shadow_compared_total") == 0
        assert len(other.seen) == count


async def test_a_fault_of_ours_is_counted_and_the_workers_go_on(
    shadow: Shadow, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(NoBins):
        def of(self, outputs: object) -> Any:
            raise LookupError(POISON.decode())

    shadow = Shadow(Broken)
    async with challenged(answers(200, GOOD)) as other:
        shadow.follow(order(other.url))
        for number in range(2 * module.WORKERS):
            offer(shadow, number)
        count = 2 * module.WORKERS
        await until(lambda: told(shadow, "viridian_shadow_failures_total", reason=Failure.INTERNAL) == count)
        shadow.stop()
    assert POISON.decode() not in caplog.text


# ---- the lease ----


async def test_without_another_order_it_ends_by_itself(shadow: Shadow) -> None:
    async with challenged(answers(200, GOOD)) as other:
        shadow.follow(order(other.url, seconds=0.05))
        offer(shadow)
        await until(lambda: told(shadow, "viridian_shadow_compared_total") == 1)
        await until(lambda: told(shadow, "viridian_shadow_share") == 0)
        offer(shadow, 1)
        shadow.follow(order(other.url))
        offer(shadow, 2)
        await until(lambda: told(shadow, "viridian_shadow_compared_total") == 2)
        assert [request.header(SHADOW_HEADER) for request in other.seen] == ["id-0", "id-2"]


async def test_an_order_that_is_repeated_prolongs_the_lease_and_keeps_connections(shadow: Shadow) -> None:
    async with challenged(answers(200, GOOD)) as other:
        shadow.follow(order(other.url, seconds=0.05))
        shadow.follow(order(other.url, share=50))
        ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.06, ended.set_result, None)
        await ended
        assert told(shadow, "viridian_shadow_share") == 50
        for number in range(1, 4):
            while told(shadow, "viridian_shadow_compared_total") < number:
                offer(shadow, random.Random(number).getrandbits(32))
                await asyncio.sleep(0)
        # A copy that was not answered in time takes its connection with it.
        assert other.connections <= module.WORKERS + failures(shadow)


async def test_an_order_about_another_revision_begins_anew(shadow: Shadow) -> None:
    async with challenged(answers(200, GOOD, "x-viridian-revision: new")) as other:
        shadow.follow(order(other.url, revision="old"))
        offer(shadow)
        await until(lambda: told(shadow, "viridian_shadow_failures_total", reason=Failure.OTHER_REVISION) == 1)
        shadow.follow(order(other.url))
        assert told(shadow, "viridian_shadow_failures_total", reason=Failure.OTHER_REVISION) == 0
        offer(shadow)
        await until(lambda: told(shadow, "viridian_shadow_compared_total", challenger="new") == 1)


async def test_another_comparison_or_tolerance_counts_from_the_beginning(shadow: Shadow) -> None:
    async with challenged(answers(200, GOOD)) as other:
        for number, (name, tolerance) in enumerate((("a", None), ("b", None), ("b", 0.5))):
            shadow.follow(order(other.url, comparison=name, tolerance=tolerance))
            assert told(shadow, "viridian_shadow_disagreement_count") == 0
            offer(shadow, number)
            await until(lambda: told(shadow, "viridian_shadow_disagreement_count") == 1)
            assert told(shadow, "viridian_shadow_share", comparison=name) == 100


async def test_stopping_lets_go_of_everything(shadow: Shadow) -> None:
    async with challenged(sleeps) as other:
        shadow.follow(order(other.url))
        for number in range(50):
            offer(shadow, number)
        await until(lambda: len(other.seen) == module.WORKERS)
        shadow.stop()
        shadow.stop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await until(lambda: not [task for task in others if "_work" in str(task.get_coro()) and not task.done()])
        assert len(other.seen) == module.WORKERS, "what waited was not sent"


# ---- the real process ----

INFER = "/v2/models/the flowers/infer"


@contextlib.asynccontextmanager
async def talking() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def command(http: aiohttp.ClientSession, server: ServerProcess, **what: Any) -> None:
    body = {"revision": "new", "share": 100, "seconds": 600, **what}
    async with http.post(f"{server.management}/shadow", **proven("/shadow", body)) as response:
        assert response.status == 204, await response.text()


async def asked(http: aiohttp.ClientSession, server: ServerProcess, body: bytes) -> bytes:
    async with http.post(f"{server.url}/invocations", data=body) as response:
        assert response.status == 200
        assert POISON.decode() not in str(response.headers)
        return await response.read()


async def count(http: aiohttp.ClientSession, server: ServerProcess, name: str, **labels: str) -> float:
    """The value of one series; 0 while there is none."""
    async with http.get(f"{server.management}/metrics") as response:
        for line in (await response.text()).splitlines():
            if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
                return float(line.rpartition(" ")[2])
    return 0.0


@pytest.mark.parametrize("kind", ["500", "sleeps", "byte by byte", "closes", "rubbish", "another revision"])
async def test_users_do_not_notice_a_bad_challenger(tmp_path: Path, kind: str) -> None:
    behaviour, reason = BAD[kind]
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        challenged(behaviour) as other,
        running(directory, tmp_path, shadow_target=other.url) as champion,
        talking() as http,
    ):
        large = json.dumps({"inputs": [models.FLOWER] * 3_000}).encode()
        assert await asked(http, champion, ONE) == GOOD
        expected = await asked(http, champion, large)
        process = psutil.Process(champion.process.pid)
        before = process.memory_info().rss
        await command(http, champion, target=other.url)
        for number in range(200):
            body, answer = (large, expected) if number % 5 == 0 else (ONE, GOOD)
            assert await asked(http, champion, body) == answer
        while not (
            await count(http, champion, "viridian_shadow_failures_total", reason=reason)
            or await count(http, champion, "viridian_shadow_dropped_total", reason="QueueFull")
        ):
            pass
        # What may wait, once more for what Python keeps of it, and what other requests need.
        assert process.memory_info().rss - before < 4 * module.MAX_WAITING_BYTES
        assert await count(http, champion, "viridian_requests_total", code="2xx") == 202
        assert await count(http, champion, "viridian_requests_total", code="5xx") == 0
        async with http.delete(f"{champion.management}/shadow", **proven("/shadow", b"", "DELETE")) as response:
            assert response.status == 204
        assert await count(http, champion, "viridian_shadow_share") == 0
        champion.terminate()
        assert await champion.process.wait() == 0


async def test_the_answers_of_two_versions_are_compared(tmp_path: Path) -> None:
    """The challenger tells a copy from a user's request by its header, and counts it apart."""
    features, classes = models.iris()
    rows = features[::8].tolist()
    assert len(rows) < module.MAX_PER_SECOND, "all of them are copied"
    stiff = make_pipeline(StandardScaler(), LogisticRegression(C=0.003)).fit(features, classes)
    one = models.write_onnx_mlflow(tmp_path / "one")
    two = models.write_onnx_mlflow(tmp_path / "two", payload=models.onnx_bytes(stiff, len(models.IRIS)))
    async with (
        challenged(answers(200, b"{}")) as third,
        running(two, tmp_path, revision="new", model_version="8", slot="blue", shadow_target=third.url) as challenger,
        running(one, tmp_path, revision="old", shadow_target=challenger.url) as champion,
        talking() as http,
    ):
        await command(http, champion, target=challenger.url)
        await command(http, challenger, target=third.url, revision="third")
        agreeing, difference = 0, 0.0
        paths = (INFER, "/v2/models/the flowers/versions/7/infer")
        for number, row in enumerate(rows):
            labels, probabilities = await inferred(http, champion, paths[number % 2], row)
            agreeing += labels == stiff.predict([row]).tolist()
            theirs = stiff.predict_proba([row])[0].tolist()
            difference += max(abs(a - b) for a, b in zip(probabilities, theirs, strict=True))
        assert len(rows) / 2 < agreeing < len(rows), "the two models are alike, but not the same"
        both = {"challenger": "new", "revision": "old"}
        while await count(http, champion, "viridian_shadow_compared_total", **both) < len(rows):
            pass
        assert await count(http, champion, "viridian_shadow_rows_total") == len(rows)
        assert await count(http, champion, "viridian_shadow_agreeing_rows_total") == agreeing
        assert await count(http, champion, "viridian_shadow_difference_count") == len(rows)
        assert await count(http, champion, "viridian_shadow_difference_sum") == pytest.approx(difference, rel=1e-3)
        assert await count(http, challenger, "viridian_requests_total", code="2xx") == 0
        assert await count(http, challenger, "viridian_request_duration_seconds_count") == 0
        assert await count(http, challenger, "viridian_shadow_requests_total", code="2xx") == len(rows)
        assert await count(http, challenger, "viridian_shadow_request_duration_seconds_count") == len(rows)
        await asked(http, challenger, ONE)
        await until(lambda: len(third.seen) == 1)
        assert third.seen[0].body == ONE, "a user's request is copied, a copy is not"


async def test_raw_tensors_are_copied_and_compared(tmp_path: Path) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        running(directory, tmp_path, revision="new") as challenger,
        running(directory, tmp_path, revision="old", shadow_target=challenger.url) as champion,
        talking() as http,
    ):
        await command(http, champion, target=challenger.url)
        row = np.array(models.FLOWER, dtype="<f8").tobytes()
        tensor = {"name": "rows", "shape": [1, 4], "datatype": "FP64", "parameters": {"binary_data_size": len(row)}}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        lengths = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
        async with http.post(champion.url + INFER, data=head + row, headers=lengths) as response:
            assert response.status == 200
            assert "inference-header-content-length" in response.headers
        while not await count(http, champion, "viridian_shadow_compared_total"):
            pass
        assert await count(http, champion, "viridian_shadow_agreeing_rows_total") == 1
        assert await count(http, champion, "viridian_shadow_difference_count") == 1
        assert await count(http, champion, "viridian_shadow_difference_sum") == 0


async def inferred(
    http: aiohttp.ClientSession, server: ServerProcess, path: str, row: list[float]
) -> tuple[list[int], list[float]]:
    tensor = {"inputs": [{"name": "rows", "shape": [1, 4], "datatype": "FP64", "data": row}]}
    async with http.post(server.url + path, json=tensor) as response:
        assert response.headers["x-viridian-revision"] == "old"
        label, probabilities = (await response.json())["outputs"]
    return label["data"], probabilities["data"]


async def test_refused_and_failed_live_requests_are_not_copied(tmp_path: Path) -> None:
    directory = models.write_picky(tmp_path / "model")
    async with (
        challenged(answers(200, GOOD)) as other,
        running(directory, tmp_path, shadow_target=other.url) as champion,
        talking() as http,
    ):
        await command(http, champion, target=other.url)
        for number, status in ((99, 500), ("x", 400), (3, 200)):
            async with http.post(f"{champion.url}/invocations", json={"inputs": [[number]]}) as response:
                assert response.status == status
        while not await count(http, champion, "viridian_shadow_compared_total"):
            pass
        assert [json.loads(request.body) for request in other.seen] == [{"inputs": [[3]]}]


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with (
        challenged(answers(200, GOOD)) as elsewhere,
        challenged(answers(307, b"", f"location: {elsewhere.url}/invocations")) as other,
        running(directory, tmp_path, shadow_target=other.url) as champion,
        talking() as http,
    ):
        await command(http, champion, target=other.url)
        await asked(http, champion, ONE)
        while not await count(http, champion, "viridian_shadow_failures_total", reason=Failure.STATUS):
            pass
        assert elsewhere.connections == 0


PREVIEW = "http://churn-preview:8080"
ELSEWHERE = (
    "http://churn-preview:8081",
    "http://churn-preview:8080/",
    "http://churn-preview.other:8080",
    "http://churn-preview:8080@10.0.0.1",
    "http://10.0.0.1:9000",
    "https://churn-preview:8080",
    "",
)
WRONG: list[tuple[dict[str, Any], str]] = [
    *(({"target": target}, f"target is {PREVIEW} and no other address") for target in ELSEWHERE),
    ({"share": 0}, "Expected `float` > 0.0 - at `$.share`"),
    ({"share": 101}, "Expected `float` <= 100.0 - at `$.share`"),
    ({"seconds": 1e9}, "Expected `float` <= 600.0 - at `$.seconds`"),
    ({"unknown": 1}, "Object contains unknown field `unknown`"),
]


async def test_an_order_that_makes_no_sense_is_400_in_words(tmp_path: Path) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with running(directory, tmp_path, shadow_target=PREVIEW) as server, talking() as http:
        for wrong, message in WRONG:
            body = {"target": PREVIEW, "revision": "new", "share": 1, "seconds": 1, **wrong}
            async with http.post(f"{server.management}/shadow", **proven("/shadow", body)) as response:
                assert response.status == 400
                assert (await response.json())["error"] == message
        async with http.get(f"{server.management}/shadow") as response:
            assert response.status == 405
