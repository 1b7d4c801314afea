"""The first day on a real node: what the demo applies, all at once, where nothing was ever trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from demo import stage
from demo.kubectl import Kubectl
from tests.cluster.conftest import Operator
from tests.support.kube import eventually


def test_model_and_policy_come_up_together_and_nothing_warns(
    kubectl: Kubectl, namespace: str, operator: Operator
) -> None:
    """Neither the operator nor the kubelet: an ordinary start has no failed probe."""
    stage.create_scripts(kubectl)
    deployment, policy = yaml.safe_load_all((stage.OBJECTS / "churn.yaml").read_text())
    deployment["spec"]["model"]["registry"]["name"] = namespace
    policy["metadata"]["annotations"] = {"viridian.dev/run": "the-first"}
    kubectl.apply(yaml.safe_dump_all([policy, deployment]))
    eventually(lambda: "champion" in status(kubectl), what="the first champion", timeout=300)
    eventually(lambda: "Monitored" in conditions(kubectl), what="the first word of the monitors", timeout=60)
    assert conditions(kubectl)["Ready"] == "True"
    assert "Stalled" not in conditions(kubectl)
    events = (kubectl.get("events.events.k8s.io") or {})["items"]
    assert "Promoted" in {event["reason"] for event in events}
    warned = [(event["reason"], event.get("note", "")) for event in events if event["type"] == "Warning"]
    # A kubelet on a busy computer may read a new ConfigMap late, and tries again.
    assert [warning for warning in warned if "failed to sync configmap cache" not in warning[1]] == []


def status(kubectl: Kubectl) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (kubectl.get("modeldeployment", "churn") or {}).get("status", {})
    return found


def conditions(kubectl: Kubectl) -> dict[str, str]:
    return {found["type"]: found["status"] for found in status(kubectl).get("conditions", ())}
