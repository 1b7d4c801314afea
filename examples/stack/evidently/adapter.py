"""A report of Evidently in the contract of a stage: failed tests by name, drift as metrics, and the exit code."""

import sys
from typing import Any, NoReturn

from viridian.api.stage import ExitCode, StageReport
from viridian.training import stage_exit
from viridian.training.checks.findings import DataFinding, reported

BROKEN = 2
DRIFT = "evidently:metric_v2:ValueDrift"


def end_stage(document: dict[str, Any]) -> NoReturn:
    """Report what `json.loads(snapshot.json())` says, and end the script as the stage ends.

    Descriptions of tests are left out: some hold values of rows.
    """
    tests = document["tests"]
    failed = [DataFinding("evidently", "", test["name"]) for test in tests if test["status"] == "FAIL"]
    errors = [DataFinding("evidently cannot evaluate", "", test["name"]) for test in tests if test["status"] == "ERROR"]
    problems = errors or failed or ([] if tests else [DataFinding("evidently", "", "no test ran; set include_tests")])
    drift = {f"drift.{one['config']['column']}": one["value"] for one in document["metrics"] if is_drift(one)}
    for problem in problems:
        sys.stderr.write(f"{problem.sentence}\n")
    stage_exit.write(StageReport(metrics=drift, failures=reported(problems)))
    sys.exit(BROKEN if errors or not tests else ExitCode.BAD_DATA if failed else ExitCode.DONE)


def is_drift(metric: dict[str, Any]) -> bool:
    """Whether it is one number about one column."""
    return bool(metric["config"]["type"] == DRIFT and isinstance(metric["value"], float))
