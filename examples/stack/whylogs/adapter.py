"""A constraints report of whylogs in the contract of a stage: what does not hold by name, and the exit code."""

import sys
from collections.abc import Iterable
from typing import NoReturn, Protocol

from viridian.api.stage import ExitCode, StageReport
from viridian.training import stage_exit
from viridian.training.checks.findings import DataFinding, reported

BROKEN = 2


class Checked(Protocol):
    """One entry of `Constraints.generate_constraints_report()`. Its summary holds values of rows, and is not read."""

    name: str
    failed: int


def end_stage(report: Iterable[Checked]) -> NoReturn:
    """Report what does not hold, and end the script as the stage ends."""
    checked = list(report)
    failed = [DataFinding("whylogs", "", f"does not hold: {one.name}") for one in checked if one.failed]
    problems = failed if checked else [DataFinding("whylogs", "", "no constraint was checked")]
    for problem in problems:
        sys.stderr.write(f"{problem.sentence}\n")
    stage_exit.write(StageReport(metrics={"constraints": float(len(checked))}, failures=reported(problems)))
    sys.exit(ExitCode.BAD_DATA if failed else ExitCode.DONE if checked else BROKEN)
