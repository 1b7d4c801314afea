"""Proof of who gives an order to a model server: an Ed25519 signature of the operator, for one order to one pod.

    x-viridian-order: <expires>.<nonce>.<signature>

What is signed are seven lines: `viridian-order-1`, method, path, the SHA-256 of the body as hexadecimal digits, the
receiver as `namespace/pod`, `expires` and `nonce`. A pod that receives an order can give it to no other pod, and for
no other purpose. Cryptography is left to the caller.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

HEADER: Final = "x-viridian-order"
KEY_VARIABLE: Final = "VIRIDIAN_ORDERS_KEY"
"""Environment variable of a model container with the key of the operator: the 32 bytes of its public key, as base64."""
SHADOW_TARGET_VARIABLE: Final = "VIRIDIAN_SHADOW_TARGET"
"""The one address to which the container may copy requests: the preview Service of its own ModelDeployment."""
LIFETIME_SECONDS: Final = 60
"""From the signature to `expires`."""
SKEW_SECONDS: Final = 300
"""So far the clocks of operator and node may differ."""
NONCE_BYTES: Final = 16
MAX_SECONDS: Final = 600.0
"""Longest time that one order counts for: it is given again where it is to last."""
_PROOF: Final = re.compile(r"([0-9]{1,12})\.([0-9a-f]{32})\.([A-Za-z0-9_-]{86})")


class ProofMalformed(ValueError):
    """The header holds no proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a pod is to do."""

    method: str
    path: str
    body: bytes
    receiver: str
    """`namespace/pod`."""

    def signed(self, expires: int, nonce: str) -> bytes:
        """The bytes that are signed."""
        body = hashlib.sha256(self.body).hexdigest()
        lines = ("viridian-order-1", self.method, self.path, body, self.receiver, str(expires), nonce)
        return "\n".join(lines).encode()


@dataclass(frozen=True, slots=True)
class Proof:
    """What the header holds."""

    expires: int
    """Seconds since 1970."""
    nonce: str
    """32 hexadecimal digits; each is used once."""
    signature: bytes

    def render(self) -> str:
        signature = base64.urlsafe_b64encode(self.signature).decode().rstrip("=")
        return f"{self.expires}.{self.nonce}.{signature}"

    @staticmethod
    def parse(text: str) -> Proof:
        """The proof in a header; ProofMalformed where there is none."""
        found = _PROOF.fullmatch(text)
        if found is None:
            raise ProofMalformed(f"{HEADER} is <expires>.<nonce>.<signature>")
        return Proof(int(found[1]), found[2], base64.urlsafe_b64decode(found[3] + "=="))


def render_key(public: bytes) -> str:
    """A public key as an environment variable holds it."""
    return base64.b64encode(public).decode()


def parse_key(text: str) -> bytes:
    """The 32 bytes of a public key; ValueError where they are none."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("the key of orders is not base64") from error
    if len(key) != 32:
        raise ValueError("the key of orders has not the 32 bytes of an Ed25519 public key")
    return key
