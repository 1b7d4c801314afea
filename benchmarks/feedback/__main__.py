"""Measures the collector on SQLite and on a real PostgreSQL, both durable, in folders of their own.

python -m benchmarks.feedback                          everything, about eight minutes
python -m benchmarks.feedback --only join --database sqlite
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.feedback import ingest, join, kills, room
from tests.support.debian import INITDB, ensure
from tests.support.postgres import postgres

DATABASES = ("sqlite", "postgresql")
PARTS = ("ingest", "join", "kills", "room")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feedback", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    parser.add_argument("--database", choices=DATABASES, action="append", help="one database; may be repeated")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the steady load")
    parser.add_argument("--rate", type=int, default=2_000, help="rows a second of the steady load")
    parser.add_argument("--rows", type=int, default=1_000_000, help="predictions of the join")
    parser.add_argument("--kills", type=int, default=20, help="how often it is killed")
    given = parser.parse_args()
    good = True
    for database in given.database or DATABASES:
        for part in given.only or PARTS:
            with _place(database) as (folder, url):
                print(f"== {part} into {database}", flush=True)
                if part == "ingest":
                    good &= asyncio.run(ingest.measure(folder, url, given.rate, given.seconds))
                elif part == "join":
                    good &= join.measure(folder, url, given.rows)
                elif part == "room":
                    good &= room.measure(folder, url)
                else:
                    good &= asyncio.run(kills.measure(folder, url, given.kills))
    return 0 if good else 1


@contextlib.contextmanager
def _place(database: str) -> Iterator[tuple[Path, str]]:
    """A folder for the collector's data, and the URL of an empty database."""
    with tempfile.TemporaryDirectory(prefix="viridian-feedback-") as folder:
        if database == "sqlite":
            yield Path(folder), ""
            return
        ensure(INITDB)
        with postgres(durable=True) as server, server.database("feedback") as url:
            yield Path(folder), url


if __name__ == "__main__":
    sys.exit(main())
