"""The one status write of a pass: made only where it changes something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from viridian.api.names import API_VERSION, STATUS_MANAGER
from viridian.api.texts import cleaned
from viridian.controller.attempts import Attempt, Attempts
from viridian.controller.keys import Key
from viridian.core.kube import without_empty
from viridian.core.obstacles import Obstacle
from viridian.core.plan import Target
from viridian.ports.cluster import Cluster, Object

Status = Mapping[str, Any]


class Written(Enum):
    """What became of a status."""

    UNCHANGED = "it stands already"
    CHANGED = "it was written"
    NOT = "it could not be written, or not yet"


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """A status that could not be written, and what stands in its place."""

    uid: str
    wanted: Status
    stored: Any


class StatusWriter:
    """Applies whole statuses, by a field manager that applies nothing else.

    Beside comparing, it remembers what the server made of the last write: a field that the server drops or changes, or
    that somebody else keeps in our status, would otherwise be written against for ever.

    A status that the API server does not take keeps nothing from going on: it is tried again later, and meanwhile it
    stands in for the stored one, so that what it says is told in Events once and not with every pass.
    """

    def __init__(self, cluster: Cluster, attempts: Attempts | None = None) -> None:
        self._cluster = cluster
        self._attempts = attempts or Attempts()
        self._written: dict[Key, tuple[Any, Any]] = {}
        self._unwritten: dict[Key, _Unwritten] = {}
        self._told: set[Key] = set()
        """Keys whose status people know not to be written."""

    async def write(self, key: Key, observed: Mapping[str, Any], wanted: Status) -> Written:
        """Make the status of the observed object the wanted one; raises ClusterConflict."""
        wanted = cleaned(wanted)
        meaning, stored = without_empty(wanted), without_empty(observed.get("status") or {})
        if meaning == stored or self._written.get(key) == (meaning, stored):
            self._written[key] = (meaning, stored)
            self._over(key)
            return Written.UNCHANGED
        attempt = Attempt(_target(key), None, lambda: self._apply(key, observed, wanted, meaning))
        if await self._attempts.make(key, attempt):
            self._over(key)
            return Written.CHANGED
        self._unwritten[key] = _Unwritten(observed["metadata"]["uid"], wanted, stored)
        return Written.NOT

    def obstacle(self, key: Key) -> Obstacle | None:
        """What keeps the status from being written."""
        return self._attempts.obstacles(key).get(_target(key))

    def to_tell(self, key: Key) -> Obstacle | None:
        """The same, once: when it has lasted long enough for people to be told."""
        obstacle = self.obstacle(key)
        if obstacle is None or not obstacle.lasting or key in self._told:
            return None
        self._told.add(key)
        return obstacle

    def is_told(self, key: Key) -> bool:
        """Whether people know that the status is not written, so that Events stand in for it."""
        return key in self._told

    def next_try(self, key: Key) -> float | None:
        """Seconds until the status is tried again; None where it is written."""
        return self._attempts.next_try(key)

    def as_told(self, key: Key, observed: Object) -> Object:
        """The object, with the status that was told of it where that cannot be written for longer."""
        unwritten = self._unwritten.get(key)
        if unwritten is None or not self.is_told(key):
            return observed
        if (unwritten.uid, unwritten.stored) != (
            observed["metadata"]["uid"],
            without_empty(observed.get("status") or {}),
        ):
            return observed
        return {**observed, "status": dict(unwritten.wanted)}

    def wrote(self, key: Key, status: Status) -> bool:
        """Whether this is the status that we wrote last, or one that we found as it should be."""
        return key in self._written and self._written[key][1] == without_empty(status)

    def forget(self, key: Key) -> None:
        self._written.pop(key, None)
        self._unwritten.pop(key, None)
        self._told.discard(key)
        self._attempts.forget(key)

    async def close(self) -> None:
        """End the writes that are under way."""
        await self._attempts.close()

    async def _apply(self, key: Key, observed: Mapping[str, Any], wanted: Status, meaning: Any) -> None:
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
        self._written[key] = (meaning, without_empty(answer.get("status") or {}))

    def _over(self, key: Key) -> None:
        self._unwritten.pop(key, None)
        self._told.discard(key)
        self._attempts.only(key, ())


_STATUS: Final = "status"


def _target(key: Key) -> Target:
    return key.kind, f"{key.name}/{_STATUS}"
