"""Alerts for real causes: faults at a real operator, the shipped rules in a real Prometheus, and Alertmanager."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from docs.scripts.alerts import rules
from tests.api.operator.conftest import Operator
from tests.support.alerting import Alerting, alerting, hastened
from tests.support.kube import Kube
from tests.support.kubelet import NEVER_READY, READY, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_registry import LiveRegistry
from tests.support.memory_pods import BROKEN, HEALTHY, Behaviour
from tests.support.mlflow_server import MlflowServer

pytestmark = [pytest.mark.needs_prometheus, pytest.mark.needs_mlflow]
UNREACHABLE = Behaviour(reachable=False)
LONG_STEP = {"steps": [{"weight": 50, "duration": "1h"}]}


@contextmanager
def hanging(server: MlflowServer) -> Iterator[None]:
    """MLflow takes connections and answers none."""
    os.killpg(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(server.process.pid, signal.SIGCONT)


def pending_first(seen: Alerting, alert: str, **labels: str) -> bool:
    pending, firing = (seen.first_seen(alert, state, **labels) for state in ("pending", "firing"))
    return pending is not None and firing is not None and pending < firing


def test_alerts_fire_for_faults_and_end_with_them(
    kube: Kube, kubelet: Kubelet, namespace: str, operator: Operator, mlflow: MlflowServer, tmp_path: Path
) -> None:
    """All times of the rules are sixtieths of those that are shipped; the expressions are the same."""
    bad, unready, unknown, blind, well = (
        LiveModel(kube, kubelet, namespace, name) for name in ("bad", "unready", "unknown", "blind", "well")
    )
    registry, process = LiveRegistry(mlflow.url), operator(f"--mlflow-uri={mlflow.url}")
    scrape = {"static_configs": [{"targets": [f"127.0.0.1:{process.metrics_port}"]}]}
    with alerting([hastened(rule) for rule in rules()], scrape, tmp_path) as seen:
        with process:
            version = registry.publish(f"{namespace}-unknown")
            for model in (bad, unready, blind, well):
                model.apply(f"{model.name}-1")
            unknown.apply({"registry": {"name": f"{namespace}-unknown", "alias": "candidate"}})
            for model in (bad, unready, blind, well):
                model.until_serves(f"{model.name}-1")
            unknown.until_serves(version)
            assert not [one for one in seen.handed_on if one["labels"].get("namespace") == namespace]

            # A version that fails, pods that are no longer ready, a trial whose pods do not say how they fare.
            bad.behave("bad-2", BROKEN)
            bad.apply("bad-2")
            unready.fare("unready-1", NEVER_READY)
            blind.apply("blind-2", rollout=LONG_STEP)
            blind.until(lambda model: model.trial.get("weight") == 50, "the first step")
            blind.behave("blind-2", UNREACHABLE)
            with hanging(mlflow):
                seen.until_handed_on("RolledBack", "firing", name="bad", severity="warning", reason="MetricBreach")
                seen.until_handed_on("ModelNotServed", "firing", name="unready", severity="critical")
                seen.until_handed_on("MetricSourceUnreachable", "firing", name="blind")
                seen.until_handed_on("ModelUnresolved", "firing", name="unknown")
            unready.fare("unready-1", READY)
            blind.behave("blind-2", HEALTHY)
            seen.until_handed_on("ModelNotServed", "resolved", name="unready")
            seen.until_handed_on("MetricSourceUnreachable", "resolved", name="blind")
            seen.until_handed_on("ModelUnresolved", "resolved", name="unknown")
            # It ends by its age: an hour, which is a minute here.
            seen.until_handed_on("RolledBack", "resolved", name="bad")
            process.kill()
        seen.until_handed_on("OperatorDown", "firing", severity="critical")
        with process:
            seen.until_handed_on("OperatorDown", "resolved")

        assert pending_first(seen, "ModelNotServed", name="unready")
        assert pending_first(seen, "MetricSourceUnreachable", name="blind")
        assert pending_first(seen, "ModelUnresolved", name="unknown")
        assert pending_first(seen, "OperatorDown")
        assert not [one for one in seen.handed_on if one["labels"].get("name") == "well"]
        told = next(one for one in seen.handed_on if one["labels"]["alertname"] == "RolledBack")
        assert f"kubectl viridian why bad -n {namespace}" in told["annotations"]["description"]
