"""A stage of a RetrainPolicy that starts a flow run of a deployment of Prefect and waits for its end.

A stage that is tried again waits for the flow run of the try before, unless that one has failed.
"""

import os
import time

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment

from viridian.api.stage import StageReport
from viridian.training import stage_exit

DEPLOYMENT = os.environ["PREFECT_DEPLOYMENT"]
TAG = f"viridian-{os.environ['VIRIDIAN_RUN_ID']}-{os.environ['VIRIDIAN_STAGE']}"
GIVEN = {"data_uri": "VIRIDIAN_DATA_URI", "data_revision": "VIRIDIAN_DATA_REVISION", "mlflow_run_id": "MLFLOW_RUN_ID"}
PARAMETERS = {name: os.environ.get(variable, "") for name, variable in GIVEN.items()}

with get_client(sync_client=True) as prefect:
    if prefect.read_deployment_by_name(DEPLOYMENT).paused:
        raise stage_exit.StageEnded(f"the deployment {DEPLOYMENT} is paused: resume it in Prefect")
    earlier = prefect.read_flow_runs(
        flow_run_filter=FlowRunFilter(tags={"all_": [TAG]}), sort=FlowRunSort.EXPECTED_START_TIME_DESC
    )
    going_on = [run for run in earlier if not (run.state.is_final() and not run.state.is_completed())]
    run = going_on[0] if going_on else run_deployment(DEPLOYMENT, parameters=PARAMETERS, tags=[TAG], timeout=0)
    while not run.state.is_final():
        time.sleep(2)
        run = prefect.read_flow_run(run.id)
if not run.state.is_completed():
    raise stage_exit.StageEnded(f"flow run {run.name} is {run.state.name}: {run.state.message}")
stage_exit.write(StageReport())
