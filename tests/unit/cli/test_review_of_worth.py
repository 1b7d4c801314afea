"""`review`: cost beside change, versions on one holdout, before and after, and what grows old."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.support import history
from viridian.cli.main import main

DIGEST = f"sha256:{'c' * 64}"
RUN: dict[str, Any] = {"outcome": "HandedOver", "cpuSeconds": 7200, "lineage": {"imageDigest": DIGEST}}
QUALITY = {
    "holdout": "sha256:h",
    "champion": "2",
    "best": "1",
    "trend": 0.01,
    "versions": [
        {"version": "1", "outcome": "HandedOver", "score": 0.0325, "metrics": {"accuracy": 0.9}},
        {"version": "2", "outcome": "HandedOver", "score": 0.0, "metrics": {"accuracy": 0.87}},
        {"version": "3", "outcome": "Rejected", "metrics": {}},
    ],
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    spec = msgspec.to_builtins(history.policy(budget={"price": 0.5}, data={"uri": "s3://tecton-exports/churn"}))
    (container,) = spec["stages"]["training"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "NEPTUNE_API_TOKEN", "value": "airflow"}]
    compared = {"accuracy": 0.93, "champion.accuracy": 0.90}
    first, second = {**RUN, "id": "a", "version": "1"}, {**RUN, "id": "b", "version": "2", "metrics": compared}
    runs = [
        {**second, "startedAt": "2026-02-14T00:00:00Z", "finishedAt": "2026-02-15T00:00:00Z"},
        {**first, "startedAt": "2025-08-01T00:00:00Z", "finishedAt": "2025-08-02T00:00:00Z"},
    ]
    policy = {
        "kind": "RetrainPolicy",
        "metadata": {"name": "churn"},
        "spec": spec,
        "status": {"runs": runs, "quality": QUALITY},
    }
    deployment = {
        "kind": "ModelDeployment",
        "metadata": {"name": "churn"},
        "spec": msgspec.to_builtins(history.deployment()),
    }
    return history.write(tmp_path, deployment, policy)


def lines(capsys: pytest.CaptureFixture[str], *given: str) -> list[str]:
    assert main(list(given)) == 0
    return capsys.readouterr().out.splitlines()


def test_cost_stands_beside_the_change_on_holdout_and_outcomes(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(capsys, *history.review(files))
    for line in (
        "| b | HandedOver | 2 | 2 | 1 | +0.03 | +0.03911 |",
        "| a | HandedOver | 1 | 2 | 1 | - | - |",
        "These runs cost 2.",
        "On outcomes they changed accuracy by +0.0391.",
    ):
        assert line in shown


def test_versions_stand_on_one_holdout_with_their_trend(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(capsys, *history.review(files))
    for line in (
        "From one version that was handed over to the next, the score changes by +1.00%.",
        "Version 1 is better than the champion by the present objective.",
        "| 1 | HandedOver | +3.25% | accuracy 0.9 |",
        "| 3 | Rejected | - |  |",
    ):
        assert line in shown


def test_the_account_says_when_the_effort_has_paid(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    since = ("--since", "2026-02-15T00:00:00Z", "--value-of-point", "1000", "--effort", "290")
    shown = lines(capsys, *history.review(files, *since))
    # The run of version 2 cost 1 in 45 days.
    account = "9.667 a day saved, 0.02222 a day for runs: the effort of 290 has paid after 30.1 days, at 9.644 a day."
    assert account in shown
    assert "| before | 45 | 9.0d | 20.0% | 0.01 | 1 | 11.0d |" in shown
    assert "| after | 45 | 1.0d | 2.2% | 0.0003333 | 0 | - |" in shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--since", "soon"], "--since soon: write a time such as"),
        (["--since", "2027-01-01T00:00:00Z"], "--since 2027-01-01T00:00:00Z: it lies outside of the stored windows"),
    ],
)
def test_a_time_that_does_not_fit(
    files: Path, given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(history.review(files, *given)) == 1
    assert message in capsys.readouterr().err


def test_before_and_after_need_windows(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "-f", f"{files}/churn.yaml", "--since", "2026-02-15T00:00:00Z"]) == 1
    assert "--since needs --windows" in capsys.readouterr().err


def test_an_image_and_tools_that_grow_old_are_named_with_the_way_out(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = lines(capsys, *history.review(files))
    assert f"| {DIGEST} | 243.0d | build it anew on a present base image |" in shown
    found = {line.split(" | ")[0].removeprefix("| "): line for line in shown if "2026-11-23" in line}
    assert (
        "| closed | 2026-11-23 | the service has ended and its data is deleted; neptune-exporter" in found["Neptune.ai"]
    )
    assert "Feast" in found["Tecton"]
    assert "Airflow" not in found, "the value of a variable may be a secret"


def test_an_image_that_was_replaced_lately_is_no_finding(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployment, policy = yaml.safe_load_all((files / "churn.yaml").read_text())
    policy["status"]["runs"][1]["lineage"] = {"imageDigest": f"sha256:{'d' * 64}"}
    (files / "churn.yaml").write_text(yaml.safe_dump_all([deployment, policy]))
    assert f"| {DIGEST} | 46.0d | no finding |" in lines(capsys, *history.review(files))
