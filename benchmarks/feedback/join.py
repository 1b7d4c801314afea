"""A million predictions, outcomes for seventy percent of them, three versions: how long until the figures are there?"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from benchmarks.feedback.traffic import SERVED, identifier
from benchmarks.spread import spread
from viridian.feedback.figures.spans import Spans
from viridian.feedback.figures.windows import WindowSums
from viridian.feedback.ingest.predictions import lot
from viridian.feedback.storage import tables
from viridian.feedback.storage.catalog import Catalog
from viridian.feedback.storage.database import immediate, is_sqlite, open_database

LABELLED = 0.7
DAY = 86_400.0
START = 1_800_000_000.0
ROUNDS = 5
LIMIT_SECONDS = 2.0
CHUNK = 50_000
AUTOVACUUM_SECONDS = 300
"""It looks around once a minute."""


def measure(folder: Path, url: str, rows: int) -> bool:
    database = open_database(url, folder)
    engine = database.reading
    started = time.monotonic()
    labelled = _fill(engine, rows)
    print(
        f"   {rows:,} predictions and {labelled:,} outcomes written in {time.monotonic() - started:.0f} s", flush=True
    )
    asked = partial(_asked, WindowSums(engine), rows, labelled)
    if not is_sqlite(engine):
        print(
            f"   before its autovacuum has seen them: {spread([asked(1)[0] for _ in range(ROUNDS)], 's')}", flush=True
        )
        _await_autovacuum(engine)
    good = True
    for parts in (1, 24):
        times = [asked(parts) for _ in range(ROUNDS)]
        took, worked = zip(*times, strict=True)
        print(
            f"   joined and counted, 3 versions in {parts} windows: {spread(took, 's')}; {spread(worked, 's of CPU')}",
            flush=True,
        )
        good &= statistics.median(took) <= LIMIT_SECONDS
    database.dispose()
    return good


def _asked(windows: WindowSums, rows: int, labelled: int, parts: int) -> tuple[float, float]:
    """Seconds, and seconds of our processor, until the day's figures are there in so many windows."""
    began, busy = time.monotonic(), time.process_time()
    found = list(windows.of("ml", "churn", Spans.checked(START, START + DAY, DAY / parts)))
    took = time.monotonic() - began, time.process_time() - busy
    assert sum(window.performance.predicted for window in found) == rows
    assert sum(window.performance.labelled for window in found) == labelled
    return took


def _await_autovacuum(engine: sa.Engine) -> None:
    """In operation a table has been seen by it; ours is a minute old, and PostgreSQL takes it for nearly empty."""
    query = sa.text(
        "SELECT count(*) FROM pg_stat_user_tables WHERE relname IN ('predictions', 'outcomes') "
        "AND last_autovacuum IS NOT NULL AND last_autoanalyze IS NOT NULL"
    )
    until = time.monotonic() + AUTOVACUUM_SECONDS
    while time.monotonic() < until:
        with engine.connect() as connection:
            if connection.scalar(query) == 2:
                return
        time.sleep(1)
    raise RuntimeError(f"autovacuum has not seen the tables in {AUTOVACUUM_SECONDS} s")


def _fill(engine: sa.Engine, rows: int) -> int:
    """Predictions in the order of their time, then the outcomes in any order; how many of these."""
    chance = random.Random(1)
    catalog = Catalog()
    with immediate(engine.connect()) as connection, connection.begin():
        servers = [
            catalog.served(connection, msgspec.structs.replace(SERVED, version=str(n), revision=f"revision{n}")).key
            for n in range(3)
        ]
        space = catalog.space(connection, "ml")
    made = _predictions(chance, rows, space, servers)
    while chunk := list(islice(made, CHUNK)):
        with immediate(engine.connect()) as connection, connection.begin():
            connection.execute(tables.predictions.insert(), chunk)
    with engine.connect() as connection:
        keys = list(connection.scalars(sa.select(tables.predictions.c.key)))
    told = [key for key in keys if chance.random() < LABELLED]
    chance.shuffle(told)
    for begin in range(0, len(told), CHUNK):
        with immediate(engine.connect()) as connection, connection.begin():
            connection.execute(
                tables.outcomes.insert(),
                [
                    {"prediction": key, "actual": float(chance.random() < 0.5), "time": START, "rank": 0,
                     "label_definition": ""}
                    for key in told[begin : begin + CHUNK]
                ],
            )  # fmt: skip
    return len(told)


def _predictions(chance: random.Random, rows: int, space: int, servers: list[int]) -> Iterator[dict[str, Any]]:
    features = msgspec.json.encode({f"feature {n}": chance.random() for n in range(8)})
    for number in range(rows):
        at, score = START + number * DAY / rows, chance.random()
        name = identifier(chance, at)
        yield {
            "space": space, "id": name, "served": servers[number % 3], "time": at, "predicted": float(score > 0.5),
            "score": score, "lot": lot(name), "variant": "", "propensity": 1.0, "subject": None, "features": features,
        }  # fmt: skip
