"""Everything that can go wrong on purpose.

    ServingError                the process cannot do its work; reason and message go to the termination log
    ├── BundleRefused           what lies in the model's directory is not served, and why
    ├── SmokeFailed             the model does not answer its own example
    └── FetchFailed             the model could not be brought here, or is not the one that was promised
    BadInput                    a request is wrong: 400, with the field and the reason
    ModelFailed                 the model raised: 500

Every message is one sentence for people and holds no value of a feature.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from viridian.api.refusals import Refusal


class ServingError(Exception):
    """The process ends with this sentence."""

    usual: ClassVar[Refusal] = Refusal.NOT_SERVED

    def __init__(self, sentence: str, reason: Refusal | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason or self.usual


class BundleRefused(ServingError):
    """The directory holds no model that this server loads."""


class SmokeFailed(ServingError):
    """The model was loaded but does not answer."""

    usual = Refusal.SMOKE_FAILED


class FetchFailed(ServingError):
    """The model is not here, or is not what was promised."""

    usual = Refusal.UNAVAILABLE


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


class BadInput(Exception):
    """The request's input is refused."""

    def __init__(self, reason: Rejection, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.message = message


class ModelFailed(Exception):
    """The model raised while predicting. The original is the cause; its text may hold values and is never shown."""
