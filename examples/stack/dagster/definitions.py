"""Dagster: an asset that is made by a run of a RetrainPolicy, and a materialization for each promotion."""

import time
from typing import Any

import dagster as dg
import kubernetes
import mlflow
from features import churn_features
from promotions import churn_promotions

VIRIDIAN = {"group": "viridian.dev", "version": "v1alpha1"}
WAITS = "AwaitingApproval"
"""The outcome of a candidate that a person, or the limit of hand-overs, holds for now."""


class Asked(dg.Config):
    """Which RetrainPolicy is asked for a run."""

    namespace: str = "ml"
    policy: str = "churn"


def outcome_of(policy: dict[str, str], request: str) -> dict[str, Any] | None:
    """The finished run that answers the request, as `status.runs` has it."""
    found = kubernetes.client.CustomObjectsApi().get_namespaced_custom_object(**policy)
    runs = found.get("status", {}).get("runs", [])
    return next((run for run in runs if f"manual:{request}" in run["reasons"] and run["outcome"] != WAITS), None)


# The run of Dagster names the request, so a step that is tried again finds the run that it has asked for.
@dg.asset(retry_policy=dg.RetryPolicy(max_retries=10, delay=10))
def churn_candidate(context: dg.AssetExecutionContext, config: Asked) -> dg.MaterializeResult:
    kubernetes.config.load_config()
    # The plural is written out: clients that guess it make `retrainpolicys` of the kind.
    policy = {**VIRIDIAN, "plural": "retrainpolicies", "namespace": config.namespace, "name": config.policy}
    change = {"metadata": {"annotations": {"viridian.dev/run": context.run_id}}}
    kubernetes.client.CustomObjectsApi().patch_namespaced_custom_object(**policy, body=change)
    while (run := outcome_of(policy, context.run_id)) is None:
        time.sleep(5)
    (found,) = mlflow.search_runs(
        search_all_experiments=True, filter_string=f"tags.`viridian.run` = '{run['id']}'", output_format="list"
    )
    mlflow.MlflowClient().set_tag(found.info.run_id, "dagster.run", context.run_id)
    if run["outcome"] != "HandedOver":
        sentence = f"run {run['id']} has ended as {run['outcome']}: {run.get('message', '')}"
        raise dg.Failure(sentence, allow_retries=False)
    return dg.MaterializeResult(metadata={"run": run["id"], "version": run["version"], **run.get("metrics", {})})


retrain_churn = dg.define_asset_job("retrain_churn", [churn_candidate])
defs = dg.Definitions(
    assets=[churn_candidate],
    jobs=[churn_features, retrain_churn],
    sensors=[churn_promotions],
    executor=dg.in_process_executor,  # a run has one step
)
