"""Great Expectations in an environment of its own, as a team has it in the image of a stage."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from localcluster.paths import REPOSITORY
from tests.support.stack.environment import environment
from tests.support.stack.systems import named

SUITE: Final = Path(__file__).parent / "programs" / "rows_suite.py"
SECONDS: Final = 300


def validated(rows: Path, report: Path) -> int:
    """The exit code of the suite on the rows; the report is where Kubernetes would read it."""
    given = {
        "PYTHONPATH": str(REPOSITORY / "operator"),
        "VIRIDIAN_TERMINATION_LOG": str(report),
        "GX_ANALYTICS_ENABLED": "false",
    }
    command = [str(environment(named("great-expectations")) / "python"), str(SUITE), str(rows)]
    return subprocess.run(command, env={**os.environ, **given}, timeout=SECONDS, check=False).returncode
