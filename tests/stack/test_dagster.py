"""Dagster itself, both ways round: an asset asks for a run and waits, and a stage of a run launches a job and waits.

Where the asset leads, API server, operator and MLflow are real, and the pods are scripted. Where the run leads, the
container of its stage runs, and the decisions about it are the operator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

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
from tests.support.stack.server import served
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

pytestmark = pytest.mark.needs_programs
SYSTEM = named("dagster")
RUN_SECONDS: Final = 300.0
LAUNCH: Final = """mutation ($job: String!, $config: RunConfigData!) { launchRun(executionParams: {
  selector: {repositoryLocationName: "definitions.py", repositoryName: "__repository__", jobName: $job},
  runConfigData: $config}) { __typename ... on LaunchRunSuccess { run { runId } } } }"""
STATE: Final = """query ($run: ID!) { runOrError(runId: $run) { ... on Run { status eventConnection { events {
  ... on ExecutionStepFailureEvent { error { message } } } } } } }"""
MADE: Final = """query ($key: [String!]!) { assetOrError(assetKey: {path: $key}) { ... on Asset {
  assetMaterializations { metadataEntries { label ... on TextMetadataEntry { text } } } } } }"""
RUNS: Final = """query ($run: String!) { runsOrError(filter: {tags: [{key: "viridian/run", value: $run}]}) {
  ... on Runs { results { status } } } }"""


class DagsterServer:
    """What its users see of it."""

    def __init__(self, address: str) -> None:
        self.host = address.removeprefix("http://")
        self._address = f"{address}/graphql"

    def launch(self, job: str, config: dict[str, Any]) -> str:
        """The id of a new run of the job."""
        made = self.asked(LAUNCH, job=job, config=config)["launchRun"]
        return str(made["run"]["runId"])

    def until_ended(self, run: str) -> tuple[str, str]:
        """The status in which the run has ended, and the errors of its steps."""

        def ended() -> tuple[str, str] | None:
            found = self.asked(STATE, run=run)["runOrError"]
            errors = [event["error"]["message"] for event in found["eventConnection"]["events"] if event]
            return (found["status"], "\n".join(errors)) if found["status"] in ("SUCCESS", "FAILURE") else None

        return eventually(ended, what=f"the end of run {run}", timeout=RUN_SECONDS, every=1)

    def until_materialized(self, asset: str) -> dict[str, str]:
        """What the newest materialization of the asset says in words."""

        def newest() -> dict[str, str] | None:
            made = self.asked(MADE, key=[asset])["assetOrError"].get("assetMaterializations")
            return {entry["label"]: entry.get("text", "") for entry in made[0]["metadataEntries"]} if made else None

        return eventually(newest, what=f"a materialization of {asset}", timeout=RUN_SECONDS, every=1)

    def asked(self, query: str, **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = httpx.post(self._address, json=body, timeout=60).raise_for_status().json()
        assert "errors" not in answer, answer
        return dict(answer["data"])


@pytest.fixture(scope="module")
def dagster(mlflow: MlflowServer, account: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterServer]:
    folder, port = tmp_path_factory.mktemp("dagster"), free_port()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    settings = {
        "DAGSTER_GRPC_TIMEOUT_SECONDS": "600",
        "DAGSTER_HOME": str(folder),
        "KUBECONFIG": str(account),
        "MLFLOW_TRACKING_URI": mlflow.url,
    }
    programs = stack.environment(SYSTEM)
    code = ("--python-file", str(SYSTEM.folder / "definitions.py"), "--working-directory", str(SYSTEM.folder))
    command = [str(programs / "dagster"), "dev", "--host", "127.0.0.1", "--port", str(port), *code]
    with served(
        command,
        folder,
        f"http://127.0.0.1:{port}",
        health="/server_info",
        settings={**settings, "PATH": f"{programs}:/usr/bin:/bin"},
    ) as address:
        yield DagsterServer(address)


@pytest.fixture
def stage(dagster: DagsterServer) -> dict[str, str]:
    """What the stage is told beside what its policy says."""
    return {"DAGSTER_HOST": dagster.host}


def retrain(policy: LivePolicy) -> dict[str, Any]:
    """The configuration with which the asset asks this policy."""
    return {"ops": {"churn_candidate": {"config": {"namespace": policy.namespace}}}}


def test_an_asset_starts_a_run_waits_for_it_and_notes_itself_in_its_mlflow_run(
    policy: LivePolicy, dagster: DagsterServer, mlflow: MlflowServer, tmp_path: Path
) -> None:
    run = dagster.launch("retrain_churn", retrain(policy))
    job = policy.running(timeout=asked_policy.ASKED_SECONDS)
    policy.ends(job, train(job, tmp_path))
    assert dagster.until_ended(run) == ("SUCCESS", "")
    finished = policy.finished()
    assert finished["outcome"] == "HandedOver"
    made = dagster.until_materialized("churn_candidate")
    assert (made["run"], made["version"]) == (finished["id"], finished["version"])
    tags = LiveRegistry(mlflow.url).run(environment(job)["MLFLOW_RUN_ID"])["data"]["tags"]
    assert {"key": "dagster.run", "value": run} in tags
    # No other pod has served the model so far, so the candidate becomes champion without any step.
    assert dagster.until_materialized("churn_champion")["version"] == finished["version"]


def test_a_candidate_that_is_rejected_fails_the_asset_with_its_sentence(
    policy: LivePolicy, dagster: DagsterServer
) -> None:
    run = dagster.launch("retrain_churn", retrain(policy))
    policy.ends(policy.running(timeout=asked_policy.ASKED_SECONDS), JobEnd(65, '{"failures": ["worse in the north"]}'))
    status, errors = dagster.until_ended(run)
    assert status == "FAILURE"
    assert "worse in the north" in errors


@pytest.mark.parametrize(("outcome", "answer"), [("AwaitingApproval", "None"), ("HandedOver", "r1")])
def test_a_candidate_that_waits_for_an_approval_has_no_outcome_yet(outcome: str, answer: str) -> None:
    text = """
    import definitions
    run = definitions.outcome_of({}, "asked")
    print(run and run["id"])
    """
    assert asked_policy.looked(SYSTEM, outcome, text) == answer


def test_a_stage_starts_a_job_which_logs_to_the_mlflow_run_and_training_begins_after_it(
    leading: LeadingRun, stage: dict[str, str]
) -> None:
    leading.leads_to_training(**stage)


def test_a_job_that_fails_is_the_failure_of_its_stage_whose_next_try_launches_another_one(
    leading: LeadingRun, dagster: DagsterServer, stage: dict[str, str]
) -> None:
    leading.deliver(NO_ROWS)
    (sentence,) = leading.container(**stage).report.failures
    assert sentence.startswith("the run ")
    assert "FAILURE; make_features: " in sentence
    assert "no row in file://" in sentence
    leading.deliver(GOOD_ROWS)
    assert leading.container(**stage).code == ExitCode.DONE
    assert leading.work(**stage).code == ExitCode.DONE, "the run that has ended well is not made again"
    tagged = dagster.asked(RUNS, run=f"{leading.id}-features")["runsOrError"]["results"]
    assert [run["status"] for run in tagged] == ["SUCCESS", "FAILURE"]
