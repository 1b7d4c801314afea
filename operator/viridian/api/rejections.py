"""Why a model is not served: stable words that a pod ends with and that a ModelDeployment shows as reason.

The init step and the server write `Word: sentence` as termination message; the operator reads the word from it. What
it does not know is a sentence and nothing more.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ModelRejection(StrEnum):
    """A reason for people and tools."""

    PICKLE = "PickleRefused"
    """A pickle, under whatever name and compression: loading one runs its code."""
    TAMPERED = "ModelTampered"
    """The files are not the ones that the manifest or the digest promises."""
    UNSIGNED = "ModelUnsigned"
    """A signature is required, and the version has none."""
    UNKNOWN_KEY = "UnknownSigningKey"
    """Signed, but with a key that is not among the trusted ones."""
    BAD_SIGNATURE = "BadSignature"
    """The signature does not belong to this manifest."""
    NO_TRUSTED_KEYS = "NoTrustedKeys"
    """The Secret with the public keys is missing, or holds none."""
    NO_HASH_KEY = "NoHashKey"
    """The Secret with the key of the hashes is missing, or has no such entry."""
    UNTRUSTED_TYPE = "UntrustedType"
    """A skops file builds types that are not on the operator's list."""
    OTHER_SKLEARN = "OtherSklearnVersion"
    """A skops file was written by another minor version of scikit-learn than the server's."""
    MALFORMED = "ModelMalformed"
    """A payload that no runtime can load, or a decision tree that points outside of itself."""
    NOT_SERVED = "ModelNotServed"
    """A kind of model that this server has no runtime for, or one that is described wrongly."""
    SMOKE_FAILED = "SmokeFailed"
    """The model was loaded, and does not answer its own example."""
    UNAVAILABLE = "ModelUnavailable"
    """The files could not be brought here."""

    @property
    def lasting(self) -> bool:
        """Whether only another version, or another spec, can change it: trying again is of no use."""
        return self not in _PASSING


_PASSING: Final = frozenset({ModelRejection.UNAVAILABLE, ModelRejection.NO_TRUSTED_KEYS, ModelRejection.NO_HASH_KEY})


def format_termination_message(rejection: ModelRejection, sentence: str) -> str:
    """The termination message."""
    return f"{rejection}: {sentence}"


def parse_termination_message(message: str) -> tuple[ModelRejection | None, str]:
    """The reason in a termination message, and the sentence without it."""
    word, colon, sentence = message.partition(": ")
    if colon and word in set(ModelRejection):
        return ModelRejection(word), sentence
    return None, message
