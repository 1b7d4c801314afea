"""The operator's metrics as Prometheus reads them, and each alert on the series that it is there for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.prometheus_server import promtool
from tests.unit.controller.test_operations_page import with_a_series_of_each
from tests.unit.install.test_alerts import rules

pytestmark = pytest.mark.needs_prometheus
LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")

MODEL = 'namespace="ml",name="churn"'
POLICY = f'kind="RetrainPolicy",{MODEL}'
FIRES: dict[str, dict[str, str]] = {
    "ModelNotServed": {f'viridian_condition{{kind="ModelDeployment",{MODEL},type="Ready"}}': "0x30"},
    "NoWayBack": {
        f'viridian_condition{{kind="ModelDeployment",{MODEL},type="RollbackReady"}}': "0x30",
        f'viridian_model_weight{{{MODEL},role="challenger"}}': "10x30",
    },
    "RollbackUntested": {f'viridian_condition{{kind="ModelDeployment",{MODEL},type="RollbackUntested"}}': "1x90"},
    "BadTrainingData": {f'viridian_condition{{{POLICY},type="DataQuality"}}': "0x30"},
    "RetrainingStopped": {f'viridian_condition{{{POLICY},type="Paused"}}': "1x1500"},
    "ReviewRequired": {f'viridian_condition{{{POLICY},type="ReviewRequired"}}': "1x100"},
    "RecoveryOverdue": {f'viridian_condition{{kind="ModelDeployment",{MODEL},type="RecoveryOverdue"}}': "1x30"},
    "TrailNotSynced": {f'viridian_condition{{{POLICY},type="TrailSynced"}}': "0x100"},
    "ReviewOverdue": {f"viridian_review_due_since_seconds{{{MODEL}}}": "-700000x30"},
    "TriggerMissed": {f'viridian_trigger_suppressed{{{MODEL},trigger="daily",reason="Missed"}}': "2x30"},
    "ViridianLate": {'viridian_loop_lag_seconds{name="viridian"}': "3x30"},
    "ViridianFails": {
        'viridian_reconciles_total{reconciler="rollout",kind="ModelDeployment",outcome="error"}': "0+1x30"
    },
    "ViridianStuck": {
        'workqueue_depth{name="rollout",lane="idle"}': "40x30",
        'workqueue_depth{name="rollout",lane="unsettled"}': "40x30",
    },
    "NobodyLeads": {'viridian_leader{pod="a"}': "0x30", 'viridian_leader{pod="b"}': "0x30"},
}
"""Series by the minute, as `promtool test rules` has them, on which each alert fires at their end."""
RESTS: dict[str, dict[str, str]] = {
    "ModelNotServed": {f'viridian_condition{{kind="ModelDeployment",{MODEL},type="Ready"}}': "0 0 0 0 1x26"},
    "NoWayBack": {
        f'viridian_condition{{kind="ModelDeployment",{MODEL},type="RollbackReady"}}': "0x30",
        f'viridian_model_weight{{{MODEL},role="challenger"}}': "0x30",
    },
    "BadTrainingData": {f'viridian_condition{{{POLICY},type="DataQuality"}}': "-1x30"},
    "ReviewOverdue": {f"viridian_review_due_since_seconds{{{MODEL}}}": "-500000x30"},
    "TriggerMissed": {f'viridian_trigger_suppressed{{{MODEL},trigger="daily",reason="Cooldown"}}': "2x30"},
    "ViridianStuck": {'workqueue_depth{name="rollout",lane="idle"}': "40x30"},
    "NobodyLeads": {'viridian_leader{pod="a"}': "0x30", 'viridian_leader{pod="b"}': "1x30"},
}
"""Series on which it does not."""
LONG_MINUTES = 100
"""From then on, rules are evaluated each hour, which is cheaper."""


async def test_prometheus_finds_nothing_wrong_with_the_metrics() -> None:
    """Types, texts and names as it wants them."""
    exposition = b"".join(with_a_series_of_each().exposition())
    promtool("check", "metrics", given=exposition)


def test_each_alert_fires_on_what_it_is_there_for_and_says_where(tmp_path: Path) -> None:
    assert set(FIRES) == {rule["alert"] for rule in rules()}
    given = [*(_case(alert, series, fires=True) for alert, series in FIRES.items())]
    given += [_case(alert, series, fires=False) for alert, series in RESTS.items()]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "viridian", "rules": rules()}]}))
    long = [case for case in given if _minutes(case["input_series"][0]["values"]) >= LONG_MINUTES]
    for interval, cases in (("1m", [case for case in given if case not in long]), ("1h", long)):
        document = {"rule_files": ["rules.yaml"], "evaluation_interval": interval, "tests": cases}
        (tmp_path / f"{interval}.yaml").write_text(yaml.safe_dump(document))
    promtool("test", "rules", str(tmp_path / "1m.yaml"), str(tmp_path / "1h.yaml"))


def _case(alert: str, series: dict[str, str], *, fires: bool) -> dict[str, Any]:
    rule = next(rule for rule in rules() if rule["alert"] == alert)
    expected = [_fired(rule, *series)] if fires else []
    at = f"{_minutes(next(iter(series.values())))}m"
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": expected}],
    }


def _minutes(values: str) -> int:
    """The newest minute of `0x30`, or of `0 0 0 0 1x26`."""
    *single, repeated = values.split()
    return len(single) + int(repeated.partition("x")[2])


def _fired(rule: dict[str, Any], first: str, *_others: str) -> dict[str, Any]:
    """The labels of an alert are those that its expression leaves of the first series."""
    labels = dict(re.findall(r'(\w+)="([^"]*)"', first))
    grouped = re.search(r"by \((\w+)\)", rule["expr"])
    kept = {grouped[1]: labels[grouped[1]]} if grouped else {} if rule["expr"].startswith("sum(") else labels
    text = LABEL.sub(lambda found: kept[found[1]], rule["annotations"]["description"])
    described = text.replace("{{ $value }}", "3")
    return {"exp_labels": {**kept, **rule["labels"]}, "exp_annotations": {"description": described}}
