"""A port of which every call goes through one function: to ask first whether it may be made, to wait, to remember."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

Port = TypeVar("Port")
Call = Callable[[], Awaitable[Any]]
Around = Callable[[str, Call], Awaitable[Any]]
"""Given the name of the method and the call itself, which it makes or does not make."""


def wrapped(port: Port, around: Around) -> Port:
    """The same port; all of its methods are asynchronous."""
    return cast(Port, _Wrapped(port, around))


class _Wrapped:
    def __init__(self, port: object, around: Around) -> None:
        self._port, self._around = port, around

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        def call(*arguments: Any, **named: Any) -> Awaitable[Any]:
            return self._around(name, lambda: getattr(self._port, name)(*arguments, **named))

        return call
