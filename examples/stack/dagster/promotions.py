"""Promotions as materializations of Dagster: each champion of a ModelDeployment is one of the asset `champion`."""

from pathlib import Path

import dagster as dg
from kubernetes import client, config

MODELS = {"group": "viridian.dev", "version": "v1alpha1", "plural": "modeldeployments"}
IN_A_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_namespace() -> str:
    """That of the pod, or of the context in the kubeconfig."""
    return IN_A_POD.read_text() if IN_A_POD.exists() else config.list_kube_config_contexts()[1]["context"]["namespace"]


@dg.sensor(minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING)
def churn_promotions(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """One for each time that a revision becomes champion, whether by promotion or by a rollback."""
    config.load_config()
    found = client.CustomObjectsApi().get_namespaced_custom_object(**MODELS, namespace=own_namespace(), name="churn")
    champion = found.get("status", {}).get("champion", {})
    seen = f"{champion.get('revision')} {champion.get('since')}"
    if not champion or seen == context.cursor:
        return dg.SkipReason("the same champion as before")
    made = dg.AssetMaterialization("churn_champion", metadata={k: v for k, v in champion.items() if v})
    return dg.SensorResult(asset_events=[made], cursor=seen)
