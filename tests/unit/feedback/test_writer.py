"""One writer: together where possible, each for itself where not, and never more than fits."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from tests.support.collecting import Stand, batch, collecting, eventually, prediction
from viridian.feedback.ingest.predictions import StorePredictions
from viridian.feedback.ingest.stored_rows import Filter
from viridian.feedback.problems import CollectorBusy, HttpProblem, ServiceUnavailable
from viridian.feedback.storage import tables
from viridian.feedback.storage.writer import COMMIT_ROWS, Transaction


@dataclass
class Held:
    """Keeps the writer busy until it is let go."""

    rows: int = 1
    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def run(self, transaction: Transaction) -> None:
        self.begun.set()
        assert self.go.wait(30)


@dataclass(frozen=True)
class Broken:
    """Writes something and then fails."""

    rows: int = 1

    def run(self, transaction: Transaction) -> None:
        transaction.catalog.space(transaction.connection, "broken")
        raise ZeroDivisionError


def store(number: int) -> StorePredictions:
    return StorePredictions(batch([prediction(number)]), Filter(b"key"))


async def test_a_full_queue_takes_no_more_and_loses_nothing(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url, queue_rows=100) as stand:
        await stand.collector.sweeper.sweep()
        writer, held = stand.collector.writer, Held(rows=99)
        first = asyncio.create_task(writer.write(held, "ml"))
        await eventually(held.begun.is_set, "the writer is busy")
        second = asyncio.create_task(writer.write(store(1), "ml"))
        await asyncio.sleep(0)
        with pytest.raises(CollectorBusy):
            await writer.write(store(2), "ml")
        answer = await stand.server.send("POST", "/v1/outcomes", data={"prediction_id": "a", "outcome": "1"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
        held.go.set()
        await asyncio.gather(first, second)
        assert (await writer.write(store(2))).stored.stored == 1
        assert (await writer.write(store(1))).stored.duplicates == 1


async def test_a_full_queue_does_not_keep_the_sweeper_from_making_room(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url, queue_rows=100) as stand:
        await stand.collector.sweeper.sweep()
        await stand.server.predict(batch([prediction(1)]))
        stand.clock.now += 91 * 86_400
        held = Held(rows=100)
        first = asyncio.create_task(stand.collector.writer.write(held))
        await eventually(held.begun.is_set, "the writer is busy")
        sweeping = asyncio.create_task(stand.collector.sweeper.sweep())
        await eventually(lambda: stand.collector.writer._queue or sweeping.done(), "the sweeper has given its work")
        held.go.set()
        await asyncio.gather(first, sweeping)
        assert await stand.count("prediction", "expired") == 1


async def test_bodies_count_until_what_they_say_is_stored(tmp_path: Path, database_url: str) -> None:
    content = msgspec.json.encode(batch(map(prediction, range(50))))
    async with collecting(tmp_path, database_url, max_body_bytes=len(content)) as stand:
        await stand.collector.sweeper.sweep()
        held = Held()
        first = asyncio.create_task(stand.collector.writer.write(held))
        await eventually(held.begun.is_set, "the writer is busy")
        # What is made of the largest body takes the rest of its namespace's share.
        waiting = [asyncio.create_task(stand.server.send("POST", "/v1/predictions", content=content))]
        queue = stand.collector.writer._queue  # the sweeper may wait there as well
        await eventually(lambda: any(isinstance(one.work, StorePredictions) for one in queue), "the body waits")
        answer = await stand.server.send("POST", "/v1/predictions", content=content)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
        held.go.set()
        await first
        assert all(answer.is_success for answer in await asyncio.gather(*waiting))
        assert (await stand.server.send("POST", "/v1/predictions", content=content)).is_success


async def test_a_namespace_that_fills_the_queue_keeps_nobody_else_out(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url, queue_rows=100) as stand:
        await stand.collector.sweeper.sweep()
        writer, held = stand.collector.writer, Held(rows=90)
        much: list[asyncio.Task[Any]] = [asyncio.create_task(writer.write(held, "greedy"))]
        await eventually(held.begun.is_set, "the writer is busy")
        much += [asyncio.create_task(writer.write(store(number), "greedy")) for number in range(10)]
        late = Held(rows=COMMIT_ROWS)
        much.append(asyncio.create_task(writer.write(late, "greedier")))
        mine = asyncio.create_task(stand.server.predict(batch([prediction(100)])))
        await eventually(lambda: any(one.namespace == "ml" for one in writer._queue), "it waits")
        with pytest.raises(CollectorBusy):
            await writer.write(store(11), "greedy")
        held.go.set()
        assert (await mine)["stored"] == 1, "in its turn, not behind all that others want"
        assert not much[-1].done()
        late.go.set()
        await asyncio.gather(*much)


async def test_one_that_fails_takes_nobody_along(stand: Stand) -> None:
    writer, held = stand.collector.writer, Held()
    first = asyncio.create_task(writer.write(held))
    await eventually(held.begun.is_set, "the writer is busy")
    one = asyncio.create_task(writer.write(store(1)))
    broken = asyncio.create_task(writer.write(Broken()))
    two = asyncio.create_task(writer.write(store(2)))
    await asyncio.sleep(0)
    held.go.set()
    await first
    with pytest.raises(ZeroDivisionError):
        await broken
    assert ((await one).stored.stored, (await two).stored.stored) == (1, 1)
    with stand.collector.engine.connect() as connection:
        assert list(connection.scalars(sa.select(tables.spaces.c.namespace))) == ["ml"]


async def test_what_waits_when_it_is_stopped_is_written_and_nothing_more_is_taken(
    tmp_path: Path, database_url: str
) -> None:
    async with collecting(tmp_path, database_url) as stand:
        writer, held = stand.collector.writer, Held()
        waiting = [asyncio.create_task(writer.write(held)), asyncio.create_task(writer.write(store(1)))]
        await eventually(held.begun.is_set, "the writer is busy")
        stopping = asyncio.create_task(writer.stop())
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable):
            await writer.write(store(2))
        held.go.set()
        await stopping
        await asyncio.gather(*waiting)
        assert (await stand.http.get("/healthz")).status_code == 503
    async with collecting(tmp_path, database_url) as stand:
        assert (await stand.collector.writer.write(store(1))).stored.duplicates == 1


async def test_a_sender_that_goes_away_is_not_waited_for(stand: Stand) -> None:
    writer, held = stand.collector.writer, Held()
    first = asyncio.create_task(writer.write(held))
    await eventually(held.begun.is_set, "the writer is busy")
    gone = asyncio.create_task(writer.write(store(1)))
    await asyncio.sleep(0)
    gone.cancel()
    held.go.set()
    await first
    assert (await writer.write(store(1))).stored.duplicates == 1


def test_every_problem_has_a_sentence() -> None:
    for problem in (CollectorBusy(), ServiceUnavailable("the database"), HttpProblem(400, "no")):
        assert str(problem) == problem.sentence
