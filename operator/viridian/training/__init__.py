"""One line after `fit`: the model is judged, packed, logged to MLflow and reported.

    from viridian import training

    training.log(model, holdout=(X_test, y_test), params={"C": 0.1})

Inside a RetrainPolicy's Job the run, the champion and the place of the report come from the environment. Outside, the
same script logs to MLflow as any other script does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from viridian.training.stage_exit import (
    CANDIDATE_FAILED,
    DATA_NOT_GOOD_ENOUGH,
    NOTHING_TO_DO,
    CandidateFailed,
    DataNotGoodEnough,
    NothingToDo,
    StageEnded,
)

GIVEN_RUN: Final = os.environ.get("MLFLOW_RUN_ID", "")
"""The run that was made beforehand. MLflow itself forgets it once a script has used it."""

if TYPE_CHECKING:
    from viridian.training.log_call import Logged, log

__all__ = [
    "CANDIDATE_FAILED",
    "DATA_NOT_GOOD_ENOUGH",
    "NOTHING_TO_DO",
    "CandidateFailed",
    "DataNotGoodEnough",
    "Logged",
    "NothingToDo",
    "StageEnded",
    "log",
]


def __getattr__(name: str) -> Any:
    """`log` brings scikit-learn, ONNX and MLflow; a stage that only checks data has no need of them."""
    if name in ("log", "Logged"):
        from viridian.training import log_call

        return getattr(log_call, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
