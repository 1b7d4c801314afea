"""The one status write of a pass: made only where it changes something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viridian.api.names import API_VERSION, STATUS_MANAGER
from viridian.controller.keys import Key
from viridian.ports.cluster import Cluster

Status = Mapping[str, Any]


class StatusWriter:
    """Applies whole statuses, by a field manager that applies nothing else.

    Beside comparing, it remembers what the server made of the last write: a field that the server drops or changes, or
    that somebody else keeps in our status, would otherwise be written against for ever.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._written: dict[Key, tuple[Any, Any]] = {}

    async def write(self, key: Key, observed: Mapping[str, Any], wanted: Status) -> bool:
        """Make the status of the observed object the wanted one; whether that took a write."""
        meaning, stored = essence(wanted), essence(observed.get("status") or {})
        if meaning == stored or self._written.get(key) == (meaning, stored):
            self._written[key] = (meaning, stored)
            return False
        answer = await self._cluster.apply_status(
            {
                "apiVersion": API_VERSION,
                "kind": key.kind,
                # A precondition: what was decided about another state of the object, or about a namesake, is void. The
                # API server does not compare a uid here.
                "metadata": {
                    "name": key.name,
                    "namespace": key.namespace,
                    "resourceVersion": observed["metadata"]["resourceVersion"],
                },
                "status": wanted,
            },
            manager=STATUS_MANAGER,
        )
        self._written[key] = (meaning, essence(answer.get("status") or {}))
        return True

    def wrote(self, key: Key, status: Status) -> bool:
        """Whether this is the status that we wrote last, or one that we found as it should be."""
        return key in self._written and self._written[key][1] == essence(status)

    def forget(self, key: Key) -> None:
        self._written.pop(key, None)


def essence(value: Any) -> Any:
    """The value without what means nothing: fields that are null or empty. Tuples and lists are the same."""
    if isinstance(value, Mapping):
        kept = {name: essence(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner is not None and inner not in ({}, [])}
    if isinstance(value, list | tuple):
        return [essence(inner) for inner in value]
    return value
