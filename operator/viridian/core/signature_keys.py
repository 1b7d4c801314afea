"""The keys with which versions must be signed, by namespace (`--signature-keys`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class SignatureKeys:
    """Public keys, in PEM, one of which must have signed what the namespaces of this name or pattern serve."""

    namespace: str
    pem: str


def required_keys(keys: Iterable[SignatureKeys], namespace: str) -> str:
    """All that count in the namespace; empty where no signature is required there."""
    return "\n".join(one.pem.strip() for one in keys if fnmatchcase(namespace, one.namespace))
