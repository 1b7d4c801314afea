"""A stage of a RetrainPolicy that starts a DAG run of Airflow and waits for its end.

The DAG run has the name of Viridian's run: a stage that is tried again goes on with the same one, at its failed tasks.
"""

import os
import time
from typing import Any

import httpx

from viridian.api.stage import StageReport
from viridian.training import stage_exit

DAG = f"/api/v2/dags/{os.environ['AIRFLOW_DAG']}"
RUN = f"viridian-{os.environ['VIRIDIAN_RUN_ID']}-{os.environ['VIRIDIAN_STAGE']}"
GIVEN = {"data_uri": "VIRIDIAN_DATA_URI", "data_revision": "VIRIDIAN_DATA_REVISION", "mlflow_run_id": "MLFLOW_RUN_ID"}
CONF = {name: os.environ.get(variable, "") for name, variable in GIVEN.items()}

airflow = httpx.Client(base_url=os.environ["AIRFLOW_URL"], timeout=60, transport=httpx.HTTPTransport(retries=5))


def asked(method: str, path: str, body: Any = None) -> Any:
    answer = airflow.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json()


def state() -> str:
    """Empty while Airflow does not answer: only the deadline of the stage ends the wait."""
    try:
        return str(asked("GET", f"{DAG}/dagRuns/{RUN}")["state"])
    except httpx.TransportError:
        return ""


def sentence_of(task: dict[str, Any]) -> str:
    """The error in the log of the last try."""
    log = asked("GET", f"{DAG}/dagRuns/{RUN}/taskInstances/{task['task_id']}/logs/{task['try_number']}")
    errors = [error["exc_value"] for line in log["content"] for error in line.get("error_detail") or []]
    return f"task {task['task_id']}: {errors[-1] if errors else 'see its log'}"


login = {"username": os.environ["AIRFLOW_USER"], "password": os.environ["AIRFLOW_PASSWORD"]}
airflow.headers["Authorization"] = f"Bearer {asked('POST', '/auth/token', login)['access_token']}"
if asked("GET", DAG)["is_paused"]:
    raise stage_exit.StageEnded(f"the DAG {os.environ['AIRFLOW_DAG']} is paused: unpause it in Airflow")
try:
    asked("POST", f"{DAG}/dagRuns", {"dag_run_id": RUN, "logical_date": None, "conf": CONF})
except httpx.HTTPStatusError as error:
    if error.response.status_code != httpx.codes.CONFLICT:
        raise
    asked("POST", f"{DAG}/dagRuns/{RUN}/clear", {"dry_run": False, "only_failed": True})
while (ended := state()) not in ("success", "failed"):
    time.sleep(2)
if ended == "failed":
    failed = asked("GET", f"{DAG}/dagRuns/{RUN}/taskInstances?state=failed")["task_instances"]
    raise stage_exit.StageEnded(f"DAG run {RUN} failed; {'; '.join(map(sentence_of, failed))}")
stage_exit.write(StageReport())
