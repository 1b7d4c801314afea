"""A stage of a RetrainPolicy that launches a job of Dagster by GraphQL and waits for its end.

A stage that is tried again waits for the run of the try before, unless that one has failed.
"""

import os
import time
from typing import Any

import requests
from dagster import DagsterRunStatus
from dagster_graphql import DagsterGraphQLClient

from viridian.api.stage import StageReport
from viridian.training import stage_exit

HOST, JOB = os.environ["DAGSTER_HOST"], os.environ["DAGSTER_JOB"]
TAG = {"viridian/run": f"{os.environ['VIRIDIAN_RUN_ID']}-{os.environ['VIRIDIAN_STAGE']}"}
GIVEN = {"data_uri": "VIRIDIAN_DATA_URI", "data_revision": "VIRIDIAN_DATA_REVISION", "mlflow_run_id": "MLFLOW_RUN_ID"}
CONFIG = {name: os.environ.get(variable, "") for name, variable in GIVEN.items()}
RUNS = """query ($tags: [ExecutionTag!]!) {
  runsOrError(filter: {tags: $tags}, limit: 1) { ... on Runs { results { runId status } } } }"""
ERRORS = """query ($run: ID!) { runOrError(runId: $run) { ... on Run { eventConnection { events {
  ... on ExecutionStepFailureEvent { stepKey error { message cause { message } } }
  ... on RunFailureEvent { message } } } } } }"""
LOST = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


def queried(query: str, **variables: Any) -> Any:
    body = {"query": query, "variables": variables}
    answer = requests.post(f"http://{HOST}/graphql", json=body, timeout=60)
    answer.raise_for_status()
    return answer.json()["data"]


def sentence_of(event: dict[str, Any]) -> str:
    """Of a step that failed, or of a run that failed without any."""
    if error := event.get("error"):
        return f"{event['stepKey']}: {(error.get('cause') or error)['message'].strip()}"
    return str(event["message"])


dagster = DagsterGraphQLClient(HOST)
earlier = queried(RUNS, tags=[{"key": key, "value": value} for key, value in TAG.items()])["runsOrError"]["results"]
run = next((one["runId"] for one in earlier if DagsterRunStatus[one["status"]] not in LOST), None)
run = run or dagster.submit_job_execution(JOB, run_config={"ops": {"make_features": {"config": CONFIG}}}, tags=TAG)
while (status := dagster.get_run_status(run)) not in (*LOST, DagsterRunStatus.SUCCESS):
    time.sleep(2)
if status in LOST:
    events = queried(ERRORS, run=run)["runOrError"]["eventConnection"]["events"]
    reasons = "; ".join(sentence_of(event) for event in events if event)
    raise stage_exit.StageEnded(f"the run {run} of Dagster is {status.value}; {reasons}")
stage_exit.write(StageReport())
