"""`python -m viridian.cli review`: Markdown and HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.support import history
from viridian.cli.main import main

_TAG = re.compile(r"<(script|img|link)")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    spec = msgspec.to_builtins(history.deployment())
    spec["context"] = {"dataStability": "Stable", "maturity": "New"}
    deployment = {
        "kind": "ModelDeployment",
        "metadata": {
            "name": "churn",
            "creationTimestamp": "2025-06-01T00:00:00Z",
            "managedFields": [
                {"time": "2026-03-02T00:00:00Z", "fieldsV1": {"f:spec": {"f:context": {}}}},
                {"time": "2026-03-20T00:00:00Z", "fieldsV1": {"f:spec": {"f:server": {}}}},
            ],
        },
        "spec": spec,
        "status": {"champion": {"version": "2", "since": "2026-02-15T00:00:00Z"}},
    }
    run: dict[str, Any] = {"outcome": "Rejected", "metrics": {"auc": 0.81}, "cpuSeconds": 7200, "holdout": "sha256:a"}
    policy = {
        "kind": "RetrainPolicy",
        "metadata": {"name": "churn", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {**msgspec.to_builtins(history.policy()), "objective": {"labelDefinition": "churned-30d"}},
        "status": {
            "runs": [
                {"id": "b", **run, "finishedAt": "2026-03-10T00:00:00Z", "holdoutAsked": 7},
                {"id": "a", **run, "finishedAt": "2026-02-10T00:00:00Z", "holdoutAsked": 6},
            ]
        },
    }
    return history.write(tmp_path, deployment, policy)


def test_the_report_answers_what_a_review_asks(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(history.review(files)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# Review of churn, 2026-04-01"
    for line in (
        "| champion | 2 | 45.0d |",
        "| context | dataStability: Stable, maturity: New | 30.0d |",
        "| objective | labelDefinition: churned-30d | 90.0d |",
        "| image | churn-train:1 | - |",
        "| inputs | 9 of 90 | 1 | 9.0d | no finding |",
        "| campaign | a campaign for students | inputs | 3.0d | 15.0d | 11.0d |",
        "| 2 | 45 | 0.9 | 0.928 | 0.028 | 45000 |",
        "| 2026-03-10T00:00:00Z | Rejected | - | auc 0.81 | 2 |",
        "| sha256:a | 7 |",
    ):
        assert line in lines
    assert any(line.startswith("Do the objective, the definition of the label") for line in lines)


class _Balanced(HTMLParser):
    """Fails where an element ends that has not begun."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("meta", "rect", "line", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line", "polyline"):
            assert self.open.pop() == tag


def test_the_html_is_one_file_with_a_plot(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    incidents = yaml.safe_load((files / "incidents.yaml").read_text())
    (files / "incidents.yaml").write_text(yaml.safe_dump([{**incidents[0], "name": "<b>campaign</b>"}]))
    assert main(history.review(files, "-o", "html")) == 0
    page = capsys.readouterr().out
    parser = _Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not _TAG.search(page)
    assert "&lt;b&gt;campaign&lt;/b&gt;" in page
    (points,) = re.findall(r'<polyline points="([^"]*)"', page)
    assert len(points.split()) == 90


def test_without_windows_the_report_has_what_the_objects_tell(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "-f", f"{files}/churn.yaml", "--now", "2026-04-01T00:00:00Z"]) == 0
    shown = capsys.readouterr().out
    assert "## Runs of churn" in shown
    assert "## Thresholds" not in shown


def test_a_time_that_is_none(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "-f", f"{files}/churn.yaml", "--now", "soon"]) == 1
    assert "--now soon: write a time such as" in capsys.readouterr().err
