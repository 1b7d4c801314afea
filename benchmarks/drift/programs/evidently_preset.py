"""Evidently's data drift preset with its defaults."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

folder = Path(sys.argv[1])
reference, current = (pd.read_parquet(folder / f"{which}.parquet") for which in ("reference", "current"))
result = Report([DataDriftPreset()]).run(reference_data=reference, current_data=current).dict()
drifted = []
for metric in result["metrics"]:
    config = metric.get("config", {})
    column = config.get("column")
    if column and "drift" in str(config.get("type", metric.get("metric_name", ""))).lower():
        threshold, value = config.get("threshold", 0.1), float(metric["value"])
        if value >= threshold:
            drifted.append(int(column[1:]))
Path(sys.argv[2]).write_text(json.dumps(sorted(set(drifted))))
