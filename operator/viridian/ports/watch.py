"""What changes among the objects of one kind, from a version on: no list of what is there, no cache, no memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from viridian.api.resources import ApiResource


@dataclass(frozen=True, slots=True)
class Watched:
    """Which objects a watch is about."""

    resource: ApiResource
    namespace: str | None
    """None: all namespaces."""
    selector: str
    """A label selector."""
    whole: bool = False
    """Whether changes bring the whole object, and not only what `ObjectChange.manifest` promises in any case."""


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object appeared, changed or vanished; without a manifest only time has passed."""

    version: str
    """Where a watch goes on after this change."""
    manifest: Mapping[str, Any] | None = None
    """At least apiVersion, kind and of the metadata: name, namespace, labels, ownerReferences, deletionTimestamp."""
    deleted: bool = False


class Watch(Protocol):
    """Both calls raise the errors of `viridian.ports.cluster`.

    After ClusterUnavailable the watch may go on from the version of the last change. Any other ClusterError means that
    the changes after that version cannot be delivered: some are missed, and a watch begins anew at the latest version.
    """

    async def latest_version(self, watched: Watched) -> str:
        """The version of now: a watch from it brings everything that changes from here on."""

    def changes(self, watched: Watched, since: str) -> AbstractAsyncContextManager[AsyncIterator[ObjectChange]]:
        """Entered once the watch stands; every change after that version, until the server ends the stream."""
