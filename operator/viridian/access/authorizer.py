"""Who a caller is and what they may do: the API server's answers, each believed for a short while."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from viridian.access.caller import Caller
from viridian.access.remembered import Remembered
from viridian.access.token_buckets import TokenBuckets
from viridian.http_problem import HttpProblem

_DENIED_AT_ONCE: Final = 100.0
_DENIED_EACH_SECOND: Final = 5.0
_Answer = TypeVar("_Answer")


class Authorizer(Protocol):
    """The API server, as far as it is asked here. Both raise a HttpProblem when it does not answer."""

    async def identify(self, token: str) -> Caller | None:
        """Whom the token belongs to; None when it is not valid for this server."""

    async def allows(self, identity: Caller, verb: str, namespace: str, name: str) -> bool:
        """Whether RBAC allows the verb on the one resource that this is about."""


class RememberingAuthorizer:
    """A right that was taken away is gone when the seconds are over. Raises 429 for callers that are denied often."""

    def __init__(self, gate: Authorizer, seconds: float, clock: Callable[[], float]) -> None:
        self._gate = gate
        self._identities: Remembered[Caller | None] = Remembered(seconds, clock)
        self._rights: Remembered[bool] = Remembered(seconds, clock)
        self._denied = TokenBuckets(_DENIED_EACH_SECOND, clock, _DENIED_AT_ONCE)
        """Questions to the API server whose answer was no, or is not known yet, by who made us ask."""

    async def identify(self, token: str, address: str = "") -> Caller | None:
        """Whom the token belongs to; None where it is not valid. The token itself is not kept."""
        name = hashlib.sha256(token.encode()).digest()
        return await self._identities.get(
            name, lambda: self._asked(f"address {address}", lambda: self._gate.identify(token))
        )

    async def allows(self, identity: Caller, verb: str, namespace: str, name: str) -> bool:
        """Whether RBAC allows the verb."""
        return await self._rights.get(
            (identity, verb, namespace, name),
            lambda: self._asked(f"user {identity.user}", lambda: self._gate.allows(identity, verb, namespace, name)),
        )

    async def _asked(self, who: str, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The API server's answer, unless this caller has been denied too often."""
        if (wait := self._denied.wait(who)) > 0:
            raise HttpProblem(429, "too many requests without the right to make them; ask again later", math.ceil(wait))
        # Counted until the answer is yes, so that very many at once are not all asked either.
        self._denied.take(who, 1)
        denied = False
        try:
            answer = await ask()
            denied = not answer
        finally:
            if not denied:
                self._denied.take(who, -1)
        return answer
