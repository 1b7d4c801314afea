"""Evidently as a stage: rows that have moved further than a season moves them are a broken export, and stop the run."""

import json
import os

os.environ["DO_NOT_TRACK"] = "1"

import adapter
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

from viridian.training.stage_exit import DataNotGoodEnough

MOST_ROWS = 10_000
"""Evidently takes minutes and gigabytes for a million rows; a sample shows the same drift."""


def rows(variable: str) -> pd.DataFrame:
    """The rows behind an address, or a sample of them."""
    found = pd.read_csv(os.environ[variable])
    return found.sample(min(MOST_ROWS, len(found)), random_state=0)


new, sound = rows("VIRIDIAN_DATA_URI"), rows("REFERENCE_URI")
# Evidently compares the columns that both have, and is silent about the others.
if missing := sorted(set(sound) - set(new)):
    raise DataNotGoodEnough(f"columns are missing: {', '.join(missing)}")

# Its default for numbers, 0.1, flags most columns of small samples that have not moved at all.
drift = DataDriftPreset(num_method="wasserstein", num_threshold=0.5, cat_method="jensenshannon", cat_threshold=0.2)
adapter.end_stage(json.loads(Report([drift], include_tests=True).run(new, sound).json()))
