"""What a row and a window of a profile take on disk."""

from __future__ import annotations

import random
from bisect import bisect_left
from pathlib import Path

import msgspec

from benchmarks.feedback.traffic import SERVED, batch
from viridian.api.feedback import ProfileWindow
from viridian.api.profile import MAX_EDGES, SCORE_GRID, Numbers, Profile
from viridian.feedback.ingest.outcomes import OutcomeInput, StoreOutcomes
from viridian.feedback.ingest.predictions import StorePredictions
from viridian.feedback.ingest.profiles import StoreProfile
from viridian.feedback.ingest.stored_rows import Filter
from viridian.feedback.storage.catalog import Catalog
from viridian.feedback.storage.database import Database, immediate, open_database, scrub
from viridian.feedback.storage.writer import Transaction, WriteJob

ROWS = 20_000
WINDOWS = 300
FEATURES = (10, 50)
ROWS_A_WINDOW = 6_000
"""A hundred a second."""


def measure(folder: Path, url: str) -> bool:
    """Prints what each kind takes, in bytes; there is no bound to keep."""
    database = open_database(url, folder)
    chance = random.Random(5)
    rows = batch(chance, ROWS)
    told = [OutcomeInput(0, row.id, chance.random() < 0.5, row.time, 0) for row in rows.rows]
    now = rows.rows[-1].time
    for what, work, number in (
        ("predictions of 10 features", StorePredictions(rows, Filter(b"key")), ROWS),
        ("outcomes", StoreOutcomes(SERVED.namespace, told), ROWS),
    ):
        print(f"   {what}: {_grown(database, [work], now) / number:,.0f} bytes each", flush=True)
    for features in FEATURES:
        windows = [_window(number, live_profile(features, chance), now) for number in range(WINDOWS)]
        grown = _grown(database, [StoreProfile(window) for window in windows], now)
        sent = len(msgspec.json.encode(windows[0].profile))
        print(f"   a window of {features} features: {grown / WINDOWS:,.0f} bytes ({sent:,} as JSON)", flush=True)
    database.dispose()
    return True


def _grown(database: Database, works: list[WriteJob[object]], now: float) -> int:
    """By how many bytes the database is larger afterwards, without its write-ahead log."""
    scrub(database.writing)
    before = database.bytes()
    with immediate(database.writing.connect()) as connection, connection.begin():
        transaction = Transaction(connection, Catalog(), now)
        for work in works:
            work.run(transaction)
    scrub(database.writing)
    return database.bytes() - before


def _window(number: int, profile: Profile, now: float) -> ProfileWindow:
    pod = f"churn-green-{len(profile.features)}"
    start = now - 60.0 * (WINDOWS - number)
    return ProfileWindow(served=SERVED, pod=pod, sequence=number, start=start, end=start + 60.0, profile=profile)


def live_profile(features: int, chance: random.Random | None = None) -> Profile:
    """A minute of a busy server, on bins as trainers make them: MAX_EDGES quantiles of each feature."""
    chance = chance or random.Random(0)
    quantiles = random.Random(1)
    grid = tuple(round(n * SCORE_GRID, 2) for n in range(1, round(1 / SCORE_GRID)))
    return Profile(
        features={
            f"feature {n}": _counted(tuple(sorted(quantiles.gauss(n, 1 + n) for _ in range(MAX_EDGES))), n, chance)
            for n in range(features)
        },
        prediction=_counted(grid, 0, chance),
        rows=ROWS_A_WINDOW,
        sampled=ROWS_A_WINDOW,
    )


def _counted(edges: tuple[float, ...], place: int, chance: random.Random) -> Numbers:
    values = [chance.gauss(place, 1 + place) for _ in range(ROWS_A_WINDOW // 10)]
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect_left(edges, value)] += 10
    mean = sum(values) / len(values)
    return Numbers(
        edges=edges,
        counts=tuple(counts),
        mean=mean,
        m2=sum((value - mean) ** 2 for value in values),
        finite=len(values),
        minimum=min(values),
        maximum=max(values),
    )
