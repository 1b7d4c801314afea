"""whylogs as the stage that validates data: real profiles of rows that are made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

SYSTEM = named("whylogs")
GOOD = [f"{20 + number % 50},{'de' if number % 3 else 'fr'}" for number in range(300)]


@pytest.fixture
def run(tmp_path: Path) -> StackRun:
    return StackRun(SYSTEM, tmp_path)


def rows(file: Path, *lines: str) -> Path:
    """A file of good rows, whose first ones are these."""
    file.write_text("age,country\n" + "\n".join([*lines, *GOOD[len(lines) :]]) + "\n")
    return file


def test_good_rows_reach_training_and_leave_their_profile_in_the_volume(run: StackRun, tmp_path: Path) -> None:
    ended = run.begin("r1", rows(tmp_path / "rows.csv")).work()
    assert ended.code == ExitCode.DONE, ended.log
    assert run.at_work == "training"
    (profile,) = tmp_path.rglob("profile.bin")
    assert profile.stat().st_size > 0


@pytest.mark.parametrize(
    ("line", "constraint"),
    [
        (",de", "age has no missing values"),
        ("-3,de", "age greater than number 0"),
        ("31,atlantis", "country values in set"),
    ],
)
def test_a_constraint_that_does_not_hold_pauses_the_policy_and_is_named(
    run: StackRun, tmp_path: Path, line: str, constraint: str
) -> None:
    ended = run.begin("r1", rows(tmp_path / "rows.csv", line)).work()
    assert ended.code == ExitCode.BAD_DATA, ended.log
    assert run.world.condition("Paused") == ("True", "DataQualityFailed")
    assert f"whylogs: does not hold: {constraint}" in run.world.message("DataQuality")
    assert "atlantis" not in ended.message, "no value of a row"


def test_repaired_rows_resume_it(run: StackRun, tmp_path: Path) -> None:
    run.begin("r1", rows(tmp_path / "bad.csv", ",de")).work()
    assert run.begin("r2", rows(tmp_path / "good.csv")).work().code == ExitCode.DONE
    assert run.world.condition("DataQuality") == ("True", "DataAccepted")


def test_a_report_without_constraints_shows_nothing(run: StackRun, tmp_path: Path) -> None:
    ended = run.begin("r1", tmp_path / "any.csv").python("import adapter; adapter.end_stage([])")
    assert (ended.code, ended.report.failures) == (2, ("whylogs: no constraint was checked",))
