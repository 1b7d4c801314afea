"""Make the reference profile, then the verdicts."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import polars as pl
from viridian_verdicts import verdicts

from viridian.training.profile import sketch

folder = Path(sys.argv[1])
names = pl.read_parquet_schema(folder / "reference.parquet")
reference = {
    name: sketch(pl.read_parquet(folder / "reference.parquet", columns=[name])[name].to_numpy()) for name in names
}
(folder / "profile.json").write_bytes(msgspec.json.encode(reference))
verdicts(folder, Path(sys.argv[2]))
