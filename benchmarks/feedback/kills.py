"""Killed under load, again and again: what was acknowledged is there, and once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import sqlalchemy as sa

from benchmarks.feedback.traffic import HEADERS, OWNERS, batch
from tests.support.collector_process import launched, reviewing
from viridian.api.feedback import Outcome
from viridian.feedback.storage import tables
from viridian.feedback.storage.database import open_database

SENDERS = 4
BATCH = 50


@dataclass
class Promised:
    """What was answered with 2xx, and what was sent at all."""

    predictions: set[str] = field(default_factory=set)
    outcomes: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def predicted(self, ids: set[str]) -> None:
        self.predictions |= ids
        self._more.set()

    async def until(self, predictions: int) -> None:
        """Returns when so many have been acknowledged."""
        while len(self.predictions) < predictions:
            self._more.clear()
            await self._more.wait()


async def measure(folder: Path, url: str, kills: int) -> bool:
    chance = random.Random(7)
    promised = Promised()
    async with reviewing(OWNERS) as api:
        for number in range(kills):
            async with launched(api, folder, url) as collector:
                enough = len(promised.predictions) + chance.randint(5, 60) * BATCH
                senders = [
                    asyncio.create_task(_send(collector.url, promised, random.Random(f"{number} {sender}")))
                    for sender in range(SENDERS)
                ]
                # At any moment of its work, not only when an answer has just gone out.
                await promised.until(enough)
                await asyncio.sleep(chance.random() / 100)
                collector.kill()
                await collector.process.wait()
                await asyncio.gather(*senders)
    return _found(folder, url, kills, promised)


async def _send(url: str, promised: Promised, chance: random.Random) -> None:
    """Until nobody answers. What was not answered is not sent again: it may be there or not."""
    async with httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=30) as http:
        try:
            while True:
                rows = batch(chance, BATCH)
                promised.sent |= {row.id for row in rows.rows}
                (await http.post("/v1/predictions", content=msgspec.json.encode(rows))).raise_for_status()
                promised.predicted({row.id for row in rows.rows})
                # At least once: the same again must not be there twice.
                (await http.post("/v1/predictions", content=msgspec.json.encode(rows))).raise_for_status()
                said = [Outcome(prediction_id=row.id, outcome=True) for row in rows.rows]
                (await http.post("/v1/outcomes", content=msgspec.json.encode(said))).raise_for_status()
                promised.outcomes |= {row.id for row in rows.rows}
        except httpx.TransportError:
            return


def _found(folder: Path, url: str, kills: int, promised: Promised) -> bool:
    database = open_database(url, folder)
    predictions, outcomes = tables.predictions, tables.outcomes
    labelled = sa.select(predictions.c.id).join(outcomes, outcomes.c.prediction == predictions.c.key)
    with database.reading.connect() as connection:
        stored = list(connection.scalars(sa.select(predictions.c.id)))
        joined = set(connection.scalars(labelled))
    database.dispose()
    missing = len(promised.predictions - set(stored)) + len(promised.outcomes - joined)
    double, foreign = len(stored) - len(set(stored)), len(set(stored) - promised.sent)
    print(
        f"   killed {kills} times: {len(promised.predictions):,} predictions and {len(promised.outcomes):,} outcomes "
        f"acknowledged, {missing} missing, {double} double, {foreign} that nobody sent",
        flush=True,
    )
    return not missing and not double and not foreign
