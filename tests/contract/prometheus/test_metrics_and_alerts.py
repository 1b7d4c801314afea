"""The operator's metrics as Prometheus reads them, and each alert on the series that it is there for: on and off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.scripts.alerts import PLAIN, rules
from tests.support.prometheus_server import promtool
from tests.unit.controller.test_operations_page import metrics, with_a_series_of_each

pytestmark = pytest.mark.needs_prometheus
LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
SERIES = re.compile(r"(\w+)\{(.*)\}")
PAIR = re.compile(r'(\w+)="([^"]*)"')
GROUPED = re.compile(r"by \((\w+)\)")
MINUTES = {"m": 1, "h": 60, "d": 1440}

WHOSE = 'namespace="ml",name="churn",model="churn",ticket="OPS-7"'
MODEL = f'kind="ModelDeployment",{WHOSE}'
POLICY = f'kind="RetrainPolicy",{WHOSE}'

Values = tuple[str, str]
"""While the alert is to fire, and afterwards: one value for each minute, as `promtool test rules` has them."""


def condition(whose: str, type_: str, on: str, off: str) -> dict[str, Values]:
    return {f'viridian_condition{{{whose},type="{type_}"}}': (on, off)}


def waits(whose: str, reason: str) -> dict[str, Values]:
    return {f'viridian_waits_for{{{whose},reason="{reason}"}}': ("1", GONE)}


GONE = "_"
QUIET = 120
"""Minutes until an alert has ended: `RolledBack` takes an hour."""
CASES: dict[str, dict[str, Values]] = {
    "ModelNotServed": condition(MODEL, "Ready", "0", "1"),
    "BreachNotReverted": condition(MODEL, "ChallengerHealthy", "0", "1"),
    "RolledBack": {f'viridian_rolled_back_at_seconds{{{WHOSE},reason="MetricBreach"}}': ("0", "0")},
    "RolloutStalled": condition(MODEL, "Stalled", "1", GONE),
    "NoWayBack": {
        **condition(MODEL, "RollbackReady", "0", "0"),
        'viridian_model_weight{namespace="ml",name="churn",role="challenger"}': ("10", "0"),
    },
    "RollbackUntested": condition(MODEL, "RollbackUntested", "1", "0"),
    "ApprovalAwaited": waits(MODEL, "AwaitingApproval"),
    "MetricSourceUnreachable": waits(MODEL, "ProviderError"),
    "ModelUnresolved": condition(MODEL, "ModelResolved", "-1", "1"),
    "RegistryNotSynced": condition(MODEL, "RegistrySynced", "0", GONE),
    "TrailNotSynced": condition(POLICY, "TrailSynced", "0", GONE),
    "EventsNotDelivered": condition(MODEL, "EventsDelivered", "0", GONE),
    "MonitoringBlind": condition(MODEL, "Monitored", "0", "1"),
    "MonitorsSilent": condition(MODEL, "ConceptDrift", "-1", "0"),
    "ModelDrifts": condition(MODEL, "DataDrift", "1", "0"),
    "ModelDecays": condition(MODEL, "Decay", "1", "0"),
    "RecoveryOverdue": condition(MODEL, "RecoveryOverdue", "1", "0"),
    "ReviewRequired": condition(POLICY, "ReviewRequired", "1", GONE),
    "ReviewOverdue": {f"viridian_review_due_since_seconds{{{WHOSE}}}": ("-700000", "0")},
    "RunFailed": {f'viridian_last_run{{{WHOSE},outcome="Failed"}}': ("1", GONE)},
    "CircuitOpen": waits(POLICY, "CircuitOpen"),
    "BudgetSpent": condition(POLICY, "BudgetExceeded", "1", GONE),
    "BadTrainingData": condition(POLICY, "DataQuality", "0", "-1"),
    "RetrainingStopped": condition(POLICY, "Paused", "1", "0"),
    "RetrainingStalled": condition(POLICY, "Stalled", "1", GONE),
    "TriggerMissed": {f'viridian_trigger_suppressed{{{WHOSE},trigger="daily",reason="Missed"}}': ("2", GONE)},
    "OperatorDown": {"viridian_leader{}": (GONE, "1")},
    "NobodyLeads": {"viridian_leader{}": ("0", "1"), 'viridian_leader{pod="b"}': ("0", "0")},
    "ApiServerUnreachable": {
        'viridian_api_requests_total{verb="get",resource="pods",code="error"}': ("0+20", "9999"),
    },
    "ViridianLate": {'viridian_loop_lag_seconds{name="viridian"}': ("3", "0")},
    "ViridianFails": {
        'viridian_reconciles_total{reconciler="rollout",kind="ModelDeployment",outcome="error"}': ("0+1", "9999"),
    },
    "ViridianStuck": {
        'workqueue_depth{name="rollout",lane="idle"}': ("40", "40"),
        'workqueue_depth{name="rollout",lane="unsettled"}': ("40", "0"),
    },
}
"""For each alert the series that it reads."""


async def test_prometheus_finds_nothing_wrong_with_the_metrics() -> None:
    """Types, texts and names as it wants them."""
    exposition = b"".join(with_a_series_of_each().exposition())
    promtool("check", "metrics", given=exposition)


async def test_the_series_are_those_of_the_operator() -> None:
    rendered = metrics()
    for series in (series for case in CASES.values() for series in case):
        ((name, labels),) = SERIES.findall(series)
        assert {label for label, _ in PAIR.findall(labels)} - {"pod"} <= rendered[name], series


def test_each_alert_fires_and_resolves_and_names_model_and_ticket(tmp_path: Path) -> None:
    assert set(CASES) == {rule["alert"] for rule in rules()}
    by_step: dict[str, list[dict[str, Any]]] = {"1m": [], "1h": []}
    for rule in rules():
        step = "1m" if _waited(rule) < 100 else "1h"  # rarer evaluations are cheaper
        by_step[step].append(_case(rule, CASES[rule["alert"]]))
    for step, cases in by_step.items():
        document = {"rule_files": [str(PLAIN)], "evaluation_interval": step, "tests": cases}
        (tmp_path / f"{step}.yaml").write_text(yaml.safe_dump(document))
    promtool("test", "rules", *(str(tmp_path / f"{step}.yaml") for step in by_step))


def _case(rule: dict[str, Any], series: dict[str, Values]) -> dict[str, Any]:
    """It fires at the end of the first part, and no longer at the end of the second."""
    fires_at = _waited(rule) + (20 if _waited(rule) < 100 else 60)
    quiet_at = fires_at + QUIET
    looks: tuple[tuple[int, list[dict[str, Any]]], ...] = (
        (fires_at, [_fired(rule, next(iter(series)))]),
        (quiet_at, []),
    )
    return {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": f"{_repeated(on, fires_at)} {_repeated(off, QUIET)}"}
            for name, (on, off) in series.items()
        ],
        "alert_rule_test": [
            {"eval_time": f"{at}m", "alertname": rule["alert"], "exp_alerts": expected} for at, expected in looks
        ],
    }


def _repeated(value: str, times: int) -> str:
    """`1x3` has one value more than `_x3`."""
    return f"{value}x{times + 1 if value == GONE else times}"


def _waited(rule: dict[str, Any]) -> int:
    """Minutes."""
    written = rule.get("for", "0m")
    return int(written[:-1]) * MINUTES[written[-1]]


def _fired(rule: dict[str, Any], first: str) -> dict[str, Any]:
    """The labels of an alert are those that its expression leaves of the first series."""
    kept = dict(_labels_left(rule["expr"], dict(PAIR.findall(first))))
    text = LABEL.sub(lambda found: kept[found[1]], rule["annotations"]["description"])
    annotations = {**rule["annotations"], "description": text.replace("{{ $value }}", "3")}
    return {"exp_labels": {**kept, **rule["labels"]}, "exp_annotations": annotations}


def _labels_left(expression: str, labels: dict[str, str]) -> Iterator[tuple[str, str]]:
    if (grouped := GROUPED.search(expression)) is not None:
        yield grouped[1], labels[grouped[1]]
    elif not expression.startswith(("sum(", "absent(")):
        yield from labels.items()
