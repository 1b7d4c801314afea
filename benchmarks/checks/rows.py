"""The rows and the checks; a process of its own writes them: a child's peak of memory begins with its parent's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

NUMBERS = [f"x{number:02}" for number in range(41)]
WHOLE = [f"n{number}" for number in range(3)]
TEXTS = [f"c{number}" for number in range(3)]
COLUMNS = [*NUMBERS, *WHOLE, *TEXTS, "id", "churned", "time"]
FAULTS = {
    ("nulls", "x03"),
    ("range", "x00"),
    ("categories", "c1"),
    ("unique", "id"),
    ("leakage", "x07"),
    ("overlap", "id, x01"),
}
"""What is wrong with the rows, by check and column; nothing else is."""
CHECKS: list[dict[str, Any]] = [
    {"schema": {"columns": [{"name": name} for name in COLUMNS], "exact": True}},
    {"rowCount": {"min": 1000}},
    {"nulls": {"columns": [*NUMBERS, *WHOLE, *TEXTS], "maxShare": 0.01}},
    *({"range": {"column": name, "min": -9, "max": 9}} for name in NUMBERS),
    *({"categories": {"column": name, "values": ["a", "b", "c", "d"]}} for name in TEXTS),
    {"unique": {"columns": ["id"]}},
    {"freshness": {"column": "time", "maxAge": "365d"}},
    {"labelRate": {"column": "churned", "min": 0.05, "max": 0.2}},
    {"leakage": {"label": "churned", "exceptColumns": ["id"]}},
]


def write(folder: Path, rows: int) -> None:
    """`rows.parquet`, `holdout.parquet` and `checks.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(1)
    label = chance.random(rows) < 0.1
    columns: dict[str, Any] = {name: chance.normal(size=rows) for name in NUMBERS}
    columns["x00"][:50] = 12.0
    columns["x03"][chance.random(rows) < 0.02] = np.nan
    columns["x07"] = columns["x07"] / 2 + 6.0 * label
    columns |= {name: chance.integers(0, 100, rows) for name in WHOLE}
    columns |= {name: chance.choice(np.array(["a", "b", "c", "d"]), rows) for name in TEXTS}
    columns["c1"][-7:] = "e"
    columns["id"] = np.concatenate([np.arange(rows - 10), np.arange(10)])
    columns["churned"] = label.astype(np.int64)
    frame = pl.DataFrame(columns).with_columns(time=pl.lit(None, pl.Datetime("us")))
    frame = frame.with_columns(time=pl.datetime(2026, 11, 1) + pl.duration(seconds=pl.int_range(pl.len())))
    frame.write_parquet(folder / "rows.parquet", compression="zstd", row_group_size=100_000)
    frame.slice(500, 5000).write_parquet(folder / "holdout.parquet")
    overlap = {"overlap": {"holdout": str(folder / "holdout.parquet"), "columns": ["id", "x01"]}}
    (folder / "checks.json").write_text(json.dumps([*CHECKS, overlap]))


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
