"""Evidently as the stage that validates data: real reports on rows that are made here."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.support.stack.stage_run import StackRun, StageEnd
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

SYSTEM = named("evidently")


def customers(file: Path, *, age: float = 40.0, german: float = 0.5, rows: int = 1000, seed: int = 1) -> Path:
    """A file of made-up customers with this mean age and share of Germans."""
    draw = random.Random(seed)
    lines = (f"{draw.gauss(age, 10):.2f},{'de' if draw.random() < german else 'fr'}" for _ in range(rows))
    file.write_text("age,country\n" + "\n".join(lines) + "\n")
    return file


@pytest.fixture
def run(tmp_path: Path) -> StackRun:
    return StackRun(SYSTEM, tmp_path)


def compared(run: StackRun, rows: Path) -> StageEnd:
    """How the stage ends for these rows."""
    sound = customers(run.folder / "sound.csv", seed=2)
    return run.begin(rows.stem, rows).work(REFERENCE_URI=sound.as_uri())


def test_rows_that_have_hardly_moved_reach_training_with_their_drift_as_metrics(run: StackRun, tmp_path: Path) -> None:
    ended = compared(run, customers(tmp_path / "season.csv", age=42))
    assert ended.code == ExitCode.DONE, ended.log
    assert 0.1 < ended.report.metrics["drift.age"] < 0.4
    assert 0 <= ended.report.metrics["drift.country"] < 0.1
    assert run.at_work == "training"


def test_a_broken_export_pauses_the_policy_which_names_the_column(run: StackRun, tmp_path: Path) -> None:
    ended = compared(run, customers(tmp_path / "months.csv", age=480))
    assert ended.code == ExitCode.BAD_DATA
    assert run.world.condition("Paused") == ("True", "DataQualityFailed")
    assert "Value Drift for column age" in run.world.message("DataQuality")
    assert "country" not in run.world.message("DataQuality")
    assert compared(run, customers(tmp_path / "years.csv")).code == ExitCode.DONE
    assert run.at_work == "training"


def test_a_missing_column_which_evidently_passes_over_pauses_the_policy(run: StackRun, tmp_path: Path) -> None:
    (tmp_path / "half.csv").write_text("age\n" + "\n".join(map(str, range(100))) + "\n")
    ended = compared(run, tmp_path / "half.csv")
    assert ended.code == ExitCode.BAD_DATA
    assert "columns are missing: country" in run.world.message("DataQuality")


def test_a_report_without_tests_shows_nothing(run: StackRun, tmp_path: Path) -> None:
    document = json.dumps({"tests": [], "metrics": []})
    ended = run.begin("r1", tmp_path / "any.csv").python(
        f"import adapter, json; adapter.end_stage(json.loads('{document}'))"
    )
    assert (ended.code, ended.report.failures) == (2, ("evidently: no test ran; set include_tests",))
