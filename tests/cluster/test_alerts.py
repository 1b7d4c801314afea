"""Alerts on the node: a real Prometheus reads the operator's pods, and what goes wrong there is real."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from demo.kubectl import Kubectl
from docs.scripts.alerts import rules
from localcluster import clusters
from tests.cluster.conftest import Operator
from tests.support.alerting import alerting, hastened
from tests.support.node.deployment import Deployed
from tests.support.node.registry import RAISES, ClusterRegistry
from tests.support.node.users import Users

pytestmark = [
    pytest.mark.needs_prometheus,
    pytest.mark.skipif(clusters.KUBECONFIG_VARIABLE in os.environ, reason="Prometheus here reaches no pod elsewhere"),
]
METRICS_PORT = 9090
STEPS = [{"weight": 50, "duration": "5s", "minRequests": 50}]


@dataclass(frozen=True)
class Targets:
    """The operator's pods for Prometheus, in a file: Debian's knows no API server."""

    operator: Operator
    file: Path

    @property
    def job(self) -> dict[str, Any]:
        """The part of a job that reads them from the file, as often as it changes."""
        return {"file_sd_configs": [{"files": [str(self.file)]}]}

    def renew(self) -> None:
        """The pods that are there now."""
        found = (pod["status"].get("podIP") for pod in self.operator.pods())
        addresses = [f"{address}:{METRICS_PORT}" for address in found if address]
        self.file.write_text(json.dumps([{"targets": addresses}]))


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
    unknown, targets = replace(served, name="unknown"), Targets(operator, tmp_path / "targets.json")
    targets.renew()
    with alerting([hastened(rule) for rule in rules()], targets.job, tmp_path) as seen:
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
        targets.renew()
        seen.until_handed_on("OperatorDown", "resolved")
        seen.until_handed_on("RolledBack", "resolved", namespace=served.namespace, name=served.name)
        assert not [one for one in seen.handed_on if one["labels"]["alertname"] == "BreachNotReverted"]
