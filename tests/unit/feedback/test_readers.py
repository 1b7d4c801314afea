"""However long somebody reads, what is sent is stored and the collector is ready."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator

import msgspec
import pytest

from tests.support.collecting import START, Stand, batch, eventually, outcome, prediction, profile, profile_window
from viridian.api.profile import Profile
from viridian.feedback.figures import windows
from viridian.feedback.problems import HttpProblem
from viridian.feedback.storage import query_pool
from viridian.feedback.storage.query_pool import Readers
from viridian.judgement.merging import merge_profiles


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Whoever merges profiles waits until this is set."""
    go = threading.Event()

    def wait_and_merge(profiles: Iterable[Profile]) -> Profile | None:
        assert go.wait(60)
        return merge_profiles(profiles)

    monkeypatch.setattr(windows, "merge_profiles", wait_and_merge)
    yield go
    go.set()


async def test_many_long_questions_keep_nobody_from_storing(stand: Stand, slow: threading.Event) -> None:
    await stand.collector.sweeper.sweep()
    await stand.server.ok(
        "POST", "/v1/profiles", content=msgspec.json.encode(profile_window(0, profile((3, 1), (2, 2))))
    )
    asked = [asyncio.create_task(stand.admin.windows(START, START + 60 * n, 60)) for n in range(1, 40)]
    engine = stand.collector.engine
    await eventually(lambda: engine.pool.checkedout() > 0, "somebody reads")  # type: ignore[attr-defined]
    async with asyncio.timeout(20):
        await stand.server.predict(batch([prediction(1)]))
        await stand.server.outcomes(outcome(1, "leaves"))
        assert (await stand.http.get("/readyz")).status_code == 200
    slow.set()
    answers = await asyncio.gather(*asked)
    assert all(window.profile and window.profile.rows == 4 for answer in answers for window in answer[:1])


async def test_too_many_questions_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_pool, "_MOST_WAITING", 1)
    several, go = Readers(), threading.Event()
    asked = [asyncio.create_task(several.ask("ml", go.wait, 30)) for _ in range(query_pool.MAX_CONCURRENT + 1)]
    await asyncio.sleep(0)
    with pytest.raises(HttpProblem, match="too many questions"):
        await several.ask("ml", go.wait, 30)
    # Who waits and goes away makes room for another.
    asked.pop().cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked.append(asyncio.create_task(several.ask("ml", go.wait, 30)))
    go.set()
    assert all(await asyncio.gather(*asked))
    several.stop()


async def test_a_namespace_that_asks_much_keeps_nobody_waiting() -> None:
    several, go = Readers(), threading.Event()
    asked = [asyncio.create_task(several.ask("greedy", go.wait, 30)) for _ in range(20)]
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        assert await asyncio.gather(*(several.ask("ml", str, number) for number in range(10)))
    assert not any(one.done() for one in asked)
    go.set()
    assert all(await asyncio.gather(*asked))
    several.stop()


async def test_whoever_goes_away_in_any_order_leaves_the_threads_to_the_others() -> None:
    several, go = Readers(), threading.Event()
    asked = [asyncio.create_task(several.ask(name, go.wait, 30)) for name in ("a", "b", "c") * 10]
    await asyncio.sleep(0)
    for one in asked[5:]:
        one.cancel()
    await asyncio.gather(*asked[5:], return_exceptions=True)
    go.set()
    assert await asyncio.gather(*asked[:5])
    assert await several.ask("d", str, 1) == "1"
    assert not several._running
    several.stop()
