"""Other libraries of models in an environment of their own, as a team has them in the image of its training.

python -m tests.support.libraries.environment       installs it; `make test` does so before the tests
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

from benchmarks.environments import environment
from localcluster.paths import REPOSITORY

PROGRAMS: Final = Path(__file__).parent / "programs"
TRAINER: Final = PROGRAMS / "train_models.py"
CASES: Final = re.findall(r"^@case\ndef (\w+)\(", TRAINER.read_text(), flags=re.M)
"""The program cannot be imported where the libraries are not."""
_SECONDS: Final = 600


def trained(folder: Path) -> dict[str, Any]:
    """Every case of the program, trained by its own library and packed into the folder, with the library's answers."""
    run(TRAINER, str(folder))
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def logged(case: str, folder: Path, mlflow: str) -> dict[str, Any]:
    """One case of the program by `training.log`, in MLflow at that address: where it is, and the library's answers."""
    run(PROGRAMS / "log_model.py", case, str(folder / "logged.json"), MLFLOW_TRACKING_URI=mlflow)
    report: dict[str, Any] = json.loads((folder / "logged.json").read_text())
    return report


def run(program: Path, *arguments: str, python: Path | None = None, **variables: str) -> None:
    """In the environment of the libraries, or by another Python; RuntimeError where it fails."""
    given = {"PYTHONPATH": str(REPOSITORY / "operator"), "OMP_NUM_THREADS": "1", **variables}
    command = [str(python or environment("libraries") / "python"), str(program), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **given}, timeout=_SECONDS, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{program.name} ended with {done.returncode}: {done.stderr[-2000:]}")


if __name__ == "__main__":
    environment("libraries")
