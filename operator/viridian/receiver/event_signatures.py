"""HMAC signatures of requests, as Standard Webhooks defines them and MLflow sends them under names of its own.

The text that is signed is `<id>.<timestamp>.<body>`; the signature is HMAC-SHA256, in base64 behind `v1,`. The header
may list several, separated by blanks, while a key is changed.
Specification: standard-webhooks, spec/standard-webhooks.md, "Webhook metadata" and "Signature scheme".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from viridian.http_problem import HttpProblem

TOLERANCE_SECONDS: Final = 300
"""By how much the timestamp of a signed request may differ from the receiver's clock, either way."""
_MAX_HEADER: Final = 1024
_MAX_SIGNATURES: Final = 8
_MAX_TIMESTAMP: Final = 12
_NAMES: Final = (
    ("webhook-id", "webhook-timestamp", "webhook-signature"),
    ("x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"),
)

NOT_SIGNED: Final = (
    "the request is not signed by a key of this namespace within the last 5 minutes: send webhook-id, "
    "webhook-timestamp (seconds since 1970) and webhook-signature (v1,<base64 of HMAC-SHA256 of id.timestamp.body>)"
)
"""One sentence for all that may be wrong, so that a forger learns nothing."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of a namespace. Its name is that of the sender."""

    name: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignatureHeaders:
    """What the headers of a request say about its signature; nothing of it is checked yet."""

    id: str
    timestamp: str
    signatures: str = field(repr=False)

    def signing_key(self, body: bytes, keys: Iterable[SigningKey], now: float) -> SigningKey:
        """The key that signed this body lately, or 401."""
        if not self._is_recent(now):
            raise HttpProblem(401, NOT_SIGNED)
        text = f"{self.id}.{self.timestamp}.".encode() + body
        given = [one.encode() for one in self.signatures.split(" ")[:_MAX_SIGNATURES]]
        found = None
        # All are compared, whichever fits: the time that it takes says nothing about the keys.
        for key in keys:
            expected = signature(key.secret, text)
            for one in given:
                if hmac.compare_digest(expected, one) and found is None:
                    found = key
        if found is None:
            raise HttpProblem(401, NOT_SIGNED)
        return found

    def _is_recent(self, now: float) -> bool:
        number = self.timestamp
        if not (number.isascii() and number.isdecimal() and len(number) <= _MAX_TIMESTAMP):
            return False
        return abs(now - int(number)) <= TOLERANCE_SECONDS


def signature(secret: bytes, text: bytes) -> bytes:
    """The signature of the text, as the header has it."""
    return b"v1," + base64.b64encode(hmac.digest(secret, text, hashlib.sha256))


def signature_headers(headers: Mapping[str, str]) -> SignatureHeaders | None:
    """What the headers say; None where they hold no signature. The names of the headers are in lower case."""
    for names in _NAMES:
        values = [headers.get(name, "") for name in names]
        if values[2]:
            if not all(0 < len(value) <= _MAX_HEADER for value in values):
                raise HttpProblem(401, NOT_SIGNED)
            return SignatureHeaders(*values)
    return None
