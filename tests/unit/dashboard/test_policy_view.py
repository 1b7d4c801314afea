"""A policy's page: its runs with the evidence that their records hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.dashboard_models import policy, run_record
from viridian.api.evaluation import HoldoutEvaluation, MetricComparison
from viridian.dashboard.views.gate_view import gate_view
from viridian.dashboard.views.policy_view import policy_view


def test_a_run_has_the_evidence_of_its_record() -> None:
    manifest = policy()
    found = policy_view(manifest, [run_record(manifest)])
    handed_over, rejected = found.runs
    assert handed_over.gate is not None
    assert [(row.name, row.kind, row.word) for row in handed_over.gate.metrics] == [
        ("auc", "good", "better"),
        ("brier", "neutral", "within noise"),
    ]
    (north,) = handed_over.gate.slices
    assert (north.name, north.kind, north.rows) == ("auc, region = north", "bad", 410)
    assert rejected.gate is None
    assert handed_over.gate.confidence == "0.95"


def test_records_of_another_policy_say_nothing() -> None:
    manifest = policy()
    other = run_record({**manifest, "metadata": {**manifest["metadata"], "uid": "another"}})
    assert policy_view(manifest, [other, {"metadata": {}}]).runs[0].gate is None


def test_what_a_policy_does_now() -> None:
    manifest = policy()
    assert policy_view(manifest, []).state == "running"
    del manifest["status"]["activeRun"]
    assert policy_view(manifest, []).state == "idle"
    manifest["status"]["recommended"] = {"run": "77aa00bb"}
    waiting = policy_view(manifest, [])
    assert waiting.state == "waits for a person"
    assert waiting.accept_command == (
        "kubectl annotate retrainpolicy churn-weekly -n ml viridian.dev/accept='77aa00bb#<you>'"
    )
    manifest["spec"]["approval"] = {"training": "Required"}
    assert "viridian.dev/approve=" in policy_view(manifest, []).accept_command
    manifest["spec"]["suspend"] = True
    assert policy_view(manifest, []).state == "suspended"


COMPARED = MetricComparison(candidate=0.8, champion=0.7, low=0.05, high=0.15)


@pytest.mark.parametrize(
    ("metric", "low", "high", "kind"),
    [("auc", 0.05, 0.15, "good"), ("log_loss", 0.05, 0.15, "bad"), ("auc", -0.01, 0.2, "neutral")],
)
def test_better_is_what_the_metric_says(metric: str, low: float, high: float, kind: str) -> None:
    evaluation = HoldoutEvaluation(metrics={metric: replace(COMPARED, low=low, high=high)})
    (row,) = gate_view(evaluation).metrics
    assert row.kind == kind
    assert 0 < row.low <= row.middle <= row.high < 100
    assert 0 < row.zero < 100


def test_what_has_no_interval_is_left_out() -> None:
    evaluation = HoldoutEvaluation(metrics={"size": MetricComparison(candidate=3.0), "auc": COMPARED})
    assert [row.name for row in gate_view(evaluation).metrics] == ["auc"]


def test_an_interval_without_width_has_a_place() -> None:
    evaluation = HoldoutEvaluation(metrics={"auc": MetricComparison(candidate=1.0, champion=1.0, low=0.0, high=0.0)})
    (row,) = gate_view(evaluation).metrics
    assert (row.kind, row.low, row.high) == ("neutral", row.zero, row.zero)


def test_a_status_of_another_release_costs_its_unknown_part_alone() -> None:
    strange = policy()
    strange["status"]["budget"] = "none"
    strange["status"]["runs"].append({"id": 7})
    found = policy_view(strange, [])
    assert found.status.budget is None
    assert [one.run.id for one in found.runs] == ["9d290bcc", "4c11a0de"]
