"""Signing a bundle, with a key that a Secret mounts: VIRIDIAN_SIGNING_KEY_FILE names the file.

python -m viridian.training.signing make-key keys      # signing.pem, and the public half named after the key
python -m viridian.training.signing sign --model churn --run 5d… bundle   # anew, with another key: the digest stays
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from viridian.api import signing
from viridian.api.manifest import MANIFEST_PATH, SIGNATURE_PATH
from viridian.api.signing import Subject

KEY_FILE: Final = "VIRIDIAN_SIGNING_KEY_FILE"
PRIVATE: Final = "signing.pem"


class KeyUnusable(Exception):
    """The key file holds no key that can sign; the message is one sentence for people, without what the file holds."""


def key_from(environment: Mapping[str, str]) -> Ed25519PrivateKey | None:
    """The key that the environment names, None where it names none."""
    name = environment.get(KEY_FILE, "")
    return read(Path(name)) if name else None


def read(path: Path) -> Ed25519PrivateKey:
    """The key in a PEM file (PKCS8, without a password)."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyUnusable(f"{KEY_FILE} names {path}, which cannot be read: {error.strerror}") from error
    except (ValueError, TypeError):
        # Without the cause, whose words might quote the file.
        raise KeyUnusable(f"{path} is no private key in PEM (PKCS8) without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{path} is no Ed25519 key: make one with `python -m viridian.training.signing make-key`")
    return key


def sign(directory: Path, key: Ed25519PrivateKey, subject: Subject) -> str:
    """Writes the signature of the directory beside its manifest, as a version of the subject; the name of the key."""
    name = signing.key_id(key.public_key().public_bytes_raw())
    payload = signing.statement((directory / MANIFEST_PATH).read_bytes(), subject)
    value = key.sign(signing.authenticated(payload))
    (directory / SIGNATURE_PATH).write_bytes(signing.render(signing.Signature(name, value, payload)))
    return name


def make_key(directory: Path) -> tuple[Path, Path]:
    """A new pair in the directory: the private half, which nobody else may read, and the public half."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key()
    directory.mkdir(parents=True, exist_ok=True)
    private_file = directory / PRIVATE
    public_file = directory / f"{signing.key_id(public.public_bytes_raw())}.pem"
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # Refuses to replace a key that versions may be signed with.
    descriptor = os.open(private_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    public_file.write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private_file, public_file


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m viridian.training.signing", description="Keys for model versions.")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make-key", help="make a pair of keys, and print how to hand them to a cluster")
    making.add_argument("directory", type=Path, help="where signing.pem and <name of the key>.pem are written")
    resigning = commands.add_parser("sign", help=f"sign a bundle with the key that {KEY_FILE} names")
    resigning.add_argument("directory", type=Path, help="the bundle")
    resigning.add_argument("--model", required=True, help="the registered model that it is a version of")
    resigning.add_argument("--run", default="", help="the MLflow run that the version is registered from, if any")
    given = parser.parse_args(arguments)
    try:
        if given.command == "make-key":
            _make(given.directory)
        else:
            _sign(given.directory, Subject(given.model, given.run))
    except (KeyUnusable, OSError) as error:
        sys.exit(str(error))


def _make(directory: Path) -> None:
    private, public = make_key(directory)
    print(  # noqa: T201 - it is what the command is for
        f"kubectl create secret generic model-signing-key --from-file={private}      # where models are bundled\n"
        f"kubectl create secret generic model-signing --from-file={public}   # where they are served"
    )


def _sign(directory: Path, subject: Subject) -> None:
    key = key_from(os.environ)
    if key is None:
        raise KeyUnusable(f"set {KEY_FILE} to the file of the private key")
    print(f"signed with {sign(directory, key, subject)}")  # noqa: T201 - it is what the command is for


if __name__ == "__main__":
    main()
