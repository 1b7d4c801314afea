"""The contract of a stage: the exit codes that mean something, and the report in its termination message.

The stage's container and the operator both import this page, so neither can change it for itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Final

from viridian.api.evaluation import HoldoutEvaluation, parse_evaluation
from viridian.api.features import digest_shown
from viridian.api.texts import one_line

MAX_REPORT_BYTES: Final = 4096
"""What the kubelet keeps of a termination message."""
MAX_FAILURE_CHARACTERS: Final = 500
MAX_FAILURES: Final = 4
_MAX_AMOUNT: Final = 2.0**63
RESOLVER_STAGE: Final = "data"
"""The name of `spec.data.resolver` among the stages of a run: it comes before all others."""


class StageName(StrEnum):
    """The stages of a run, in their order."""

    DATA_VALIDATION = "dataValidation"
    FEATURES = "features"
    TRAINING = "training"
    EVALUATION = "evaluation"
    TESTS = "tests"


class ExitCode(IntEnum):
    """Endings of a stage that mean something; any other is an error, and so is 1 in any stage but `tests`."""

    DONE = 0
    TESTS_FAILED = 1
    BAD_DATA = 64
    BAD_CANDIDATE = 65
    NOTHING_TO_DO = 66


def stage_place(name: str) -> str:
    """Where in the spec a stage stands."""
    return "data.resolver" if name == RESOLVER_STAGE else f"stages.{name}"


FINAL_EXIT_CODES: Final = (int(ExitCode.BAD_DATA), int(ExitCode.BAD_CANDIDATE), int(ExitCode.NOTHING_TO_DO))
"""Endings that no retry would change."""


def final_exit_codes(stage: str) -> tuple[int, ...]:
    """Endings of a stage that no retry would change: a suite of tests that fails, as pytest reports it, is one more."""
    failed = (int(ExitCode.TESTS_FAILED),) if stage == StageName.TESTS else ()
    return (*failed, *FINAL_EXIT_CODES)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """What a stage reports to the operator."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    holdout: str = ""
    model_uri: str = ""
    model_digest: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    """What the stage trained on: uri, revision, digest."""
    features: str = ""
    """Digest of the feature definition that the stage has used."""
    champion_problem: str = ""
    """Why the champion could not be judged on this holdout."""
    evaluation: HoldoutEvaluation | None = None
    """Candidate and champion beside each other on the holdout, with intervals."""
    cpu_seconds: float | None = None
    """What its container has used of CPUs."""
    peak_memory_bytes: int | None = None
    """The most memory that its container has used at a time."""
    failures: tuple[str, ...] = ()
    message: str = ""
    """The whole message, where it is no report."""

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
        if self.data:
            document["data"] = dict(self.data)
        if self.features:
            document["features"] = {"digest": self.features}
        if self.champion_problem:
            document["champion"] = {"problem": shortened(self.champion_problem)}
        if self.evaluation is not None:
            document["evaluation"] = self.evaluation.compact()
        usage = {"cpuSeconds": self.cpu_seconds, "peakMemoryBytes": self.peak_memory_bytes}
        if known := {name: value for name, value in usage.items() if value is not None}:
            document["usage"] = known
        return document

    def rendered(self) -> str:
        """At most 4,096 bytes. Metrics that do not fit are left out from the end: all of them are in MLflow."""
        document = self.document()
        while len(text := json.dumps(document)) > MAX_REPORT_BYTES and document["metrics"]:
            document["metrics"].popitem()
        return text


def parse_report(message: str) -> StageReport:
    """The report in a termination message. Whatever in it is not as the contract says is left out."""
    try:
        document: Any = json.loads(message)
    except (ValueError, RecursionError):
        return StageReport(message=one_line(message, MAX_REPORT_BYTES))
    if not isinstance(document, dict):
        return StageReport(message=one_line(message, MAX_REPORT_BYTES))
    failures, peak = document.get("failures"), _amount(document.get("usage"), "peakMemoryBytes")
    return StageReport(
        metrics=_numbers(document.get("metrics")),
        holdout=_text(document, "holdout"),
        model_uri=_text(document.get("model"), "uri"),
        model_digest=_text(document.get("model"), "digest"),
        data={part: value for part in ("uri", "revision", "digest") if (value := _line(document.get("data"), part))},
        features=digest_shown(_text(document.get("features"), "digest")),
        champion_problem=_line(document.get("champion"), "problem"),
        evaluation=parse_evaluation(document.get("evaluation")),
        cpu_seconds=_amount(document.get("usage"), "cpuSeconds"),
        peak_memory_bytes=int(peak) if peak is not None else None,
        failures=tuple(map(_sentence, failures)) if isinstance(failures, list) else (),
    )


def shortened(sentence: str) -> str:
    """One line of bounded length."""
    return one_line(sentence, MAX_FAILURE_CHARACTERS)


def _text(document: Any, key: str) -> str:
    value = document.get(key) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""


def _line(document: Any, key: str) -> str:
    return one_line(_text(document, key), MAX_REPORT_BYTES)


def _numbers(found: Any) -> dict[str, float]:
    numbers = found.items() if isinstance(found, dict) else ()
    real = {name: value for name, value in numbers if isinstance(value, int | float) and not isinstance(value, bool)}
    return {name: _float(value) for name, value in real.items()}


def _amount(document: Any, key: str) -> float | None:
    """A number that counts something: not negative, and not beyond what the API server keeps as a whole number."""
    value = _numbers(document).get(key)
    return value if value is not None and 0 <= value < _MAX_AMOUNT else None


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _sentence(entry: Any) -> str:
    return one_line(entry if isinstance(entry, str) else json.dumps(entry, default=str), MAX_REPORT_BYTES)
