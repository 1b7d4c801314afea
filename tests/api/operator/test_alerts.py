"""Alerts that fire for real causes: the operator's own metrics, a real Prometheus, a real Alertmanager, a webhook."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from docs.scripts.alerts import groups
from tests.api.operator.conftest import Operator
from tests.support.alertmanager_server import Notified, alertmanager
from tests.support.kube import eventually
from tests.support.kubelet import NEVER_READY, READY
from tests.support.live_model import LiveModel
from tests.support.memory_pods import BROKEN
from tests.support.prometheus_server import prometheus

pytestmark = pytest.mark.needs_prometheus
SIGN_OFF = {"steps": [{"name": "sign-off", "approval": {"message": "ask Ada"}}]}


def test_alerts_reach_people_for_real_causes_with_the_ticket_and_end(
    operator: Operator, churn: LiveModel, namespace: str, tmp_path: Path
) -> None:
    with operator() as running, alertmanager() as (address, notified):
        running.until_ready()
        settings = _settings(tmp_path, f"127.0.0.1:{running.metrics_port}", address)
        with prometheus(settings=settings):
            governance = {"ticketRef": "OPS-7"}
            churn.fare("1", NEVER_READY)
            churn.apply("1", governance=governance)
            labels = _until(notified, "ModelNotServed", "firing")
            whose = {"namespace": namespace, "name": "churn", "model": "churn", "ticket": "OPS-7"}
            assert whose.items() <= labels.items()
            churn.fare("1", READY)
            churn.until_serves("1")
            _until(notified, "ModelNotServed", "resolved")

            churn.apply("2", rollout=SIGN_OFF, governance=governance)
            assert whose.items() <= _until(notified, "ApprovalAwaited", "firing").items()
            churn.annotate("reject", churn.revision("2"))
            _until(notified, "ApprovalAwaited", "resolved")

            churn.behave("3", BROKEN)
            churn.apply("3", governance=governance)
            back = _until(notified, "RolledBack", "firing", reason="MetricBreach")
            assert {**whose, "severity": "warning"}.items() <= back.items()

            assert running.stop() == 0
            _until(notified, "OperatorDown", "firing")
            with operator() as again:
                again.until_ready()


def _until(notified: Notified, name: str, status: str, **more: str) -> dict[str, str]:
    """The labels of the alert, once the webhook has it."""
    found: dict[str, str] = eventually(
        lambda: notified.labels(name, status, **more), what=f"{name} {status}, not only {notified.alerts}", timeout=60.0
    )
    return found


def _settings(folder: Path, operator: str, manager: str) -> str:
    """Everything each half second, and every `for` as short."""
    short = [
        {**group, "rules": [{**rule, **({"for": "500ms"} if "for" in rule else {})} for rule in group["rules"]]}
        for group in groups()
    ]
    rules = folder / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": short}))
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {"job_name": "viridian", "honor_labels": True, "static_configs": [{"targets": [operator]}]}
            ],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        }
    )
