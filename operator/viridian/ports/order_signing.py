"""The operator's key, with which it proves its orders to model servers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from viridian.api.orders import LIFETIME_SECONDS, NONCE_BYTES, Order, Proof, render_key


class OrderKey:
    """One Ed25519 key. The holder of its private half gives orders to all model servers that know the public one."""

    def __init__(self, private: Ed25519PrivateKey, clock: Callable[[], float] = time.time) -> None:
        self._private = private
        self._clock = clock
        self.public = render_key(private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes, clock: Callable[[], float] = time.time) -> Self:
        """ValueError where it is no such key."""
        try:
            private = serialization.load_pem_private_key(pem, password=None)
        except (TypeError, ValueError, UnsupportedAlgorithm) as error:
            raise ValueError("it is no private key in PEM") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError("it is no Ed25519 key")
        return cls(private, clock)

    @property
    def pem(self) -> bytes:
        """PKCS 8, not encrypted: for the Secret that it is kept in."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def prove(self, order: Order) -> str:
        """The header that comes with the order. Each call makes another one, to be used once."""
        expires, nonce = int(self._clock()) + LIFETIME_SECONDS, secrets.token_hex(NONCE_BYTES)
        return Proof(expires, nonce, self._private.sign(order.signed(expires, nonce))).render()
