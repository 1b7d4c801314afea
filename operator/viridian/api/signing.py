"""The signature of a model version: Ed25519 over a statement about its manifest, beside it as a small JSON document.

    viridian/manifest.sig   a DSSE envelope: {"payloadType":"application/vnd.in-toto+json","payload":"<base64>",
                                              "signatures":[{"keyid":"<16 hexadecimal digits>","sig":"<base64>"}]}

The payload is an in-toto statement. Its one subject has the name of the registered model and the SHA-256 of the
manifest; its predicate holds the MLflow run that made the version. So a version that was signed for one model is no
version of another, and no version that another run made.

The manifest does not name the signature, so a version can be signed anew, with the next key, and keeps its digest.
`keyid` only says which of several trusted keys to try; the trust comes from the key itself. Cryptography is left to the
caller. An earlier form signed the bytes of the manifest alone, and says nothing of a model or a run:

    {"algorithm":"ed25519","key":"<16 hexadecimal digits>","signature":"<base64>"}
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Final

import msgspec

ALGORITHM: Final = "ed25519"
MAX_SIGNATURE_BYTES: Final = 8192
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://viridian.dev/model-version/v1"
_SIGNATURE_LENGTH: Final = 64
_KEY_ID_LENGTH: Final = 16


class SignatureMalformed(Exception):
    """The document is no signature; the message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a version was signed as: a version of this registered model, made by this MLflow run."""

    model: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed, and the 64 bytes."""

    key: str
    value: bytes
    payload: bytes | None = None
    """The statement that was signed; None in the earlier form, where it was the manifest."""

    def signed(self, manifest: bytes) -> bytes:
        """The bytes that the 64 are about."""
        return manifest if self.payload is None else authenticated(self.payload)


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    algorithm: str
    key: str
    signature: str


class _Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    payload_type: str = msgspec.field(name="payloadType")
    payload: str
    signatures: tuple[_Signed]


class _Named(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    digest: dict[str, str]


class _Predicate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    run: str = msgspec.field(name="mlflowRunId")


class _Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: str = msgspec.field(name="_type")
    subject: tuple[_Named]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: _Predicate


def key_id(public: bytes) -> str:
    """The name of a key: the first 16 hexadecimal digits of the SHA-256 of its 32 public bytes."""
    return hashlib.sha256(public).hexdigest()[:_KEY_ID_LENGTH]


def statement(manifest: bytes, subject: Subject) -> bytes:
    """That the version with this manifest is one of that model, made by that run."""
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject.model, "digest": {"sha256": hashlib.sha256(manifest).hexdigest()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"mlflowRunId": subject.run},
    }
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def subject_of(payload: bytes, manifest: bytes) -> Subject:
    """What the statement says about the version with this manifest; SignatureMalformed where it is about another."""
    try:
        found = msgspec.json.decode(payload, type=_Statement)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SignatureMalformed("the signed statement is not one that Viridian writes") from error
    if (found.type, found.predicate_type) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise SignatureMalformed("the signed statement is not about a version of a model")
    (named,) = found.subject
    if named.digest != {"sha256": hashlib.sha256(manifest).hexdigest()}:
        raise SignatureMalformed("the signed statement is about another manifest")
    return Subject(named.name, found.predicate.run)


def authenticated(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: type and payload, each with its length."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def render(signature: Signature) -> bytes:
    """The document of a signature."""
    value = base64.b64encode(signature.value).decode()
    if signature.payload is None:
        return msgspec.json.encode(_Document(algorithm=ALGORITHM, key=signature.key, signature=value))
    payload = base64.b64encode(signature.payload).decode()
    signed = (_Signed(keyid=signature.key, sig=value),)
    return msgspec.json.encode(_Envelope(payload_type=PAYLOAD_TYPE, payload=payload, signatures=signed))


def parse(document: bytes) -> Signature:
    """The signature in a document."""
    if len(document) > MAX_SIGNATURE_BYTES:
        raise SignatureMalformed(f"the signature is larger than {MAX_SIGNATURE_BYTES} bytes")
    try:
        found = _envelope(document) if b'"payload"' in document else _earlier(document)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError) as error:
        raise SignatureMalformed("the signature is not the JSON document that Viridian writes") from error
    if found is None or len(found.value) != _SIGNATURE_LENGTH:
        raise SignatureMalformed(f"the signature is not one of {ALGORITHM}, of {_SIGNATURE_LENGTH} bytes")
    return found


def _envelope(document: bytes) -> Signature | None:
    found = msgspec.json.decode(document, type=_Envelope)
    (signed,) = found.signatures
    payload = base64.b64decode(found.payload, validate=True)
    known = found.payload_type == PAYLOAD_TYPE
    return Signature(signed.keyid, base64.b64decode(signed.sig, validate=True), payload) if known else None


def _earlier(document: bytes) -> Signature | None:
    found = msgspec.json.decode(document, type=_Document)
    value = base64.b64decode(found.signature, validate=True)
    return Signature(found.key, value) if found.algorithm == ALGORITHM else None
