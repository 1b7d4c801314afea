"""Great Expectations at both places: the rows that come in, and the features that training is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

SYSTEM = named("great-expectations")
HEADER = "age,country,orders,months\n"
GOOD = [f"{20 + number % 50},{'de' if number % 3 else 'fr'},{number % 30},{number % 12 + 1}" for number in range(200)]


@pytest.fixture
def run(tmp_path: Path) -> StackRun:
    return StackRun(SYSTEM, tmp_path)


def rows(folder: Path, *lines: str) -> Path:
    """A file of good rows, whose first ones are these."""
    file = folder / "customers.csv"
    file.write_text(HEADER + "\n".join([*lines, *GOOD[len(lines) :]]) + "\n")
    return file


def test_good_rows_reach_training_through_both_suites(run: StackRun, tmp_path: Path) -> None:
    run.begin("r1", rows(tmp_path))
    assert run.at_work == "dataValidation"
    assert run.work().code == ExitCode.DONE
    assert run.at_work == "features"
    assert run.work().code == ExitCode.DONE
    assert run.at_work == "training"


def test_bad_rows_pause_the_policy_which_names_the_expectations(run: StackRun, tmp_path: Path) -> None:
    ended = run.begin("r1", rows(tmp_path, ",de,3,4", "31,atlantis,3,4")).work()
    assert ended.code == ExitCode.BAD_DATA
    assert run.world.condition("Paused") == ("True", "DataQualityFailed")
    assert "expect_column_values_to_not_be_null, column age: 1 of 200 rows (0.5 %)" in run.world.message("DataQuality")
    assert set(run.world.stage_states().items()) >= {("dataValidation", "Failed"), ("training", "Skipped")}
    assert "atlantis" not in ended.message + ended.log, "no value of a row"


def test_repaired_rows_resume_it(run: StackRun, tmp_path: Path) -> None:
    run.begin("r1", rows(tmp_path, ",de,3,4")).work()
    assert run.begin("r2", rows(tmp_path)).work().code == ExitCode.DONE
    assert run.world.condition("DataQuality") == ("True", "DataAccepted")
    assert run.at_work == "features"


def test_what_only_features_show_is_found_before_training(run: StackRun, tmp_path: Path) -> None:
    run.begin("r1", rows(tmp_path, "31,de,3,0")).work()
    assert run.at_work == "features"
    ended = run.work()
    assert ended.code == ExitCode.BAD_DATA
    assert "expect_column_values_to_be_between, column orders_per_month: 1 of 200 rows (0.5 %)" in ended.report.failures
    assert not any(job.endswith("-training") for job in run.world.made)


def test_an_address_without_rows_is_an_error_and_no_verdict_on_the_data(run: StackRun, tmp_path: Path) -> None:
    ended = run.begin("r1", tmp_path / "nothing.csv").container()
    assert ended.code not in (ExitCode.DONE, ExitCode.BAD_DATA, ExitCode.BAD_CANDIDATE, ExitCode.NOTHING_TO_DO)
