"""The signature of a model version: Ed25519 over the exact bytes of its manifest, beside it as a small JSON document.

    viridian/manifest.sig   {"algorithm":"ed25519","key":"<16 hexadecimal digits>","signature":"<base64>"}

The manifest does not name it, so a version can be signed anew, with the next key, and keeps its digest. `key` only says
which of several trusted keys to try; the trust comes from the key itself. Cryptography is left to the caller.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec

ALGORITHM: Final = "ed25519"
MAX_SIGNATURE_BYTES: Final = 1024
_SIGNATURE_LENGTH: Final = 64
_KEY_ID_LENGTH: Final = 16


class SignatureMalformed(Exception):
    """The document is no signature; the message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed, and the 64 bytes."""

    key: str
    value: bytes


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    algorithm: str
    key: str
    signature: str


def key_id(public: bytes) -> str:
    """The name of a key: the first 16 hexadecimal digits of the SHA-256 of its 32 public bytes."""
    return hashlib.sha256(public).hexdigest()[:_KEY_ID_LENGTH]


def render(signature: Signature) -> bytes:
    """The document of a signature."""
    value = base64.b64encode(signature.value).decode()
    return msgspec.json.encode(_Document(algorithm=ALGORITHM, key=signature.key, signature=value))


def parse(document: bytes) -> Signature:
    """The signature in a document."""
    if len(document) > MAX_SIGNATURE_BYTES:
        raise SignatureMalformed(f"the signature is larger than {MAX_SIGNATURE_BYTES} bytes")
    try:
        found = msgspec.json.decode(document, type=_Document)
        value = base64.b64decode(found.signature, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError) as error:
        raise SignatureMalformed("the signature is not the JSON document that Viridian writes") from error
    if found.algorithm != ALGORITHM or len(value) != _SIGNATURE_LENGTH:
        raise SignatureMalformed(f"the signature is not one of {ALGORITHM}, of {_SIGNATURE_LENGTH} bytes")
    return Signature(found.key, value)
