"""A flow of Prefect that starts a run of a RetrainPolicy, waits for its outcome, and logs to the same MLflow run."""

import sys
from typing import Any

import mlflow
from kubernetes import client, config
from prefect import flow, runtime, task

# The plural is written out: clients that guess it make `retrainpolicys` of the kind.
POLICIES = {"group": "viridian.dev", "version": "v1alpha1", "plural": "retrainpolicies"}


class AtWorkStill(Exception):
    """The run that was asked for has no outcome yet."""


class NotHandedOver(Exception):
    """The run has ended without a version that may be rolled out."""


@task
def ask_for_a_run(namespace: str, policy: str, request: str) -> None:
    """The same request twice, as by a retry of the task, starts one run."""
    change = {"metadata": {"annotations": {"viridian.dev/run": request}}}
    client.CustomObjectsApi().patch_namespaced_custom_object(**POLICIES, namespace=namespace, name=policy, body=change)


@task(retries=2000, retry_delay_seconds=5)
def outcome_of(namespace: str, policy: str, request: str) -> dict[str, Any]:
    """The finished run that answers the request, as `status.runs` has it; it waits for no approval."""
    found = client.CustomObjectsApi().get_namespaced_custom_object(**POLICIES, namespace=namespace, name=policy)
    for run in found.get("status", {}).get("runs", []):
        if f"manual:{request}" in run["reasons"] and run["outcome"] != "AwaitingApproval":
            return run
    raise AtWorkStill(f"no outcome of the request {request}; look at kubectl get rp {policy} -n {namespace}")


@task
def note_the_flow(run: dict[str, Any]) -> None:
    """In the MLflow run that all stages of the run have shared."""
    (found,) = mlflow.search_runs(
        search_all_experiments=True, filter_string=f"tags.`viridian.run` = '{run['id']}'", output_format="list"
    )
    mlflow.MlflowClient().set_tag(found.info.run_id, "prefect.flow_run", runtime.flow_run.id)


@flow
def retrain(namespace: str, policy: str, request: str) -> None:
    config.load_config()
    ask_for_a_run(namespace, policy, request)
    run = outcome_of(namespace, policy, request)
    note_the_flow(run)
    if run["outcome"] != "HandedOver":
        raise NotHandedOver(f"run {run['id']} has ended as {run['outcome']}: {run.get('message', '')}")


if __name__ == "__main__":
    retrain(*sys.argv[1:4])
