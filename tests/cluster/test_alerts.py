"""Alerts on the node: Prometheus finds the operator's pods as in any cluster, and what goes wrong there is real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.kubectl import Kubectl
from docs.scripts.alerts import rules
from localcluster import clusters
from tests.cluster.conftest import SYSTEM, Operator
from tests.support.alerting import alerting, hastened
from tests.support.node.deployment import Deployed
from tests.support.node.registry import RAISES, ClusterRegistry
from tests.support.node.users import Users

pytestmark = [
    pytest.mark.needs_prometheus,
    pytest.mark.skipif(clusters.KUBECONFIG_VARIABLE in os.environ, reason="Prometheus here reaches no pod elsewhere"),
]
STEPS = [{"weight": 50, "duration": "5s", "minRequests": 50}]


def scraped(kubeconfig: Path) -> dict[str, Any]:
    """The part of a job that finds the port `metrics` of each pod of the operator."""
    labels = [f"__meta_kubernetes_pod_label_app_kubernetes_io_{part}" for part in ("name", "component")]
    port = "__meta_kubernetes_pod_container_port_name"
    kept = {"action": "keep", "source_labels": [*labels, port], "regex": "viridian;operator;metrics"}
    found = {"role": "pod", "kubeconfig_file": str(kubeconfig), "namespaces": {"names": [SYSTEM]}}
    return {"kubernetes_sd_configs": [found], "relabel_configs": [kept]}


@contextmanager
def cordoned(cluster: Kubectl) -> Iterator[None]:
    """No node takes another pod."""
    nodes = cluster("get", "nodes", "--output=name").split()
    cluster("cordon", *nodes)
    try:
        yield
    finally:
        cluster("uncordon", *nodes)


def test_alerts_fire_for_what_goes_wrong_on_a_node_and_end_with_it(
    cluster: Kubectl,
    kubectl: Kubectl,
    operator: Operator,
    registry: ClusterRegistry,
    served: Deployed,
    users: Users,
    tmp_path: Path,
) -> None:
    """All times of the rules are sixtieths of those that are shipped; the expressions are the same."""
    unknown = replace(served, name="unknown")
    with alerting([hastened(rule) for rule in rules()], scraped(cluster.kubeconfig), tmp_path) as seen:
        unknown.apply()
        served.apply(rollout={"steps": STEPS})
        bad = registry.publish(served.registered, RAISES)
        served.until_rejected(bad)
        told = seen.until_handed_on("RolledBack", "firing", namespace=served.namespace, name=served.name)
        assert f"kubectl viridian why {served.name} -n {served.namespace}" in told["annotations"]["description"]
        seen.until_handed_on("ModelUnresolved", "firing", namespace=served.namespace, name=unknown.name)
        version = registry.publish(unknown.registered)

        with cordoned(cluster):
            kubectl("delete", "pod", f"--selector=viridian.dev/model-deployment={served.name}", "--wait=false")
            seen.until_handed_on("ModelNotServed", "firing", namespace=served.namespace, name=served.name)
        seen.until_handed_on("ModelNotServed", "resolved", namespace=served.namespace, name=served.name)
        seen.until_handed_on("ModelUnresolved", "resolved", namespace=served.namespace, name=unknown.name)
        unknown.until_serves(version)

        with operator.away():
            seen.until_handed_on("OperatorDown", "firing", severity="critical")
        seen.until_handed_on("OperatorDown", "resolved")
        seen.until_handed_on("RolledBack", "resolved", namespace=served.namespace, name=served.name)
        assert not [one for one in seen.handed_on if one["labels"]["alertname"] == "BreachNotReverted"]
