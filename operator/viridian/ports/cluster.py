"""The Kubernetes API as the loop needs it: read, list, apply, apply status, delete, emit Events.

Objects are plain dictionaries as the API server speaks them: nothing is dropped on the way through.

    ClusterError
    ├── ClusterUnavailable   try again soon: no connection, a timeout, 429, 5xx, an expired token
    ├── ClusterConflict      read again, then decide again: 409, or a precondition that no longer holds
    └── ClusterRefused       wait for a change: the object is invalid (422, 400) or not allowed (403, 401)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Object = dict[str, Any]
Labels = Mapping[str, str | frozenset[str]]
"""What objects must carry: of each label this value, or one of these."""


class ClusterError(Exception):
    """The API server did not do what it was asked."""


class ClusterUnavailable(ClusterError):
    """Nothing is known about the outcome; the same call may go through later."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ClusterConflict(ClusterError):
    """The object is not as it was when it was read."""


class ClusterRefused(ClusterError):
    """The API server will refuse the same call again; the message says why."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Names one object."""

    api_version: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """Some objects of a list, and the token for what follows; empty at the end."""

    items: Sequence[Object]
    next_token: str = ""


class ClusterReader(Protocol):
    """Reads objects. Every call raises one of the errors above; none of them retries by itself."""

    async def get(self, reference: ObjectRef) -> Object | None:
        """The object; None when there is none."""

    async def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None
    ) -> Sequence[Object]:
        """All objects of a kind in a namespace (None: in all) with these labels; apiVersion and kind are filled in."""


class Cluster(ClusterReader, Protocol):
    """The API server itself: what is read is read now, never from a cache, and every call has a timeout."""

    async def page(
        self, api_version: str, kind: str, namespace: str | None, *, limit: int, token: str = ""
    ) -> ListPage:
        """At most so many objects of a list, from the token on; a later page may show a later state."""

    async def apply(self, manifest: Mapping[str, Any], *, manager: str, force: bool = True) -> Object:
        """Server-side apply of the whole intent of one manager; gives the object as stored.

        Without `force` it is refused where another manager wants something else of a field.
        """

    async def apply_status(self, manifest: Mapping[str, Any], *, manager: str) -> Object:
        """The same for the status subresource."""

    async def delete(self, reference: ObjectRef, *, uid: str, version: str = "") -> None:
        """Delete exactly the object with this uid, its dependents in the background; one that is gone is fine.

        With `version` only while that is its resourceVersion.
        """

    async def record_event(self, regarding: Mapping[str, Any], *, kind: str, reason: str, message: str) -> None:
        """Create a core/v1-style Event (events.k8s.io/v1) of type Normal or Warning about an object."""
