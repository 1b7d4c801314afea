"""A DAG that a team has anyway, and that a stage of a RetrainPolicy starts: it makes features of the run's data."""

from __future__ import annotations

from typing import Any

from airflow.sdk import ObjectStoragePath, dag, task
from airflow.sdk.exceptions import AirflowFailException


@task
def make_features(dag_run: Any = None) -> int:
    """The number of rows, which the MLflow run gets as well."""
    import mlflow  # not above, where Airflow would import it each time that it reads the file

    given = dag_run.conf
    rows = ObjectStoragePath(given["data_uri"]).read_text().splitlines()[1:]
    if not rows:
        raise AirflowFailException(f"no row in {given['data_uri']}")
    mlflow.MlflowClient().log_metric(given["mlflow_run_id"], "features.rows", len(rows))
    return len(rows)


@dag(schedule=None, tags=["viridian"])
def churn_features() -> None:
    make_features()


churn_features()
