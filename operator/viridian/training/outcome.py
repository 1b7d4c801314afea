"""How a stage ends: its exit code, and the report that Kubernetes keeps as termination message.

    StageEnded (a SystemExit)
    ├── DataNotGoodEnough   64   pauses the policy until the data is better
    ├── CandidateFailed     65   rejects what was trained
    └── NothingToDo         66   ends the run as skipped

Any other ending but 0 is an error, and the stage is tried again within its backoff limit.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

DATA_NOT_GOOD_ENOUGH: Final = 64
CANDIDATE_FAILED: Final = 65
NOTHING_TO_DO: Final = 66

TERMINATION_LOG: Final = "/dev/termination-log"
MAX_BYTES: Final = 4096
"""What the kubelet keeps of a termination message."""
MAX_FAILURE_CHARACTERS: Final = 500
MAX_FAILURES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a stage tells the operator."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    holdout: str | None = None
    model_uri: str | None = None
    model_digest: str | None = None
    champion_problem: str | None = None
    """Why the champion could not be judged on this holdout."""
    failures: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The JSON document of the contract. JSON has no NaN, so a metric that is none is left out."""
        document: dict[str, Any] = {
            "metrics": {name: value for name, value in self.metrics.items() if math.isfinite(value)},
            "failures": [shortened(failure) for failure in self.failures[:MAX_FAILURES]],
        }
        if self.holdout:
            document["holdout"] = self.holdout
        if self.model_uri:
            document["model"] = {"uri": self.model_uri} | ({"digest": self.model_digest} if self.model_digest else {})
        if self.champion_problem:
            document["champion"] = {"problem": shortened(self.champion_problem)}
        return document

    def rendered(self) -> str:
        """At most 4,096 bytes. Metrics that do not fit are left out from the end: all of them are in MLflow."""
        document = self.document()
        while len(text := json.dumps(document)) > MAX_BYTES and document["metrics"]:
            document["metrics"].popitem()
        return text


def write(report: Report) -> None:
    """The report stands where Kubernetes reads it; outside a pod there is no such place and nothing happens."""
    path = Path(os.environ.get("VIRIDIAN_TERMINATION_LOG", TERMINATION_LOG))
    if path.exists() or "VIRIDIAN_TERMINATION_LOG" in os.environ:
        path.write_text(report.rendered())


class StageEnded(SystemExit):
    """Raised, it ends the script with the code of its class; the reason has been reported by then."""

    exit_code = 1

    def __init__(self, reason: str) -> None:
        super().__init__(self.exit_code)
        self.reason = reason
        write(Report(failures=(reason,)))
        sys.stderr.write(f"{type(self).__name__}: {reason}\n")


class DataNotGoodEnough(StageEnded):
    """The data must change before training makes sense again."""

    exit_code = DATA_NOT_GOOD_ENOUGH


class CandidateFailed(StageEnded):
    """A model was made, and it must not be deployed."""

    exit_code = CANDIDATE_FAILED


class NothingToDo(StageEnded):
    """Nothing has changed that would make another model."""

    exit_code = NOTHING_TO_DO


def shortened(sentence: str) -> str:
    line = " ".join(sentence.split())
    return line if len(line) <= MAX_FAILURE_CHARACTERS else f"{line[: MAX_FAILURE_CHARACTERS - 1]}…"
