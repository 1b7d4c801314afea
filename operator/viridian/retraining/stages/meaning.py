"""What the end of a stage means for its run: one exit code may mean something in one stage and an error in another."""

from __future__ import annotations

from enum import Enum, auto

from viridian.api.stage import RESOLVER_STAGE, ExitCode, StageName
from viridian.retraining.stages.state import OUT_OF_TIME, StageOutcome, StageResult

_BEFORE_A_CANDIDATE = (RESOLVER_STAGE, StageName.DATA_VALIDATION, StageName.FEATURES)
_AFTER_TRAINING = (StageName.EVALUATION, StageName.TESTS)


class Meaning(Enum):
    """What the end of a stage means."""

    DONE = auto()
    CANCELLED = auto()
    OUT_OF_TIME = auto()
    BAD_DATA = auto()
    BAD_CANDIDATE = auto()
    NOTHING_TO_DO = auto()
    ERROR = auto()


def meaning(stage: str, result: StageResult) -> Meaning:
    """What this end of the stage means.

    Bad data is bad data in any stage. A candidate can be rejected only once there is one, and there is nothing to do
    only before one was trained.
    """
    match result.outcome:
        case StageOutcome.COMPLETE:
            return Meaning.DONE
        case StageOutcome.CANCELLED:
            return Meaning.CANCELLED
        case _ if result.reason == OUT_OF_TIME:
            return Meaning.OUT_OF_TIME
    match result.code:
        case ExitCode.BAD_DATA:
            return Meaning.BAD_DATA
        case ExitCode.BAD_CANDIDATE if stage not in _BEFORE_A_CANDIDATE:
            return Meaning.BAD_CANDIDATE
        case ExitCode.TESTS_FAILED if stage == StageName.TESTS:
            return Meaning.BAD_CANDIDATE
        case ExitCode.NOTHING_TO_DO if stage not in _AFTER_TRAINING:
            return Meaning.NOTHING_TO_DO
        case _:
            return Meaning.ERROR
