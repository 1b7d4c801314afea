"""`python -m viridian.cli explain`: which settings are in force, and where each comes from."""

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
  workflow: Linear
  workflowAfterFirstPromotion: Agile
  triggers: [{name: weekly, schedule: {cron: "0 3 * * 0"}}]
  budget: {maxRuns: 7}
  stages:
    training: {template: {spec: {containers: [{name: train, image: churn-train:1}]}}}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_each_setting_is_shown_with_where_it_comes_from(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "-f", policy]) == 0
    shown = lines(capsys)
    assert shown[:2] == ["RetrainPolicy churn, workflow Linear", "SETTING VALUE FROM"]
    for line in (
        "modelDeployment churn spec",
        "triggers weekly spec",
        "budget.maxRuns 7 spec",
        "budget.cooldown 7d workflow Linear",
        "circuitBreaker.rejectedInARow 1 workflow Linear",
        "budget.period 30d default",
        "stages.training.timeout 6h default",
    ):
        assert line in shown
    assert not any("image" in line for line in shown)
    assert shown[-2:] == [
        "Linear expects stages.dataValidation: a checkpoint before training: a run on bad data ends there",
        "Linear expects stages.evaluation: candidate and champion on the same rows",
    ]


def test_once_a_version_serves_the_later_workflow_counts(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "-f", policy, "--promoted", "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["workflow"] == "Agile"
    settings = {one["path"]: (one["value"], one["from"]) for one in found["settings"]}
    assert settings["budget.cooldown"] == ("1h", "workflow Agile")
    assert settings["budget.maxRuns"] == (7, "spec")


def test_without_a_file_the_workflows_are_shown_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    shown = lines(capsys)
    assert shown[0] == "SETTING LINEAR ITERATIVE AGILE"
    assert "budget.cooldown 7d 1d 1h" in shown
    assert "defaultResources.cpu 500m 1 2" in shown
    assert "defaultResources.memory 4Gi 8Gi 16Gi" in shown
    assert main(["explain", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["Agile"]["budget"]["cooldown"] == "1h"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: ModelDeployment", "a RetrainPolicy is needed, and the files have none"),
        ("{kind: RetrainPolicy, metadata: {name: churn}}", "RetrainPolicy churn: spec:"),
        ("{kind: RetrainPolicy, metadata: {name: churn}, spec: {modelDeployment: 3}}", "RetrainPolicy churn: spec:"),
    ],
)
def test_a_file_without_a_usable_policy(
    policy: str, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(policy).write_text(text)
    assert main(["explain", "-f", policy]) == 1
    assert message in capsys.readouterr().err


def test_a_folder_is_read_with_all_manifests_below_it(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "-f", str(tmp_path)]) == 0
    assert lines(capsys)[0] == "RetrainPolicy churn, workflow Linear"
    Path(policy).rename(tmp_path / "policy.txt")
    assert main(["explain", "-f", str(tmp_path)]) == 1
    assert "has no file that ends with .yaml, .yml, .json" in capsys.readouterr().err
