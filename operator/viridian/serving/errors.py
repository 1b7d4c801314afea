"""Everything that can go wrong on purpose.

    ServingError                the process cannot do its work; reason and message go to the termination log
    ├── BundleRefused           what lies in the model's directory is not served, and why
    ├── SmokeFailed             the model does not answer its own example
    └── FetchFailed             the model could not be brought here, or is not the one that was promised
    BadInput                    a request is wrong: 400, with the field and the reason
    ModelFailed                 the model raised: 500
    NoAnswer                    there is none in time, or no room for waiting
    ├── Busy                    429: too many wait
    ├── TurnMissed              503: it waited too long for its turn
    └── TookTooLong             504: the model did not answer in time

Every message is one sentence for people and holds no value of a feature.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from viridian.api.rejections import ModelRejection


class ServingError(Exception):
    """The process ends with this sentence."""

    usual: ClassVar[ModelRejection] = ModelRejection.NOT_SERVED

    def __init__(self, sentence: str, reason: ModelRejection | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason or self.usual


class BundleRefused(ServingError):
    """The directory holds no model that this server loads."""


class SmokeFailed(ServingError):
    """The model was loaded but does not answer."""

    usual = ModelRejection.SMOKE_FAILED


class FetchFailed(ServingError):
    """The model is not here, or is not what was promised."""

    usual = ModelRejection.UNAVAILABLE


class Rejection(StrEnum):
    """Why an input was refused: the values of the label `reason` of `viridian_rejected_inputs_total`."""

    BODY_TOO_LARGE = "BodyTooLarge"
    MALFORMED = "Malformed"
    """No JSON, or not the shape that the protocol asks for."""
    MEDIA_TYPE = "MediaType"
    MISSING_COLUMN = "MissingColumn"
    UNKNOWN_COLUMN = "UnknownColumn"
    UNKNOWN_OUTPUT = "UnknownOutput"
    WRONG_TYPE = "WrongType"
    WRONG_SHAPE = "WrongShape"
    MISSING_VALUE = "MissingValue"
    OUT_OF_RANGE = "OutOfRange"
    UNKNOWN_VALUE = "UnknownValue"
    """A category that the model has no answer for."""
    TOO_MANY_ROWS = "TooManyRows"
    TOO_SLOW = "TooSlow"
    """The body did not arrive in time."""


class BadInput(Exception):
    """The request's input is refused."""

    def __init__(self, reason: Rejection, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.message = message


class ModelFailed(Exception):
    """The model raised while predicting. The original is the cause; its text may hold values and is never shown."""


class NoAnswer(Exception):
    """The request may be fine, but it is not answered."""

    status = 500

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds, for the header of that name."""


class Busy(NoAnswer):
    """Nothing more may wait."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many requests wait for the model already", retry_after)


class TurnMissed(NoAnswer):
    """Its turn did not come in time; the model was not asked."""

    status = 503

    def __init__(self, retry_after: int) -> None:
        super().__init__("the request waited too long for its turn, and the model was not asked", retry_after)


class TookTooLong(NoAnswer):
    """The model was asked and did not answer in time; it goes on, and nobody waits for it."""

    status = 504

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the model did not answer within {seconds:g} s")
