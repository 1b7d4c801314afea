"""docs/operations.md names every flag, every right, and every metric with its labels, and alerts use no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from docs.scripts.alerts import rules
from tests.unit.controller.world import KEY
from viridian.api.monitoring import Action, Drift
from viridian.api.names import RETRAIN_POLICY
from viridian.api.resources import OWN
from viridian.controller.backoff import Backoff
from viridian.controller.config import argument_parser
from viridian.controller.keys import Key
from viridian.controller.queue import Ending, Settled, WorkQueue
from viridian.controller.reconcile import PassResult
from viridian.controller.telemetry import Telemetry
from viridian.controller.watched import children
from viridian.core.urgency import Urgency
from viridian.judgement.figures import Figure, MonitorVerdict
from viridian.monitoring.monitor_report import FeatureSummary, MonitoringReport, MonitorResult
from viridian.monitoring.windows import Calendar

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text()
ROW = re.compile(r"^\| ((?:`(?:workqueue|viridian)_\w+`(?:, )?)+) \| ([a-z, ]*?) ?\|", re.MULTILINE)
NAME = re.compile(r"`(\w+)`")
SELECTOR = re.compile(r"\b((?:workqueue|viridian)_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)[=!]")
GROUPING = re.compile(r"\b(?:by|on) ?\(([a-z, ]+)\)")

POLICY = Key(RETRAIN_POLICY, "default", "weekly")
TICKETED = {"spec": {"modelDeployment": "churn", "governance": {"ticketRef": "OPS-7"}}}
FIGURE = Figure(
    measure="Missing",
    feature="age",
    verdict=MonitorVerdict.QUIET,
    sentence="",
    value=0.1,
    bound=0.1,
    threshold=0.1,
    reference=0.1,
    samples=1,
)
RESULT = MonitorResult(
    name="gaps", source=Drift(), action=Action.REVIEW, verdict=MonitorVerdict.QUIET, sentence="", figures=(FIGURE,)
)
REPORT = MonitoringReport(
    revision="a",
    calendar=Calendar(seconds=60.0, season=60.0, maturity=0.0, end=60.0, lag=0.0),
    results=(RESULT,),
    current={"age": FeatureSummary(0.1, 0.1, 0.1)},
)


def test_every_flag_and_its_variable() -> None:
    flags = [flag for action in argument_parser({})._actions for flag in action.option_strings if flag.startswith("--")]
    for flag in flags:
        if flag not in ("--help", "--version"):
            assert f"`{flag}`" in PAGE
            assert f"`VIRIDIAN_{flag[2:].replace('-', '_').upper()}`" in PAGE


async def test_every_metric_and_its_labels() -> None:
    table = {name: labels for names, labels in ROW.findall(PAGE) for name in NAME.findall(names)}
    rendered = metrics()
    assert set(table) == set(rendered)
    for name, labels in rendered.items():
        assert set(filter(None, table[name].split(", "))) == labels, name


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
async def test_alerts_use_metrics_and_labels_that_are_rendered(rule: dict[str, str]) -> None:
    rendered, expression = metrics(), rule["expr"]
    used = [(name, LABEL.findall(labels)) for name, labels in SELECTOR.findall(expression)]
    assert used
    for name, labels in used:
        assert name in rendered
        assert set(labels) <= rendered[name], name
    everywhere = set[str].intersection(*(rendered[name] for name, _ in used))
    for grouping in GROUPING.findall(expression):
        assert set(grouping.split(", ")) <= everywhere, grouping


def test_the_alert_of_a_full_queue_adds_up_its_lanes() -> None:
    """Keys that wait in different lanes wait for the same workers."""
    stuck = next(rule for rule in rules() if rule["alert"] == "ViridianStuck")
    assert stuck["expr"].startswith("sum by (name) (workqueue_depth)")


def metrics() -> dict[str, set[str]]:
    """The operator's own metrics, by the names that Prometheus stores, and the labels of each."""
    families = text_string_to_metric_families(b"".join(with_a_series_of_each().exposition()).decode())
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: {
            label for sample in family.samples for label in sample.labels if label != "le"
        }
        for family in families
        if not family.name.startswith("process_")
    }


def with_a_series_of_each() -> Telemetry:
    async def handle(key: Key) -> Ending:
        return Settled()

    telemetry = Telemetry()
    rollout, retraining = telemetry.of("rollout", KEY.kind), telemetry.of("retraining", POLICY.kind)
    telemetry.watch_queue("rollout", WorkQueue(handle, backoff=Backoff(lambda: 0.5), observer=rollout))
    telemetry.watch_lag(lambda: 0.0)
    telemetry.watch_leader(lambda: True)
    telemetry.called("get", "pods", "200", 0.1)
    rollout.added()
    rollout.retried()
    rollout.waited(0.1, Urgency.IDLE)
    rollout.worked(0.1)
    rollout.reconciled(KEY, PassResult.CHANGED, 0.1)
    metric = {"name": "error-rate", "verdict": "Pass"}
    conditions = [{"type": "Ready", "status": "True"}]
    trial = {"metrics": [metric], "waitingReason": "AwaitingApproval"}
    back = {"revertedAt": "2026-11-22T04:00:00Z", "reason": "MetricBreach"}
    status = {"champion": {}, "challenger": trial, "conditions": conditions, "lastRollback": back}
    rollout.seen(KEY, status, TICKETED)
    due = {"type": "ReviewDue", "status": "True", "lastTransitionTime": "2026-11-22T04:00:00Z"}
    telemetry.of("monitoring", KEY.kind).seen(KEY, {"conditions": [due]}, TICKETED)
    held = {"name": "daily", "suppressed": {"reason": "Suspended"}}
    retraining.seen(POLICY, {"triggers": [held]}, TICKETED)
    for run in ("a", "b"):
        ended = {"id": run, "outcome": "HandedOver"}
        retraining.seen(POLICY, {"lastRun": ended, "triggers": [held]}, TICKETED)
    telemetry.monitoring.judged(KEY, REPORT)
    telemetry.figures.switched(0.1)
    return telemetry


@pytest.mark.parametrize("resource", [*OWN, *children(gateway_api=True)], ids=lambda resource: resource.plural)
def test_every_resource_that_it_has_rights_to(resource: object) -> None:
    assert f"`{resource.plural}`" in PAGE  # type: ignore[attr-defined]
