"""The one status write of a pass: one part of the status, written only where that changes something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from viridian.api.texts import cleaned
from viridian.controller.attempts import Attempt, Attempts
from viridian.controller.digests import digest
from viridian.controller.former_status import hand_over, has_former_manager, status_of
from viridian.controller.keys import Key
from viridian.controller.status_parts import Status, StatusPart
from viridian.core.kube import without_empty
from viridian.core.obstacles import Obstacle
from viridian.core.plan import Target
from viridian.ports.cluster import Cluster, Object


class Written(Enum):
    """What became of a status."""

    UNCHANGED = "it stands already"
    CHANGED = "it was written"
    NOT = "it could not be written, or not yet"


Standing = tuple[bytes, bytes]
"""Digests of a wanted status, and of the stored one that is as good."""


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """A status that could not be written, and what stands in its place."""

    uid: str
    wanted: Status
    stored: Any


class StatusWriter:
    """Applies one reconciler's part of the status, whole, by a field manager that applies nothing else.

    Beside comparing, it remembers what the server made of the last write: a field that the server drops or changes, or
    that somebody else keeps in our status, would otherwise be written against for ever.

    A status that the API server does not take keeps nothing from going on: it is tried again later, and meanwhile it
    stands in for the stored one, so that it is reported in Events once and not with every pass.
    """

    def __init__(self, cluster: Cluster, part: StatusPart, attempts: Attempts | None = None) -> None:
        self._cluster = cluster
        self.part = part
        self._attempts = attempts or Attempts()
        self._written: dict[Key, Standing] = {}
        """Digests of what was wanted last, and of what the server made of it."""
        self._unwritten: dict[Key, _Unwritten] = {}
        self._reported: set[Key] = set()
        """Keys whose status people know not to be written."""

    async def write(self, key: Key, observed: Mapping[str, Any], wanted: Status) -> Written:
        """Make this part of the observed object's status the wanted one; raises ClusterConflict."""
        wanted = self.part.of(cleaned(wanted))
        meaning, stored = self._stored(wanted), self._stored(observed.get("status"))
        if (standing := self._standing(key, meaning, stored)) is not None:
            self.remember(key, standing)
            return Written.UNCHANGED
        attempt = Attempt(_target(key), None, lambda: self._apply(key, observed, wanted, meaning))
        if await self._attempts.make(key, attempt):
            self._over(key)
            return Written.CHANGED
        self._unwritten[key] = _Unwritten(observed["metadata"]["uid"], wanted, stored)
        return Written.NOT

    def standing(self, key: Key, observed: Mapping[str, Any], wanted: Status) -> Standing | None:
        """What `remember` takes, where there would be nothing to write."""
        return self._standing(key, self._stored(cleaned(wanted)), self._stored(observed.get("status")))

    def remember(self, key: Key, standing: Standing) -> None:
        """The status stands as it should be."""
        self._written[key] = standing
        self._over(key)

    async def take_over(self, key: Key, observed: Object) -> bool:
        """Give a status of an older release to the managers of its parts; whether something was done about it."""
        if not has_former_manager(observed):
            return False
        return await self._attempts.make(key, Attempt(_target(key), None, lambda: hand_over(self._cluster, observed)))

    def obstacle(self, key: Key) -> Obstacle | None:
        """What keeps the status from being written."""
        return self._attempts.obstacles(key).get(_target(key))

    def to_tell(self, key: Key) -> Obstacle | None:
        """The same, once: when it has lasted long enough to be reported."""
        obstacle = self.obstacle(key)
        if obstacle is None or not obstacle.lasting or key in self._reported:
            return None
        self._reported.add(key)
        return obstacle

    def is_reported(self, key: Key) -> bool:
        """Whether people know that the status is not written, so that Events stand in for it."""
        return key in self._reported

    def is_unfinished(self, key: Key) -> bool:
        """Whether a write of the status is under way or is to be tried again."""
        return self._attempts.has_any(key)

    def next_try(self, key: Key) -> float | None:
        """Seconds until the status is tried again; None where it is written."""
        return self._attempts.next_try(key)

    def as_reported(self, key: Key, observed: Object) -> Object:
        """The object, with the last reported status where it cannot be written for some time."""
        unwritten = self._unwritten.get(key)
        if unwritten is None or not self.is_reported(key):
            return observed
        if (unwritten.uid, unwritten.stored) != (observed["metadata"]["uid"], self._stored(observed.get("status"))):
            return observed
        return {**observed, "status": self.part.replaced(observed.get("status"), unwritten.wanted)}

    def wrote(self, key: Key, status: Status) -> bool:
        """Whether our part of it is what we wrote last, or what we found as it should be."""
        return key in self._written and self._written[key][1] == digest(self._stored(status))

    def forget(self, key: Key) -> None:
        self._written.pop(key, None)
        self._unwritten.pop(key, None)
        self._reported.discard(key)
        self._attempts.forget(key)

    async def close(self) -> None:
        """End the writes that are under way."""
        await self._attempts.close()

    async def _apply(self, key: Key, observed: Mapping[str, Any], wanted: Status, meaning: Any) -> None:
        answer = await self._cluster.apply_status(status_of(observed, wanted or None), manager=self.part.manager)
        self._written[key] = (digest(meaning), digest(self._stored(answer.get("status"))))

    def _stored(self, status: Any) -> Any:
        """What is compared: the order of conditions means nothing."""
        known: dict[str, Any] = without_empty(self.part.of(status))
        known["conditions"] = sorted(known.get("conditions", ()), key=lambda one: str(one.get("type")))
        return known

    def _standing(self, key: Key, meaning: Any, stored: Any) -> Standing | None:
        digests = digest(meaning), digest(stored)
        return digests if meaning == stored or self._written.get(key) == digests else None

    def _over(self, key: Key) -> None:
        self._unwritten.pop(key, None)
        self._reported.discard(key)
        self._attempts.only(key, ())


_STATUS: Final = "status"


def _target(key: Key) -> Target:
    return key.kind, f"{key.name}/{_STATUS}"
