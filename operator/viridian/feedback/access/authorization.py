"""Who may do what.

Kubernetes says who a token belongs to, and its RBAC who may do more than the least. The least: a service account may
write for its own namespace, which is what model servers do. Everything else is asked of the API server as a verb on
`modeldeployments/feedback` of group viridian.dev, a subresource that exists for this alone (docs/decisions/0009).
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar

from viridian.feedback.access.quotas import TenantRates
from viridian.feedback.problems import HttpProblem

_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_REMEMBERED: Final = 10_000
_DENIED_AT_ONCE: Final = 100.0
_DENIED_EACH_SECOND: Final = 5.0
NOBODY: Final = ""
"""The tenant of callers that are not authenticated yet."""
_Answer = TypeVar("_Answer")


class Right(StrEnum):
    """What may be done in a namespace, as the verb that RBAC knows it by."""

    FIGURES = "get"
    """Read windows: counts and sums, no row."""
    ROWS = "list"
    """Read rows: snapshots, and the queue for review."""
    WRITE = "create"
    """Send predictions, profiles and outcomes; service accounts of the namespace may do so anyway."""
    LABEL = "update"
    """Answer as a person whose word counts most."""
    KEEP = "patch"
    """Freeze snapshots and set the rules, without seeing rows: what the operator does."""
    ERASE = "delete"
    """Erase a subject."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token belongs to, as the API server says."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)

    @property
    def tenant(self) -> str:
        """Whose share of the collector they take: that of their namespace, or their own."""
        return self.namespace or self.user

    @property
    def namespace(self) -> str:
        """Of a service account; empty for any other caller."""
        if not self.user.startswith(_SERVICE_ACCOUNT):
            return ""
        return self.user.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]


class Authorizer(Protocol):
    """The API server, as far as it is asked here. Both raise ServiceUnavailable when it does not answer."""

    async def identify(self, token: str) -> Caller | None:
        """Whom the token belongs to; None when it is not valid for this collector."""

    async def allows(self, identity: Caller, verb: str, namespace: str, deployment: str) -> bool:
        """Whether RBAC allows the verb on `modeldeployments/feedback`."""


class Access:
    """Remembers answers of the gate for a short while: a right that was taken away is gone when that is over."""

    def __init__(self, gate: Authorizer, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gate = gate
        self._identities: _Remembered[Caller | None] = _Remembered(seconds, clock)
        self._rights: _Remembered[bool] = _Remembered(seconds, clock)
        self._denied = TenantRates(_DENIED_EACH_SECOND, clock, _DENIED_AT_ONCE)
        """Questions to the API server whose answer was no, or is not known yet, by who made us ask."""

    async def identify(self, token: str, address: str = "") -> Caller:
        """Whom the token belongs to, or 401; 429 for an address that shows many that are not valid."""
        # The token itself is not kept.
        name = hashlib.sha256(token.encode()).digest()
        identity = await self._identities.get(
            name, lambda: self._asked(f"address {address}", lambda: self._gate.identify(token))
        )
        if identity is None:
            raise HttpProblem(
                401, "the token is not valid for the audience viridian-collector; make one with kubectl create token"
            )
        return identity

    async def require(self, identity: Caller, right: Right, namespace: str, deployment: str = "") -> None:
        """Nothing, or 403 with what an administrator has to allow."""
        if right is Right.WRITE and identity.namespace == namespace:
            return
        question = (identity, right, namespace, deployment)
        allowed = await self._rights.get(
            question,
            lambda: self._asked(
                f"user {identity.user}", lambda: self._gate.allows(identity, right.value, namespace, deployment)
            ),
        )
        if not allowed:
            raise HttpProblem(
                403, f"you need the verb {right.value} on modeldeployments/feedback (viridian.dev) in this namespace"
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


class _Remembered(Generic[_Answer]):
    """The newest answers, each for so many seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._answers: OrderedDict[Hashable, tuple[float, _Answer]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Task[_Answer]] = {}

    async def get(self, question: Hashable, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        found = self._answers.get(question)
        if found is not None and found[0] > self._clock():
            return found[1]
        # A second request for the same waits for that response.
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(self._ask(question, ask))
            asking.add_done_callback(lambda done: self._answered(question, done))
        return await asyncio.shield(asking)

    def _answered(self, question: Hashable, done: asyncio.Task[_Answer]) -> None:
        del self._asking[question]
        if not done.cancelled():
            done.exception()  # the caller may have disconnected

    async def _ask(self, question: Hashable, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        answer = await ask()
        self._answers[question] = (self._clock() + self._seconds, answer)
        self._answers.move_to_end(question)
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return answer
