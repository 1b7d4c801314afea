"""A request for predictions: what its headers say, and its body."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec

from viridian.api.shadow import SHADOW_HEADER
from viridian.http.bodies import LENGTH, length

JSON_LENGTH: Final = b"inference-header-content-length"
"""Of the binary tensor extension: so many bytes of the body are JSON, tensors follow."""
REQUEST_ID: Final = b"x-request-id"
TRACEPARENT: Final = b"traceparent"
_SHADOW: Final = SHADOW_HEADER.encode()
_TYPE, _ENCODING = b"content-type", b"content-encoding"
_READ: Final = frozenset({_TYPE, _ENCODING, LENGTH, JSON_LENGTH, REQUEST_ID, TRACEPARENT, _SHADOW})
_LONGEST_ID: Final = 200

CSV: Final = "text/csv"
_JSON: Final = frozenset(
    # The last two are what curl says of itself, and what clients say of JSON with tensors behind it.
    {"", "application/json", "text/json", "application/x-www-form-urlencoded", "application/octet-stream"}
)


class Dialect(Enum):
    """Which of the two protocols is spoken."""

    INFERENCE = "Open Inference Protocol"
    INVOCATION = "MLflow"


class Head:
    """The headers that matter here; all others are not even looked at."""

    __slots__ = ("_given",)

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._given = {name: value for name, value in headers if name in _READ}

    @property
    def media(self) -> str:
        """The type of the body without its parameters."""
        return self._given.get(_TYPE, b"").partition(b";")[0].strip().lower().decode("latin-1")

    @property
    def announced(self) -> int:
        """How long the body is to be; 0 where the headers do not give it."""
        return length(self._given.get(LENGTH, b""))

    @property
    def copied(self) -> bool:
        """It is a champion's copy, and no user's request."""
        return _SHADOW in self._given

    @property
    def traceparent(self) -> str:
        return self._given.get(TRACEPARENT, b"").decode("latin-1")

    @property
    def json_length(self) -> bytes | None:
        """As it was written."""
        return self._given.get(JSON_LENGTH)

    def request_id(self, default: str) -> bytes:
        """The client's own, when it is fit to be repeated."""
        given = self._given.get(REQUEST_ID, b"")
        return given if 0 < len(given) <= _LONGEST_ID and given.isascii() else default.encode()

    def unsupported_media_reason(self, dialect: Dialect) -> str:
        """Why the body is not understood, whatever is in it; empty when it may be."""
        if not self._given:
            return ""
        if self._given.get(_ENCODING, b"identity").lower() != b"identity":
            return "compressed bodies are not understood"
        if dialect is Dialect.INVOCATION and JSON_LENGTH in self._given:
            return "the binary tensor extension belongs to the Open Inference Protocol: use /v2/models/{name}/infer"
        media = self.media
        if media in _JSON or media.endswith("+json") or (media == CSV and dialect is Dialect.INVOCATION):
            return ""
        more = " or text/csv" if dialect is Dialect.INVOCATION else ""
        return f"the body is {media}, but only application/json{more} is understood"


class Request(msgspec.Struct):
    """One request, complete."""

    dialect: Dialect
    body: bytes
    prediction: str
    """The id of its prediction; row n > 0 has `-n` after it."""
    media: str = ""
    json_length: bytes | None = None
