"""What a script that knows nothing of Viridian left in its MLflow run: a model, and perhaps rows to judge it on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import mlflow
import pandas as pd
from mlflow.entities import LoggedModel, Run

from viridian.training import tracking
from viridian.training.stage_exit import CandidateFailed

HOLDOUT_TABLE: Final = "holdout.json"
HOLDOUT_CONTEXTS: Final = ("holdout", "test", "testing", "eval", "evaluation", "validation")
_CONTEXT_TAG: Final = "mlflow.data.context"
_WHAT_TO_WRITE: Final = "mlflow.sklearn.log_model(model, name='model', serialization_format='skops')"


@dataclass(frozen=True, slots=True)
class LeftModel:
    """The newest model of the run."""

    uri: str
    name: str
    bundled: bool
    """It is a bundle already: the script did know of Viridian."""

    def download(self, directory: Path) -> Path:
        return tracking.download(self.uri, directory)


def newest_model(run_id: str) -> LeftModel:
    """The model that the run logged last; CandidateFailed where there is none."""
    client = mlflow.MlflowClient()
    outputs = client.get_run(run_id).outputs
    models: list[LoggedModel] = [
        client.get_logged_model(one.model_id) for one in (outputs.model_outputs if outputs else ())
    ]
    if not models:
        raise CandidateFailed(f"the run {run_id} has no logged model: the training script has to call {_WHAT_TO_WRITE}")
    newest = max(models, key=lambda model: model.creation_timestamp)
    return LeftModel(newest.model_uri, newest.name, newest.model_type == tracking.MODEL_TYPE)


def holdout_table(run_id: str, directory: Path) -> pd.DataFrame | None:
    """Rows that the model has not seen, features and target side by side; None where the run has none.

    A table that was logged as `holdout.json`, or else a data set whose context says that it is for evaluation.
    """
    client = mlflow.MlflowClient()
    if any(file.path == HOLDOUT_TABLE for file in client.list_artifacts(run_id)):
        return read_table(Path(client.download_artifacts(run_id, HOLDOUT_TABLE, str(directory))))
    for source in _sources(client.get_run(run_id)):
        return read_table(tracking.download(source, directory))
    return None


def _sources(run: Run) -> Iterator[str]:
    """Where the data sets for evaluation are, of those that are files somewhere; a script's own memory is nowhere."""
    for given in run.inputs.dataset_inputs if run.inputs else ():
        context = next((tag.value for tag in given.tags if tag.key == _CONTEXT_TAG), "")
        source = json.loads(given.dataset.source)
        uri = source.get("uri") or source.get("url")
        if context.lower() in HOLDOUT_CONTEXTS and uri:
            yield str(uri)


def read_table(path: Path) -> pd.DataFrame:
    """A CSV file, JSON lines, a table as MLflow logs it, or Parquet where the image can read it."""
    suffix = Path(urlsplit(path.name).path).suffix
    if suffix == ".csv":
        return pd.read_csv(path)
    if suffix == ".jsonl":
        return pd.read_json(path, lines=True)
    if suffix == ".json":
        return pd.DataFrame(**json.loads(path.read_text()))
    if suffix == ".parquet":
        return pd.read_parquet(path)
    raise ValueError(f"{path.name} is no .csv, .json, .jsonl or .parquet")
