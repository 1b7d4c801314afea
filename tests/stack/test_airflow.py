"""Airflow itself, both ways round: a DAG asks for a run and waits, and a stage of a run starts a DAG and waits.

Where the DAG leads, API server, operator and MLflow are real, and the Job's pod is scripted. Where the run leads, the
container of its stage runs, and the decisions about it are the operator's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubelet import JobEnd
from tests.support.live_policy import LivePolicy, environment, train
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from tests.support.stack.airflow_server import PASSWORD, USER, AirflowServer, airflow_server
from tests.support.stack.asked_policy import ASKED_SECONDS
from tests.support.stack.leading_run import GOOD_ROWS, NO_ROWS, LeadingRun
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

pytestmark = pytest.mark.needs_programs
SYSTEM = named("airflow")
LEADS, FOLLOWS = "retrain_churn", "churn_features"


@pytest.fixture(scope="module")
def airflow(mlflow: MlflowServer, account: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    kubernetes = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(account)}}
    settings = {"AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(kubernetes), "MLFLOW_TRACKING_URI": mlflow.url}
    with airflow_server(SYSTEM, SYSTEM.folder / "dags", tmp_path_factory.mktemp("airflow"), settings) as server:
        server.until_known(LEADS, FOLLOWS)
        yield server


@pytest.fixture
def stage(airflow: AirflowServer) -> dict[str, str]:
    """What the stage is told beside what its policy says."""
    return {"AIRFLOW_URL": airflow.address, "AIRFLOW_USER": USER, "AIRFLOW_PASSWORD": PASSWORD}


def test_a_dag_starts_a_run_waits_for_it_and_notes_itself_in_its_mlflow_run(
    policy: LivePolicy, airflow: AirflowServer, mlflow: MlflowServer, tmp_path: Path
) -> None:
    run = airflow.start(LEADS, namespace=policy.namespace)
    job = policy.running(timeout=ASKED_SECONDS)
    policy.ends(job, train(job, tmp_path))
    assert airflow.until_ended(LEADS, run) == "success", airflow.logs(LEADS, run)
    assert policy.finished()["outcome"] == "HandedOver"
    tags = LiveRegistry(mlflow.url).run(environment(job)["MLFLOW_RUN_ID"])["data"]["tags"]
    assert {"key": "airflow.dag_run", "value": f"{LEADS}/{run}"} in tags


def test_a_candidate_that_is_rejected_fails_the_dag_with_its_sentence(
    policy: LivePolicy, airflow: AirflowServer
) -> None:
    run = airflow.start(LEADS, namespace=policy.namespace)
    policy.ends(policy.running(timeout=ASKED_SECONDS), JobEnd(65, '{"failures": ["worse in the north"]}'))
    assert airflow.until_ended(LEADS, run) == "failed"
    states = airflow.states(LEADS, run)
    assert (states["outcome"], states["handed_over"]) == ("success", "failed")
    assert "worse in the north" in airflow.log(LEADS, run, "handed_over")


def test_a_stage_starts_a_dag_which_logs_to_the_mlflow_run_and_training_begins_after_it(
    leading: LeadingRun, airflow: AirflowServer, stage: dict[str, str]
) -> None:
    leading.leads_to_training(**stage)


def test_a_dag_that_fails_is_the_failure_of_its_stage_whose_next_try_goes_on_with_it(
    leading: LeadingRun, airflow: AirflowServer, stage: dict[str, str]
) -> None:
    leading.deliver(NO_ROWS)
    (sentence,) = leading.container(**stage).report.failures
    assert sentence.startswith(f"DAG run viridian-{leading.id}-features failed; task make_features: no row in file://")
    leading.deliver(GOOD_ROWS)
    assert leading.container(**stage).code == ExitCode.DONE
    assert [run["dag_run_id"] for run in airflow.runs(FOLLOWS)].count(f"viridian-{leading.id}-features") == 1


def test_a_dag_that_is_paused_fails_the_stage_with_what_to_do(
    leading: LeadingRun, airflow: AirflowServer, stage: dict[str, str]
) -> None:
    airflow.pause(FOLLOWS)
    try:
        leading.work(**stage)
    finally:
        airflow.pause(FOLLOWS, paused=False)
    assert f"the DAG {FOLLOWS} is paused: unpause it in Airflow" in str(leading.run.world.status)
