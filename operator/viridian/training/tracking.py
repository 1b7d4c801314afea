"""MLflow from inside a stage: the run that belongs to it, and the logged model that it leaves there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
from mlflow.entities import LoggedModelOutput, Metric, Param, RunTag
from mlflow.utils.time import get_current_time_millis

from viridian import training
from viridian.api.origins import artifact_origin, origin_of

MAX_PARAM_CHARACTERS: Final = 6000
MODEL_TYPE: Final = "viridian"


class LiesElsewhere(Exception):
    """The files lie on a host that must not get the tracking server's credentials."""


@contextmanager
def current_run() -> Iterator[str]:
    """The id of the run to log to: the script's own, else the one made beforehand, else a new one.

    A run made beforehand stays open: its maker decides how it ends.
    """
    if active := mlflow.active_run():
        yield active.info.run_id
    elif made_beforehand := os.environ.get("MLFLOW_RUN_ID") or training.GIVEN_RUN:
        yield made_beforehand
    else:
        with mlflow.start_run() as run:
            yield run.info.run_id


def known_run() -> str:
    """The id of the run to log to, where there is one already."""
    active = mlflow.active_run()
    return active.info.run_id if active else os.environ.get("MLFLOW_RUN_ID") or training.GIVEN_RUN


def log_model(run_id: str, directory: Path, name: str, tags: Mapping[str, str]) -> str:
    """Uploads the directory as a logged model of the run; its URI, `models:/m-…`."""
    client = mlflow.MlflowClient()
    experiment_id = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(
        experiment_id, name=name, source_run_id=run_id, tags=dict(tags), model_type=MODEL_TYPE
    )
    client.log_model_artifacts(model.model_id, str(directory))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model_id=model.model_id, step=0)])
    return str(model.model_uri)


def has_parameters(run_id: str) -> bool:
    """Whether anything was logged as a parameter of the run."""
    return bool(mlflow.MlflowClient().get_run(run_id).data.params)


def log_values(run_id: str, metrics: Mapping[str, float], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """One request for all of them, so that nobody sees half."""
    now = get_current_time_millis()
    mlflow.MlflowClient().log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
        params=[Param(name, value[:MAX_PARAM_CHARACTERS]) for name, value in params.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )


def log_document(run_id: str, path: str, document: Mapping[str, Any]) -> None:
    """A JSON file among the run's artifacts."""
    mlflow.MlflowClient().log_dict(run_id, dict(document), path)


def download(uri: str, directory: Path) -> Path:
    """The files of a model version, from the artifact store through the tracking server, and no file more."""
    found = place(uri)
    _only_from_the_tracking_server(found)
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=found, dst_path=str(directory)))


def _only_from_the_tracking_server(uri: str) -> None:
    """MLflow's client shows its credentials to whatever host such an address names."""
    scheme, _, _ = uri.partition(":")
    if scheme not in ("http", "https", "mlflow-artifacts"):
        return
    tracking = origin_of(mlflow.get_tracking_uri())
    if scheme == "mlflow-artifacts":
        named = artifact_origin(uri, tracking) if tracking is not None else None
    else:
        named = origin_of(uri)
    if named is None or named != tracking:
        raise LiesElsewhere(
            f"it lies on {named or 'a host that cannot be read'}, not on the tracking server {tracking}"
        )


def place(uri: str) -> str:
    """Where the bytes are. Asked for `models:/…`, MLflow would add a file of its own that no manifest names."""
    kind, _, rest = uri.partition(":/")
    name, _, version = rest.strip("/").partition("/")
    if kind != "models":
        return uri
    if version:
        return str(mlflow.MlflowClient().get_model_version_download_uri(name, version))
    return str(mlflow.MlflowClient().get_logged_model(name).artifact_location)
