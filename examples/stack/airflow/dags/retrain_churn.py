"""A DAG of Airflow that starts a run of a RetrainPolicy, waits for its outcome, and logs to the same MLflow run."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException
from retrain_policy_sensor import POLICIES, RetrainPolicySensor

NAMESPACE, POLICY = "{{ params.namespace }}", "{{ params.policy }}"
REQUEST = "{{ dag.dag_id }}/{{ run_id }}"


# Large libraries are imported by the tasks that need them: Airflow reads this file again and again.
@task
def ask_for_a_run(namespace: str, policy: str, request: str) -> None:
    """The same request twice, as by a retry of the task, starts one run."""
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

    change = {"metadata": {"annotations": {"viridian.dev/run": request}}}
    policies = KubernetesHook(conn_id="kubernetes_default").custom_object_client
    policies.patch_namespaced_custom_object(**POLICIES, namespace=namespace, name=policy, body=change)


@task
def handed_over(run: dict[str, Any], request: str) -> None:
    """The DAG run is noted in the MLflow run that all stages have shared. It fails with what the gate said."""
    import mlflow

    (found,) = mlflow.search_runs(
        search_all_experiments=True, filter_string=f"tags.`viridian.run` = '{run['id']}'", output_format="list"
    )
    mlflow.MlflowClient().set_tag(found.info.run_id, "airflow.dag_run", request)
    if run["outcome"] != "HandedOver":
        raise AirflowFailException(f"run {run['id']} has ended as {run['outcome']}: {run.get('message', '')}")


@dag(schedule=None, params={"namespace": "ml", "policy": "churn"}, max_active_runs=1, tags=["viridian"])
def retrain_churn() -> None:
    asked = ask_for_a_run(NAMESPACE, POLICY, REQUEST)
    outcome = RetrainPolicySensor(task_id="outcome", namespace=NAMESPACE, policy=POLICY, request=REQUEST)
    asked >> outcome
    handed_over(outcome.output, REQUEST)


retrain_churn()
