"""Great Expectations in an environment of its own, as a team has it in the image of a stage.

python -m tests.support.expectations.environment       installs it; `make test` does so before the tests
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.environments import environment
from localcluster.paths import REPOSITORY

SUITE: Final = Path(__file__).parent / "programs" / "rows_suite.py"
SECONDS: Final = 300


def validated(rows: Path, report: Path) -> int:
    """The exit code of the suite on the rows; the report is where Kubernetes would read it."""
    given = {
        "PYTHONPATH": str(REPOSITORY / "operator"),
        "VIRIDIAN_TERMINATION_LOG": str(report),
        "GX_ANALYTICS_ENABLED": "false",
    }
    command = [str(environment("expectations") / "python"), str(SUITE), str(rows)]
    return subprocess.run(command, env={**os.environ, **given}, timeout=SECONDS, check=False).returncode


if __name__ == "__main__":
    environment("expectations")
