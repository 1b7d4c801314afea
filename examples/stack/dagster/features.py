"""A job that a team has anyway, and that a stage of a RetrainPolicy starts: it makes features of the run's data."""

import dagster as dg
import mlflow
from upath import UPath


class Given(dg.Config):
    """What the stage says of the run."""

    data_uri: str
    data_revision: str
    mlflow_run_id: str


@dg.op
def make_features(config: Given) -> None:
    """The MLflow run gets the number of rows."""
    rows = UPath(config.data_uri).read_text().splitlines()[1:]
    if not rows:
        raise dg.Failure(f"no row in {config.data_uri}, revision {config.data_revision or 'unknown'}")
    mlflow.MlflowClient().log_metric(config.mlflow_run_id, "features.rows", len(rows))


@dg.job
def churn_features() -> None:
    make_features()
