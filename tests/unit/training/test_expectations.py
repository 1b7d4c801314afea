"""A validation by Great Expectations as a stage: the real library's results, and what else may stand in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.expectations.environment import validated
from tests.unit.retraining.world import World, daily, policy, stage_spec
from viridian.api.stage import ExitCode, StageReport, parse_report
from viridian.training import expectations

BAD = "age,country\n31,fr\n,de\n47,atlantis\n"
REPAIRED = "age,country\n31,fr\n28,de\n47,fr\n"
FOUND = (
    "expect_column_values_to_be_in_set, column country: 1 of 3 rows (33.3 %)",
    "expect_column_values_to_not_be_null, column age: 1 of 3 rows (33.3 %)",
)


def ended(folder: Path, rows: str) -> tuple[int, str]:
    """Exit code and termination message of the suite."""
    (folder / "rows.csv").write_text(rows)
    return validated(folder / "rows.csv", folder / "report"), (folder / "report").read_text()


@pytest.mark.needs_programs
def test_a_null_column_pauses_and_repaired_rows_resume(tmp_path: Path) -> None:
    stages = {"dataValidation": stage_spec("ghcr.io/acme/rows:1"), "training": stage_spec()}
    world = World(policy=policy(daily(), stages=stages))
    world.settle()
    world.at("2026-11-21T03:00:05Z").settle()
    code, message = ended(tmp_path, BAD)
    assert (code, tuple(sorted(parse_report(message).failures))) == (ExitCode.BAD_DATA, FOUND)
    assert "atlantis" not in message, "no value of a row"
    world.end(code, message).settle()
    assert world.condition("Paused") == ("True", "DataQualityFailed")
    assert FOUND[1] in world.message("DataQuality")
    world.at("2026-11-22T03:00:05Z").settle()
    assert [job.rsplit("-", 1)[1] for job in world.made] == ["validation", "validation"]
    world.end(*ended(tmp_path, REPAIRED)).settle()
    assert world.condition("DataQuality") == ("True", "DataAccepted")
    assert world.made[-1].endswith("-training")


# ---- files


def evaluated(success: bool, kind: str = "expect_column_max_to_be_between", **result: Any) -> dict[str, Any]:
    return {"expectation_type": kind, "success": success, "kwargs": {"column": "age"}, "result": result}


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Exit code and report of the command on files with these contents."""

    def command(*contents: Any) -> tuple[int, StageReport]:
        monkeypatch.setenv("VIRIDIAN_TERMINATION_LOG", str(tmp_path / "report"))
        paths = [tmp_path / f"{number}.json" for number, _ in enumerate(contents)]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return expectations.main([str(path) for path in paths]), parse_report((tmp_path / "report").read_text())

    return command


def test_results_of_suites_and_of_checkpoints_are_read(read: Any) -> None:
    good, bad = {"expectations": [evaluated(True)]}, {"expectations": [evaluated(False, observed_value=131)]}
    assert read(good, {"validation_results": [good, good]})[0] == ExitCode.DONE
    code, report = read(good, {"validation_results": [good, bad]})
    assert code == ExitCode.BAD_DATA
    assert report.failures == ("expect_column_max_to_be_between, column age: does not hold",)


@pytest.mark.parametrize(
    ("kind", "result", "detail"),
    [
        ("expect_table_row_count_to_be_between", {"observed_value": 1200}, "there are 1,200"),
        ("expect_column_max_to_be_between", {"observed_value": 131}, "does not hold"),
        ("expect_column_max_to_be_between", {}, "cannot be evaluated: is the column there?"),
    ],
)
def test_no_value_of_a_row_is_reported(read: Any, kind: str, result: dict[str, Any], detail: str) -> None:
    _, report = read({"expectations": [evaluated(False, kind, **result)]})
    assert report.failures == (f"{kind}, column age: {detail}",)


def test_many_failures_are_cut_and_counted(read: Any) -> None:
    many = {"expectations": [evaluated(False, f"expect_{number}", observed_value=1) for number in range(50)]}
    code, report = read(many)
    assert code == ExitCode.BAD_DATA
    assert len(report.failures) == 4
    assert report.failures[-1].startswith("and 47 more")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"expectations": []}, "no expectation was evaluated"),
        ({"validation_results": []}, "no expectation was evaluated"),
        ({"success": True}, "no result of Great Expectations"),
        ({"expectations": [{"success": "yes"}]}, "no result of Great Expectations"),
        ([1], "no result of Great Expectations"),
        ("{", "cannot be read"),
        ("", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_what_shows_nothing_is_an_error_and_no_verdict(read: Any, content: Any, why: str) -> None:
    code, report = read(content)
    assert code == 2
    assert why in report.failures[0]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert expectations.main([str(tmp_path / "none.json")]) == 2
