"""Environment variables of containers, as the kubelet reads them."""

from __future__ import annotations


def literal(value: str) -> str:
    """The value as it has to be written to arrive as it is.

    The kubelet puts other variables of the container, Secrets among them, in the place of `$(NAME)`. What comes from a
    spec or a report must not reach for them: the address of a model would carry a password to the host in that address.
    """
    return value.replace("$", "$$")
