"""What a model version answers for the rows of a holdout, how fast, and how large it is: as the server would run it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from viridian.training.rows import Rows
from viridian.training.scores import Predicted
from viridian.training.served_model import LoadedVersion

TIMED_ROWS: Final = 200
_MOST_SECONDS: Final = 10
_WARM_UP: Final = 5
"""Predictions that are not counted: the first ones load what the later ones use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAnswers:
    """One version's answers."""

    predicted: Predicted
    classifier: bool
    latency_p95: float | None
    """Seconds of a prediction for one row, without HTTP; None where it was not measured."""
    size_bytes: int


def served_answers(directory: Path, rows: Rows, *, timed: bool) -> ServedAnswers:
    """Loads the version in this directory by the server's rules, and asks it; NotServed where that is not possible."""
    version = LoadedVersion(directory)
    return ServedAnswers(
        predicted=version.predict(rows),
        classifier=version.classifies(rows),
        latency_p95=_latency(version, rows) if timed else None,
        size_bytes=sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()),
    )


def _latency(version: LoadedVersion, rows: Rows) -> float:
    """A slow version is asked less often: fewer predictions show well enough that it is slow."""
    seconds: list[float] = []
    while len(seconds) < _WARM_UP + TIMED_ROWS and sum(seconds) < _MOST_SECONDS:
        one = rows.take(np.array([len(seconds) % len(rows)]))
        began = time.perf_counter()
        version.predict(one)
        seconds.append(time.perf_counter() - began)
    return float(np.quantile(seconds[_WARM_UP:] or seconds, 0.95))
