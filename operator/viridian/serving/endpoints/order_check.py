"""Whether an order comes from the operator, and was meant for this pod."""

from __future__ import annotations

import time
from collections.abc import Callable

from viridian.api.orders import HEADER, KEY_VARIABLE, LIFETIME_SECONDS, SKEW_SECONDS, Order, Proof, ProofMalformed


class Orders:
    """Without a key it takes no order at all."""

    def __init__(self, key: bytes | None, receiver: str, clock: Callable[[], float] = time.time) -> None:
        self.receiver = receiver
        self._key = key
        self._clock = clock
        self._taken: dict[str, int] = {}
        """Nonces of orders that were taken, each until it has expired."""

    def refusal(self, order: Order, header: str) -> str:
        """Why the order is not taken, as a sentence; empty when it is. The same proof is good once."""
        if self._key is None:
            return f"this server takes no orders, since it was given no key of an operator ({KEY_VARIABLE})"
        try:
            proof = Proof.parse(header)
        except ProofMalformed as error:
            return f"an order needs the operator's proof: {error}"
        now = self._clock()
        if not now - SKEW_SECONDS <= proof.expires <= now + LIFETIME_SECONDS + SKEW_SECONDS:
            return f"the proof has expired, or the clocks of operator and node differ by more than {SKEW_SECONDS} s"
        if not _signed(self._key, proof, order):
            return f"{HEADER} is no proof of this operator for this order to the pod {self.receiver}"
        if proof.nonce in self._taken:
            return "this order was taken already: each needs a proof of its own"
        self._taken = {nonce: expires for nonce, expires in self._taken.items() if expires + SKEW_SECONDS >= now}
        self._taken[proof.nonce] = proof.expires
        return ""


def _signed(key: bytes, proof: Proof, order: Order) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(proof.signature, order.signed(proof.expires, proof.nonce))
    except InvalidSignature:
        return False
    return True
