"""Count the current rows on the reference's bins, two columns at a time, and judge each with the shipped defaults."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import polars as pl

from viridian.api.profile import Sketch
from viridian.judgement.drift import DriftCriteria, DriftReference, judge
from viridian.judgement.figures import MonitorVerdict
from viridian.training.profile import counted_on


def verdicts(folder: Path, out: Path) -> None:
    """The numbers of the columns that have drifted, as JSON."""
    reference = msgspec.json.decode((folder / "profile.json").read_bytes(), type=dict[str, Sketch])

    def drifted(name: str) -> bool:
        values = pl.read_parquet(folder / "current.parquet", columns=[name])[name].to_numpy()
        known = [DriftReference(name="the training data", sketch=reference[name])]
        return judge(name, DriftCriteria(), counted_on(reference[name], values), known).verdict is MonitorVerdict.FIRED

    with ThreadPoolExecutor(2) as pool:
        found = [number for number, moved in enumerate(pool.map(drifted, reference)) if moved]
    out.write_bytes(msgspec.json.encode(found))


if __name__ == "__main__":
    verdicts(Path(sys.argv[1]), Path(sys.argv[2]))
