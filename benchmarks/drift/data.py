"""The two files. A process of its own writes them, since a child's peak of memory begins with its parent's."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.drift.shifts import COLUMNS, SHIFTS


def write(folder: Path, rows: int) -> None:
    """`reference.parquet` and `current.parquet`, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(1)
    for name, shifted in (("reference", False), ("current", True)):
        columns = {
            f"x{number:02}": chance.normal(SHIFTS.get(number, 0.0) if shifted else 0.0, 1.0, rows)
            for number in range(COLUMNS)
        }
        part = folder / f"{name}.tmp"
        pl.DataFrame(columns).write_parquet(part, compression="zstd", row_group_size=100_000)
        part.rename(folder / f"{name}.parquet")


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
