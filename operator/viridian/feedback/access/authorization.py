"""Who may do what.

Kubernetes says who a token belongs to, and its RBAC who may do more than the least. The least: a service account may
write for its own namespace, which is what model servers do. Everything else is asked of the API server as a verb on
`modeldeployments/feedback` of group viridian.dev, a subresource that exists for this alone (docs/decisions/0009).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from viridian.access.authorizer import Authorizer, RememberingAuthorizer
from viridian.access.caller import Caller
from viridian.feedback.problems import HttpProblem

NOBODY: Final = ""
"""The tenant of callers that are not authenticated yet."""


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


class Access:
    """Whom the collector lets in, and to what."""

    def __init__(self, gate: Authorizer, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gate = RememberingAuthorizer(gate, seconds, clock)

    async def identify(self, token: str, address: str = "") -> Caller:
        """Whom the token belongs to, or 401; 429 for an address that shows many that are not valid."""
        identity = await self._gate.identify(token, address)
        if identity is None:
            raise HttpProblem(
                401, "the token is not valid for the audience viridian-collector; make one with kubectl create token"
            )
        return identity

    async def require(self, identity: Caller, right: Right, namespace: str, deployment: str = "") -> None:
        """Nothing, or 403 with what an administrator has to allow."""
        if right is Right.WRITE and identity.namespace == namespace:
            return
        if not await self._gate.allows(identity, right.value, namespace, deployment):
            raise HttpProblem(
                403, f"you need the verb {right.value} on modeldeployments/feedback (viridian.dev) in this namespace"
            )
