"""One line after `fit`: the model is judged, packed, logged to MLflow and reported to whoever started the stage.

    from viridian import training

    training.log(model, holdout=(X_test, y_test), params={"C": 0.1})

Inside a RetrainPolicy's Job the run, the champion and the place of the report come from the environment. Outside, the
same script logs to MLflow as any other script does.
"""

from viridian.training.log import Logged, log
from viridian.training.outcome import (
    CANDIDATE_FAILED,
    DATA_NOT_GOOD_ENOUGH,
    NOTHING_TO_DO,
    CandidateFailed,
    DataNotGoodEnough,
    NothingToDo,
    StageEnded,
)

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
