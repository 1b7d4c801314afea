"""A sensor of Airflow for the run that a RetrainPolicy makes of a request."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException

# The plural is written out: KubernetesCreateResourceOperator makes `retrainpolicys` of the kind.
POLICIES = {"group": "viridian.dev", "version": "v1alpha1", "plural": "retrainpolicies"}
WAITS = "AwaitingApproval"
"""The outcome of a candidate that a person, or the limit of hand-overs, holds for now."""
NO_USE_TO_WAIT = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


class RetrainPolicySensor(BaseSensorOperator):
    """Its XCom is the finished run, as `status.runs` has it, whatever its outcome.

    No worker is taken between two looks. While the API server is away, the sensor waits.
    """

    template_fields = ("namespace", "policy", "request")

    def __init__(
        self, *, namespace: str, policy: str, request: str, kubernetes_conn_id: str = "kubernetes_default", **rest: Any
    ) -> None:
        super().__init__(**{"mode": "reschedule", "poke_interval": 10, "silent_fail": True, **rest})
        self.namespace, self.policy, self.request = namespace, policy, request
        self.kubernetes_conn_id = kubernetes_conn_id

    def poke(self, context: Any) -> PokeReturnValue:
        """Rights that are missing, and a policy that is not there, fail the task at once."""
        # Imported here, since Airflow reads the files of DAGs again and again.
        from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
        from kubernetes.client import ApiException

        del context
        kubernetes = KubernetesHook(conn_id=self.kubernetes_conn_id)
        try:
            found = kubernetes.get_custom_object(**POLICIES, name=self.policy, namespace=self.namespace)
        except ApiException as error:
            if error.status in NO_USE_TO_WAIT:
                raise AirflowFailException(f"RetrainPolicy {self.namespace}/{self.policy}: {error.body}") from error
            raise
        status = found.get("status", {})
        for run in status.get("runs", []):
            if f"manual:{self.request}" in run["reasons"] and run["outcome"] != WAITS:
                return PokeReturnValue(is_done=True, xcom_value=run)
        for condition in status.get("conditions", []):
            self.log.info("%s is %s: %s", condition["type"], condition["status"], condition.get("message", ""))
        return PokeReturnValue(is_done=False)
