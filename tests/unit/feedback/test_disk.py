"""SQLite's files: what happens when the disk is full, and what is left of what was deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from tests.support.collecting import Stand, batch, collecting, outcome, prediction
from viridian.feedback.storage import tables
from viridian.feedback.storage.database import Database

PLANTED = "grace.hopper@example.org"


def limit(database: Database, more_pages: int | None) -> None:
    """As if the disk had room for so many more pages; None: for all that anybody wants."""
    with contextlib.ExitStack() as connections:
        for _ in range(2):
            connection = connections.enter_context(database.writing.connect())
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            most = 1 << 30 if more_pages is None else pages + more_pages
            connection.exec_driver_sql(f"PRAGMA max_page_count = {most}")


def ids(stand: Stand) -> set[str]:
    with stand.collector.engine.connect() as connection:
        return set(connection.scalars(sa.select(tables.predictions.c.id)))


async def test_a_full_disk_is_said_and_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    async with collecting(tmp_path) as stand:
        limit(stand.collector.database, 40)
        for begin in range(0, 10_000, 100):
            rows = [prediction(number) for number in range(begin, begin + 100)]
            answer = await stand.server.send("POST", "/v1/predictions", content=msgspec.json.encode(batch(rows)))
            if not answer.is_success:
                break
            acknowledged |= {row.id for row in rows}
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert "disk is full" in answer.json()["error"]
        assert acknowledged
        assert ids(stand) == acknowledged
        assert (await stand.http.get("/healthz")).status_code == 200
    async with collecting(tmp_path) as stand:
        assert ids(stand) == acknowledged, "after a restart, too"
        assert (await stand.server.predict(batch(rows)))["stored"] == 100, "it was enlarged"


async def test_what_is_too_old_makes_room_on_a_full_disk(tmp_path: Path) -> None:
    async with collecting(tmp_path) as stand:
        await stand.server.predict(batch(map(prediction, range(5_000))))
        limit(stand.collector.database, 0)
        stand.clock.now += 91 * 86_400
        late = [prediction(number, time=stand.clock.now) for number in range(5_000, 6_000)]
        content = msgspec.json.encode(batch(late))
        assert (await stand.server.send("POST", "/v1/predictions", content=content)).status_code == 503
        await stand.collector.sweeper.sweep()
        assert (await stand.server.predict(batch(late)))["stored"] == 1000


def holders(folder: Path) -> list[str]:
    """Names of files with the planted address in them."""
    return [path.name for path in folder.rglob("*") if path.is_file() and PLANTED.encode() in path.read_bytes()]


async def store_planted(stand: Stand) -> None:
    rows = [prediction(number, features={"email": PLANTED, "age": 30}, subject="user-5") for number in range(300)]
    await stand.server.predict(batch(rows))
    await stand.server.outcomes(*(outcome(number, "leaves", label_definition=PLANTED) for number in range(300)))


async def test_what_was_erased_is_in_no_file(tmp_path: Path) -> None:
    async with collecting(tmp_path) as stand:
        await store_planted(stand)
        assert holders(tmp_path), "something must have been stored, or nothing was tried"
        assert (await stand.admin.ok("DELETE", "/v1/subjects/user-5?namespace=ml"))["erased"] == 300
        assert holders(tmp_path) == []
        assert (tmp_path / "feedback.db-wal").stat().st_size == 0


async def test_what_is_too_old_is_in_no_file(tmp_path: Path) -> None:
    async with collecting(tmp_path) as stand:
        await store_planted(stand)
        stand.clock.now += 91 * 86_400
        await stand.collector.sweeper.sweep()
        assert holders(tmp_path) == []


async def test_while_somebody_reads_what_was_erasing_ends_and_the_next_sweep_cleans_up(tmp_path: Path) -> None:
    async with collecting(tmp_path) as stand:
        await store_planted(stand)
        with reading(stand):
            await stand.admin.ok("DELETE", "/v1/subjects/user-5?namespace=ml")
            assert not await stand.collector.writer.scrub()
            assert (await stand.server.predict(batch([prediction(1_000)])))["stored"] == 1
        await stand.collector.sweeper.sweep()
        assert holders(tmp_path) == []


@contextlib.contextmanager
def reading(stand: Stand) -> Iterator[None]:
    """A transaction that has begun to read."""
    with stand.collector.engine.connect() as connection, connection.begin():
        connection.execute(sa.select(sa.func.count()).select_from(tables.predictions))
        yield


@pytest.mark.parametrize("connections", ["reading", "writing"])
async def test_all_page_caches_together_stay_within_their_bound(tmp_path: Path, connections: str) -> None:
    async with collecting(tmp_path) as stand:
        engines = (stand.collector.database.reading, stand.collector.database.writing)
        most = sum(engine.pool.size() + engine.pool._max_overflow for engine in engines)  # type: ignore[attr-defined]
        with getattr(stand.collector.database, connections).connect() as connection:
            kibibytes = -connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
        assert kibibytes * most <= 65_536
