"""Evidently as the stage `dataValidation`: the report stands in the MLflow run, also of a run that it stops."""

import json
import os
from pathlib import Path

import adapter
import pandas as pd
import requests
from evidently import Report
from evidently.presets import DataDriftPreset

from viridian.training.stage_exit import DataNotGoodEnough

COLUMNS = ["age", "contract"]
MLFLOW, RUN = os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_RUN_ID"]


def rows(name: str) -> pd.DataFrame:
    found = pd.read_csv(Path(os.environ["VIRIDIAN_IN_DIR"]) / "data" / name)
    if missing := sorted(set(COLUMNS) - set(found)):
        raise DataNotGoodEnough(f"{name} has no columns {', '.join(missing)}")
    return found[COLUMNS]


def attach(file: Path) -> None:
    """The file as an artifact of the MLflow run, without MLflow's packages."""
    found = requests.get(f"{MLFLOW}/api/2.0/mlflow/runs/get", {"run_id": RUN}, timeout=60)
    found.raise_for_status()
    path = found.json()["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    target = f"{MLFLOW}/api/2.0/mlflow-artifacts/artifacts/{path}/{file.name}"
    requests.put(target, file.read_bytes(), timeout=60).raise_for_status()


drift = DataDriftPreset(num_method="wasserstein", num_threshold=0.5, cat_method="jensenshannon", cat_threshold=0.2)
report = Report([drift], include_tests=True).run(rows("customers.csv"), rows("sound.csv"))
file = Path(os.environ["VIRIDIAN_OUT_DIR"]) / "evidently.html"
report.save_html(str(file))
attach(file)
adapter.end_stage(json.loads(report.json()))
