"""Prefect itself, both ways round: a flow asks for a run and waits, and a stage of a run starts a flow and waits.

Where the flow leads, API server, operator and MLflow are real, and the Job's pod is scripted. Where the run leads, the
container of its stage runs, and the decisions about it are the operator's.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from localcluster.ports import free_port
from tests.support.kube import eventually
from tests.support.kubelet import JobEnd
from tests.support.live_policy import LivePolicy, environment, train
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from tests.support.stack import asked_policy
from tests.support.stack import environment as stack
from tests.support.stack.leading_run import GOOD_ROWS, NO_ROWS, LeadingRun
from tests.support.stack.server import served, working
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

pytestmark = pytest.mark.needs_programs
SYSTEM = named("prefect")
FLOW_SECONDS = 300
Settings = dict[str, str]


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The variables with which flows find Prefect's server."""
    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    settings = {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    command = [str(stack.environment(SYSTEM) / "prefect"), "server", "start", "--host", "127.0.0.1"]
    with served([*command, "--port", str(port)], folder, f"http://127.0.0.1:{port}/api", settings=settings) as address:
        yield {**settings, "PREFECT_API_URL": address}


@pytest.fixture
def flow(policy: LivePolicy, account: Path, mlflow: MlflowServer, prefect: Settings) -> Iterator[subprocess.Popen[str]]:
    """The flow as the account of the example, with the request `nightly`."""
    given = {**os.environ, **prefect, "KUBECONFIG": str(account), "MLFLOW_TRACKING_URI": mlflow.url}
    command = [str(stack.environment(SYSTEM) / "python"), "flow.py", policy.namespace, "churn", "nightly"]
    with subprocess.Popen(
        command, cwd=SYSTEM.folder, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def deployment(prefect: Settings, mlflow: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """What the stage is told; its flow is deployed, and a process waits for flow runs."""
    command = [str(stack.environment(SYSTEM) / "python"), str(SYSTEM.folder / "features.py")]
    settings = {**prefect, "MLFLOW_TRACKING_URI": mlflow.url, "PREFECT_RUNNER_POLL_FREQUENCY": "2"}
    with working(command, tmp_path_factory.mktemp("flows"), settings=settings):
        eventually(
            lambda: asked(prefect, "deployments")[:1] or None, what="the deployment of the flow", timeout=FLOW_SECONDS
        )
        yield prefect


def asked(prefect: Settings, kind: str, **question: Any) -> list[dict[str, Any]]:
    """What Prefect's server has of a kind."""
    found: list[dict[str, Any]] = httpx.post(f"{prefect['PREFECT_API_URL']}/{kind}/filter", json=question).json()
    return found


def newest(prefect: Settings) -> dict[str, Any]:
    """The newest flow run."""
    return asked(prefect, "flow_runs", sort="START_TIME_DESC", limit=1)[0]


def test_the_flow_starts_a_run_waits_for_it_and_notes_itself_in_its_mlflow_run(
    policy: LivePolicy, flow: subprocess.Popen[str], prefect: Settings, mlflow: MlflowServer, tmp_path: Path
) -> None:
    job = policy.running(timeout=asked_policy.ASKED_SECONDS)
    policy.ends(job, train(job, tmp_path))
    output, _ = flow.communicate(timeout=FLOW_SECONDS)
    assert flow.returncode == 0, output
    assert policy.finished()["outcome"] == "HandedOver"
    shown = newest(prefect)
    assert shown["state_type"] == "COMPLETED"
    tags = LiveRegistry(mlflow.url).run(environment(job)["MLFLOW_RUN_ID"])["data"]["tags"]
    assert {"key": "prefect.flow_run", "value": shown["id"]} in tags


def test_a_candidate_that_is_rejected_fails_the_flow_with_its_sentence(
    policy: LivePolicy, flow: subprocess.Popen[str], prefect: Settings
) -> None:
    policy.ends(policy.running(timeout=asked_policy.ASKED_SECONDS), JobEnd(65, '{"failures": ["worse in the north"]}'))
    output, _ = flow.communicate(timeout=FLOW_SECONDS)
    assert flow.returncode != 0
    shown = newest(prefect)
    assert shown["state_type"] == "FAILED"
    assert "worse in the north" in shown["state_name"] + output


@pytest.mark.parametrize(("outcome", "answer"), [("AwaitingApproval", "at work still"), ("HandedOver", "r1")])
def test_a_candidate_that_waits_for_an_approval_has_no_outcome_yet(outcome: str, answer: str) -> None:
    text = """
    import flow
    try:
        print(flow.outcome_of.fn("ml", "churn", "asked")["id"])
    except flow.AtWorkStill:
        print("at work still")
    """
    assert asked_policy.looked(SYSTEM, outcome, text) == answer


def test_a_stage_starts_a_flow_which_logs_to_the_mlflow_run_and_training_begins_after_it(
    leading: LeadingRun, deployment: Settings
) -> None:
    leading.leads_to_training(**deployment)


def test_a_flow_that_fails_is_the_failure_of_its_stage_whose_next_try_starts_another_one(
    leading: LeadingRun, deployment: Settings
) -> None:
    leading.deliver(NO_ROWS)
    (sentence,) = leading.container(**deployment).report.failures
    assert "is Failed: " in sentence
    assert "no row in file://" in sentence
    leading.deliver(GOOD_ROWS)
    assert leading.container(**deployment).code == ExitCode.DONE
    tagged = asked(deployment, "flow_runs", flow_runs={"tags": {"all_": [f"viridian-{leading.id}-features"]}})
    assert sorted(run["state_type"] for run in tagged) == ["COMPLETED", "FAILED"]
    assert leading.work(**deployment).code == ExitCode.DONE
