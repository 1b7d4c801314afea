"""SciPy's exact two-sample statistics, column by column; drifted where KS has p < .05 and W1 is 0.1 deviations."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl
from scipy import stats

folder = Path(sys.argv[1])
drifted = []
for number, name in enumerate(pl.read_parquet_schema(folder / "reference.parquet")):
    before, now = (
        pl.read_parquet(folder / f"{which}.parquet", columns=[name])[name].to_numpy()
        for which in ("reference", "current")
    )
    significant = stats.ks_2samp(before, now, method="asymp").pvalue < 0.05
    if significant and stats.wasserstein_distance(before, now) / before.std() >= 0.1:
        drifted.append(number)
Path(sys.argv[2]).write_text(json.dumps(drifted))
