"""`python -m viridian.cli advise`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from viridian.cli.main import main

MODELS = """
kind: ModelDeploymentList
items:
- kind: ModelDeployment
  metadata: {name: churn}
  spec: {context: {dataStability: Stable, maturity: New, failureCost: High, models: 200}}
  status: {conditions: [{type: Ready, status: "True"}, {type: DataDrift, status: "True"}]}
- kind: ModelDeployment
  metadata: {name: fraud}
  spec: {context: {responseTime: Days}}
- kind: ModelDeployment
  metadata: {name: silent}
  spec: {}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "models.yaml"
    path.write_text(MODELS)
    return str(path)


def test_each_model_with_answers_gets_its_advice(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "-f", file]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "churn: choose workflow: Linear, and grow into Iterative"
    assert shown[1].startswith("  first: a wrong prediction is costly")
    assert "  contradicted: context.dataStability is Stable" in "\n".join(shown)
    assert "fraud: choose workflow: Agile" in shown
    assert not any(line.startswith("silent") for line in shown)


def test_models_can_be_counted(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "-f", file, "--count", "-o", "json"]) == 0
    churn, _ = json.loads(capsys.readouterr().out)
    assert "context.models is 200, and 3 were counted: write models: 3" in churn["advice"]["contradictions"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{kind: ModelDeployment, metadata: {name: churn}, spec: {}}", "no ModelDeployment in the files has answers"),
        (
            "{kind: ModelDeployment, metadata: {name: churn}, spec: {context: {maturity: Old}}}",
            "ModelDeployment churn: spec.context: Invalid enum value 'Old'",
        ),
    ],
)
def test_without_usable_answers(file: str, text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file).write_text(text)
    assert main(["advise", "-f", file]) == 1
    assert message in capsys.readouterr().err
