"""How a stage ends: its exit code, and the report that Kubernetes keeps as termination message.

    StageEnded (a SystemExit)
    ├── DataNotGoodEnough   64   pauses the policy until the data is better
    ├── CandidateFailed     65   rejects what was trained
    └── NothingToDo         66   ends the run as skipped

Any other ending but 0 is an error, and the stage is tried again within its backoff limit.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from viridian.api.stage import MAX_REPORT_BYTES, ExitCode, StageReport
from viridian.api.texts import one_line
from viridian.training.used_resources import peak_memory_bytes, used_cpu_seconds

DATA_NOT_GOOD_ENOUGH: Final = int(ExitCode.BAD_DATA)
CANDIDATE_FAILED: Final = int(ExitCode.BAD_CANDIDATE)
NOTHING_TO_DO: Final = int(ExitCode.NOTHING_TO_DO)

TERMINATION_LOG: Final = "/dev/termination-log"


def write(report: StageReport) -> None:
    """The report stands where Kubernetes reads it, with what the container has used so far.

    Outside a pod there is no such place and nothing happens.
    """
    path = Path(os.environ.get("VIRIDIAN_TERMINATION_LOG", TERMINATION_LOG))
    if path.exists() or "VIRIDIAN_TERMINATION_LOG" in os.environ:
        measured = replace(report, cpu_seconds=used_cpu_seconds(), peak_memory_bytes=peak_memory_bytes())
        path.write_text(measured.rendered())


class StageEnded(SystemExit):
    """Raised, it ends the script with the code of its class; the reason has been reported by then."""

    exit_code = 1

    def __init__(self, reason: str) -> None:
        super().__init__(self.exit_code)
        self.reason = reason
        write(StageReport(failures=(reason,)))
        sys.stderr.write(f"{type(self).__name__}: {one_line(reason, MAX_REPORT_BYTES)}\n")


class DataNotGoodEnough(StageEnded):
    """The data must change before training makes sense again."""

    exit_code = DATA_NOT_GOOD_ENOUGH


class CandidateFailed(StageEnded):
    """A model was made, and it must not be deployed."""

    exit_code = CANDIDATE_FAILED


class NothingToDo(StageEnded):
    """Nothing has changed that would make another model."""

    exit_code = NOTHING_TO_DO
