"""`python -m viridian.cli backtest`, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.support import history
from viridian.cli.main import main


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The manifests, windows, profile and incidents of the ninety days."""
    deployment = {
        "apiVersion": "viridian.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "churn"},
        "spec": msgspec.to_builtins(history.deployment()),
    }
    policy = {
        "kind": "RetrainPolicy",
        "metadata": {"name": "churn"},
        "spec": msgspec.to_builtins(history.policy({"name": "monthly", "schedule": {"cron": "0 3 1 * *"}})),
    }
    (tmp_path / "churn.yaml").write_text(yaml.safe_dump_all([deployment, policy]))
    (tmp_path / "windows.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, history.stored_windows())))
    (tmp_path / "profile.json").write_bytes(msgspec.json.encode(history.REFERENCE))
    (tmp_path / "incidents.yaml").write_text(yaml.safe_dump([msgspec.to_builtins(history.CAMPAIGN)]))
    return tmp_path


def arguments(files: Path, *more: str) -> list[str]:
    known = ["-f", f"{files}/churn.yaml", "--windows", f"{files}/windows.jsonl", "--profile", f"{files}/profile.json"]
    return ["backtest", *known, "--incidents", f"{files}/incidents.yaml", *more]


def test_the_table_shows_monitors_alarms_runs_and_incidents(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(files, "--cost-of-run", "12.5", "--try", "inputs=0.27")) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "90 windows from 2026-01-01T00:00:00Z to 2026-04-01T00:00:00Z"
    for line in (
        "MONITOR    WINDOWS   JUDGED   FIRED   ALARMS   FALSE   CAUGHT   MISSED   MEDIAN DELAY",
        "inputs     90        90       9       2        1       1        0        3.0d",
        "2026-03-03T00:01:30Z   inputs     1         2026-03-04T00:01:30Z   yes",
        "0.27        8       1        0       1        0        3.0d",
        "3 runs, 37.5 in all:",
        "campaign   1.1d",
    ):
        assert line in shown.splitlines()


def test_json_has_the_same_for_programs(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(files, "-o", "json", "--cadence", "accuracy", "--value-of-point", "1000")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["backtest"]["monitors"][0]["score"]["false_alarms"] == 1
    assert found["cost"] == 3.0
    assert found["cadence"]["decay"]["metric"] == "accuracy"
    assert found["cadence"]["value_of_point"] == 1000.0


def test_a_list_of_windows_is_read_as_well(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "windows.jsonl").write_bytes(msgspec.json.encode(history.stored_windows()))
    assert main(arguments(files)) == 0
    assert "90 windows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("churn.yaml", "kind: RetrainPolicy", "one ModelDeployment is needed, and the files have 0"),
        ("churn.yaml", "a: [", "is no YAML"),
        ("churn.yaml", "{kind: ModelDeployment, metadata: {name: churn}, spec: {}}", "ModelDeployment churn: spec:"),
        ("windows.jsonl", "\n{}\n", "line 2: Object missing required field `revision`"),
        ("windows.jsonl", "", "there is no window: export some from the collector first"),
        ("profile.json", "{", "profile.json: Input data was truncated"),
        ("incidents.yaml", "- {name: x}", "write a list such as"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(
    files: Path, capsys: pytest.CaptureFixture[str], file: str, content: str, message: str
) -> None:
    (files / file).write_text(content)
    assert main(arguments(files)) == 1
    assert message in capsys.readouterr().err


def test_a_file_that_is_not_there(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "incidents.yaml").unlink()
    assert main(arguments(files)) == 1
    assert "incidents.yaml cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--try", "inputs=a"), "write numbers with commas between, such as inputs=0.1,0.2"),
        (("--try", "input"), "there is no monitor input; there are inputs, accuracy"),
        (("--cadence", "auc"), "--cadence needs --value-of-point"),
    ],
)
def test_an_argument_that_makes_no_sense(
    files: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], message: str
) -> None:
    assert main(arguments(files, *more)) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("amount", ["0", "-1", "nan", "inf"])
def test_a_cost_is_a_number_above_0(files: Path, capsys: pytest.CaptureFixture[str], amount: str) -> None:
    assert main(arguments(files, "--cost-of-run", amount)) == 2
    assert "write a number above 0" in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "--help"]) == 0
    assert "python -m viridian.cli backtest -f churn.yaml --windows windows.json" in capsys.readouterr().out
