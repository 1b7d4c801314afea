"""Which keys may sign what is served here, and whether one of them did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from viridian.api.manifest import MANIFEST_PATH, SIGNATURE_PATH
from viridian.api.rejections import ModelRejection
from viridian.api.signing import (
    MAX_SIGNATURE_BYTES,
    Signature,
    SignatureMalformed,
    Subject,
    key_id,
    parse,
    subject_of,
)
from viridian.serving.errors import FetchFailed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_KEY_BYTES: Final = 64 * 1024
_BEGIN, _END = b"-----BEGIN PUBLIC KEY-----", b"-----END PUBLIC KEY-----"
_OPERATOR: Final = "the operator's --signature-keys"
_SOURCE: Final = "the Secret of spec.model.signature.publicKeySecretRef"


@dataclass(frozen=True, slots=True)
class Trust:
    """What a version must carry. Without a place of keys, signatures are not looked at."""

    keys: Path | None = None
    """Directory of PEM files, as a Secret mounts them. Each public key in it is trusted, so keys can rotate."""
    required: bool = False
    """A version without a signature is refused. One that has a signature must have a good one in any case."""
    subject: Subject | None = None
    """What it must have been signed as; None for a model without a registry, which its digest names."""
    operator_keys: str = ""
    """Public keys in PEM, one of which must have signed it, whatever else is asked for."""


ANYONE: Final = Trust()


def check_signature(directory: Path, manifest: bytes | None, trust: Trust) -> None:
    """These bytes of the directory's manifest were signed as `trust` asks; FetchFailed with the reason otherwise."""
    if trust.operator_keys:
        _check_for_operator(directory, manifest, trust)
    if trust.keys is None:
        if trust.required:
            raise FetchFailed("a signature is required, and no trusted keys are given", ModelRejection.NO_TRUSTED_KEYS)
        return
    signature = _signature(directory / SIGNATURE_PATH)
    if signature is None:
        if trust.required:
            raise FetchFailed(
                f"the version has no {SIGNATURE_PATH}, and spec.model.signature.required asks for one: "
                "let VIRIDIAN_SIGNING_KEY_FILE name the key where it is bundled",
                ModelRejection.UNSIGNED,
            )
        return
    if manifest is None:
        raise FetchFailed(f"the version has {SIGNATURE_PATH}, but no {MANIFEST_PATH}", ModelRejection.TAMPERED)
    _verify(signature, manifest, trusted_keys(trust.keys))
    if signature.payload is not None:
        _subject(signature.payload, manifest)
    if trust.subject is not None:
        _check_subject(signature, manifest, trust.subject)


def _check_for_operator(directory: Path, manifest: bytes | None, trust: Trust) -> None:
    signature = _signature(directory / SIGNATURE_PATH)
    if signature is None or manifest is None:
        raise FetchFailed(
            f"the version has no {SIGNATURE_PATH}, and the operator's --signature-keys ask for one in this namespace: "
            "let VIRIDIAN_SIGNING_KEY_FILE name a key that its administrator trusts where it is bundled",
            ModelRejection.UNSIGNED,
        )
    keys = public_keys("", trust.operator_keys.encode(), source=_OPERATOR)
    _verify(signature, manifest, keys, source=_OPERATOR)
    if signature.payload is not None:
        _subject(signature.payload, manifest)
    if trust.subject is not None:
        _check_subject(signature, manifest, trust.subject)


def _signature(path: Path) -> Signature | None:
    if not path.is_file() or path.is_symlink():
        return None
    with path.open("rb") as file:
        document = file.read(MAX_SIGNATURE_BYTES + 1)
    try:
        return parse(document)
    except SignatureMalformed as error:
        raise FetchFailed(f"{SIGNATURE_PATH} is refused: {error}", ModelRejection.BAD_SIGNATURE) from error


def _verify(signature: Signature, manifest: bytes, keys: dict[str, Ed25519PublicKey], *, source: str = _SOURCE) -> None:
    from cryptography.exceptions import InvalidSignature

    key = keys.get(signature.key)
    if key is None:
        raise FetchFailed(
            f"the version is signed with the key {signature.key!r}, which {source} does not hold; "
            f"it holds {', '.join(sorted(keys))}",
            ModelRejection.UNKNOWN_KEY,
        )
    try:
        key.verify(signature.value, signature.signed(manifest))
    except InvalidSignature as error:
        raise FetchFailed(
            f"the signature of the key {signature.key} does not belong to this {MANIFEST_PATH}",
            ModelRejection.BAD_SIGNATURE,
        ) from error


def _check_subject(signature: Signature, manifest: bytes, wanted: Subject) -> None:
    """It was signed as a version of this registered model, made by the run that it was registered from."""
    again = (
        f"sign it again: python -m viridian.training.signing sign --model {wanted.model} "
        f"{f'--run {wanted.run} ' if wanted.run else ''}<bundle>"
    )
    if signature.payload is None:
        reason = "the version is signed in the form of an earlier release, which names no model, so it may be another's"
        raise FetchFailed(f"{reason}; {again}", ModelRejection.BAD_SIGNATURE)
    found = _subject(signature.payload, manifest)
    if found.model != wanted.model:
        reason = f"the version is signed as one of the model {found.model!r}, and served as one of {wanted.model!r}"
        raise FetchFailed(f"{reason}; if that is wanted, {again}", ModelRejection.BAD_SIGNATURE)
    if found.run != wanted.run:
        reason = (
            f"the version is signed as made by the MLflow run {found.run!r}, and registered from {wanted.run!r}: it is "
            "another version under this number"
        )
        raise FetchFailed(f"{reason}; if that is wanted, {again}", ModelRejection.BAD_SIGNATURE)


def _subject(payload: bytes, manifest: bytes) -> Subject:
    try:
        return subject_of(payload, manifest)
    except SignatureMalformed as error:
        raise FetchFailed(f"{SIGNATURE_PATH} is refused: {error}", ModelRejection.BAD_SIGNATURE) from error


def trusted_keys(directory: Path) -> dict[str, Ed25519PublicKey]:
    """The keys in a directory, by their names; FetchFailed where there is none."""
    # A mounted Secret has hidden folders beside its files, which are links into them.
    files = [path for path in sorted(directory.glob("*")) if path.is_file() and not path.name.startswith(".")]
    found: dict[str, Ed25519PublicKey] = {}
    for path in files:
        found |= public_keys(path.name, path.read_bytes()[:MAX_KEY_BYTES])
    if not found:
        raise FetchFailed(f"{_SOURCE} is missing, or holds nothing", ModelRejection.NO_TRUSTED_KEYS)
    return found


def public_keys(name: str, content: bytes, *, source: str = _SOURCE) -> dict[str, Ed25519PublicKey]:
    """The keys of one file, which may hold several PEM blocks."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    def refused(why: str) -> FetchFailed:
        return FetchFailed(f"{name!r} in {source} {why}", ModelRejection.NO_TRUSTED_KEYS)

    if b"PRIVATE KEY" in content:
        raise refused("is a private key: who serves must not be able to sign. Make a new pair, and put its public half")
    found = {}
    for block in content.split(_BEGIN)[1:]:
        try:
            key = serialization.load_pem_public_key(_BEGIN + block.partition(_END)[0] + _END + b"\n")
        except ValueError as error:
            raise refused("cannot be read as PEM") from error
        if not isinstance(key, Ed25519PublicKey):
            raise refused("is no Ed25519 key")
        found[key_id(key.public_bytes_raw())] = key
    if not found:
        raise refused("holds no PUBLIC KEY in PEM")
    return found
