"""A steady load of predictions and outcomes, then as much as it takes."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import psutil

from benchmarks.feedback.traffic import HEADERS, OWNERS, batch
from tests.support.collector_process import CollectorProcess, launched, reviewing
from viridian.api.feedback import Outcome

BATCH = 100
LABELLED = 0.7
FULL_SPEED_SECONDS = 10.0
SENDERS = 4


@dataclass
class Seen:
    """What the senders saw."""

    rows: int = 0
    outcomes: int = 0
    failed: int = 0
    seconds: list[float] = field(default_factory=list)
    """From sending a request to the answer that it is on disk."""


async def measure(folder: Path, url: str, rate: int, seconds: float) -> bool:
    async with (
        reviewing(OWNERS) as api,
        launched(api, folder, url, namespace_rows="0", namespace_bytes="0") as collector,
        httpx.AsyncClient(base_url=collector.url, headers=HEADERS, timeout=30) as http,
    ):
        process = psutil.Process(collector.process.pid)
        before = process.cpu_times()
        seen = Seen()
        started = time.monotonic()
        await asyncio.gather(*(_sender(http, seen, number, rate / SENDERS, seconds) for number in range(SENDERS)))
        took = time.monotonic() - started
        after = process.cpu_times()
        cpu = (after.user + after.system - before.user - before.system) / took
        memory = process.memory_info().rss / 2**20
        offered = round(rate * seconds)
        _tell(f"offered {rate}/s for {seconds:.0f} s", seen, took)
        print(f"   collector: {cpu:.2f} cores, {memory:.0f} MB resident, {_stored(folder)}")
        fast = Seen()
        started = time.monotonic()
        await asyncio.gather(*(_flood(http, fast, number, started) for number in range(SENDERS)))
        _tell("as fast as it takes them", fast, time.monotonic() - started)
        predicted = await _counted(collector)
    good = not seen.failed and not fast.failed and seen.rows >= offered * 0.99 and took < seconds * 1.05
    return good and predicted == seen.rows + fast.rows


async def _sender(http: httpx.AsyncClient, seen: Seen, number: int, rate: float, seconds: float) -> None:
    chance = random.Random(number)
    pause, started = BATCH / rate, time.monotonic()
    for turn in range(round(seconds / pause)):
        await asyncio.sleep(max(0.0, started + (turn + number / SENDERS) * pause - time.monotonic()))
        await _send(http, seen, chance)


async def _flood(http: httpx.AsyncClient, seen: Seen, number: int, started: float) -> None:
    chance = random.Random(1000 + number)
    while time.monotonic() < started + FULL_SPEED_SECONDS:
        await _send(http, seen, chance)


async def _send(http: httpx.AsyncClient, seen: Seen, chance: random.Random) -> None:
    """A batch of predictions, and outcomes of most of them."""
    rows = batch(chance, BATCH)
    await _post(http, seen, "/v1/predictions", msgspec.json.encode(rows))
    seen.rows += BATCH
    said = [
        Outcome(prediction_id=row.id, outcome=chance.random() < 0.5) for row in rows.rows if chance.random() < LABELLED
    ]
    await _post(http, seen, "/v1/outcomes", msgspec.json.encode(said))
    seen.outcomes += len(said)


async def _post(http: httpx.AsyncClient, seen: Seen, path: str, content: bytes) -> None:
    sent = time.monotonic()
    answer = await http.post(path, content=content)
    seen.seconds.append(time.monotonic() - sent)
    seen.failed += not answer.is_success


async def _counted(collector: CollectorProcess) -> int:
    async with httpx.AsyncClient(base_url=collector.url) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    name = 'viridian_collector_rows_total{fate="stored",kind="prediction"} '
    return next(int(float(line.removeprefix(name))) for line in lines if line.startswith(name))


def _tell(what: str, seen: Seen, took: float) -> None:
    cuts = statistics.quantiles(seen.seconds, n=100)
    print(
        f"   {what}: {seen.rows / took:,.0f} predictions/s and {seen.outcomes / took:,.0f} outcomes/s, {seen.failed} "
        f"failed; on disk after p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms",
        flush=True,
    )


def _stored(folder: Path) -> str:
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{total / 2**20:.0f} MB in its folder"
