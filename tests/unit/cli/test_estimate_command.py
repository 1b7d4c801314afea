"""`python -m viridian.cli estimate`: what a policy is going to cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from viridian.cli.main import main

POLICY = """
kind: RetrainPolicy
metadata: {name: churn}
spec:
  modelDeployment: churn
  triggers: [{name: weekly, schedule: {cron: "0 3 * * 0"}}]
  budget: {price: 0.5, period: 28d}
  stages:
    training: {template: {spec: {containers: [{name: train, image: churn-train:1}]}}}
status:
  runs:
  - {id: a, outcome: HandedOver, cpuSeconds: 7200, startedAt: "2026-11-29T03:00:00Z", reasons: ["schedule:weekly:x"]}
"""
NOW = ("--now", "2026-12-01T00:00:00Z")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


def test_runs_hours_and_people_make_the_cost(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = ("--engineering-hours", "6", "--hourly-rate", "80", "--monitoring-cpu-hours", "2")
    assert main(["estimate", "-f", str(policy), *NOW, *people]) == 0
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        "RetrainPolicy churn, 28d",
        "WHAT ESTIMATE",
        "runs of schedules 4",
        "runs of other triggers 0",
        "runs 4",
        "CPU-hours of a run 2",
        "CPU-hours 10",
        "cost of CPU-hours 5",
        "cost of people 480",
        "total 485",
    ]


def test_the_same_for_programs(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "-f", str(policy), *NOW, "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["estimate"]["cpu_hours"], found["total"]) == ("churn", 8.0, 4.0)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("kind: RetrainPolicy", "kind: ModelDeployment", "a RetrainPolicy is needed, and the files have none"),
        ("0 3 * * 0", "0 3 * *", "RetrainPolicy churn: trigger weekly: "),
    ],
)
def test_what_cannot_be_estimated(
    policy: Path, before: str, after: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text(POLICY.replace(before, after))
    assert main(["estimate", "-f", str(policy), *NOW]) == 1
    assert message in capsys.readouterr().err
