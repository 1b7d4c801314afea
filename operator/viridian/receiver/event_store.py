"""Stores events on the policies that they are for, and knows those that are stored already."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from viridian.api.event_trigger import EventAttributes, EventTrigger, takes
from viridian.api.names import API_VERSION, RECEIVED_EVENT_LABEL, RETRAIN_POLICY, RETRAIN_POLICY_LABEL, short_hash
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.core.lookup import labels_of, text
from viridian.core.selectors import Selector
from viridian.http_problem import HttpProblem
from viridian.ports.cluster import ClusterConflict, ClusterError, ClusterRefused, Labels, Object, ObjectRef
from viridian.receiver.senders import EventTarget, Sender
from viridian.receiver.stored_counts import StoredCounts
from viridian.retraining.received_events import MAX_STORED, ReceivedEvent, stored_data, stored_name
from viridian.retraining.records import revision

log = logging.getLogger("viridian.receiver")

_RETRY_SECONDS: Final = 2
_FULL_RETRY_SECONDS: Final = 60


class EventCluster(Protocol):
    """The API server, as far as it is used here. Each raises a ClusterError when it does not do what it is asked."""

    async def get(self, reference: ObjectRef) -> Object | None:
        """The object; None when there is none."""

    async def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None
    ) -> Sequence[Object]:
        """All objects with these labels."""

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        """Make the object; ClusterConflict where there is one of that name."""


@dataclass(frozen=True, slots=True)
class PolicyOwner:
    """A RetrainPolicy as the owner of what is stored for it."""

    name: str
    namespace: str
    uid: str


@dataclass(slots=True)
class StoreResult:
    """What became of the events of one request."""

    stored: int = 0
    known: int = 0
    """They were stored before: the same source and id."""
    ignored: int = 0
    """No trigger of the policy asks for them."""


class EventStore:
    """Both operators may receive: an object is created or it is there, so no write undoes another."""

    def __init__(
        self,
        cluster: EventCluster,
        serves: Callable[[str], bool],
        selector: Selector,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        """`serves(namespace)`: whether the operator serves it; `clock` is monotonic."""
        self._cluster = cluster
        self._serves = serves
        self._selector = selector
        self._now = now
        self._counts = StoredCounts(MAX_STORED, clock)

    async def store(self, target: EventTarget, events: Sequence[EventAttributes], sender: Sender) -> StoreResult:
        """Return once the API server has every event that a trigger asks for; a HttpProblem where it has not."""
        try:
            policy = await self._policy(target)
            return await self._store_all(policy, events, sender)
        except ClusterRefused as error:
            log.warning("%s/%s: an event was not stored: %s", target.namespace, target.policy, error)
            raise HttpProblem(
                503, "the API server refuses to store events of this policy", _FULL_RETRY_SECONDS
            ) from None
        except ClusterError:
            # Nothing is acknowledged. What is stored of it already is known when it is sent again.
            raise HttpProblem(503, "the API server does not answer; send it again", _RETRY_SECONDS) from None

    async def _policy(self, target: EventTarget) -> Object:
        """The policy, where it is one of those that this operator serves."""
        if self._serves(target.namespace):
            found = await self._cluster.get(ObjectRef(API_VERSION, RETRAIN_POLICY, target.namespace, target.policy))
            if found is not None and self._selector.matches(labels_of(found)) and not _is_deleting(found):
                return found
        raise HttpProblem(404, f"there is no RetrainPolicy {target.policy} in the namespace {target.namespace}")

    async def _store_all(self, policy: Object, events: Sequence[EventAttributes], sender: Sender) -> StoreResult:
        triggers, done = _event_triggers(policy), StoreResult()
        owner = PolicyOwner(*(text(policy, "metadata", field) for field in ("name", "namespace", "uid")))
        for attributes in events:
            keys = tuple(dict.fromkeys(trigger.key for trigger in triggers if takes(trigger, attributes)))
            if not keys:
                done.ignored += 1
                continue
            event = ReceivedEvent(attributes=attributes, received=self._now(), sender=sender.name, triggers=keys)
            if await self._store_one(owner, event):
                done.stored += 1
            else:
                done.known += 1
        return done

    async def _store_one(self, owner: PolicyOwner, event: ReceivedEvent) -> bool:
        """Whether it is new."""
        manifest = stored_event(owner, event)
        if not await self._counts.begin(owner.uid, lambda: self._count(owner)):
            if await self._is_stored(owner, manifest):
                return False
            raise HttpProblem(
                429, f"{MAX_STORED} events are stored for this policy; send it again later", _FULL_RETRY_SECONDS
            )
        created = False
        try:
            created = await self._create(owner, manifest)
        finally:
            self._counts.end(owner.uid, stored=created)
        return created

    async def _create(self, owner: PolicyOwner, manifest: Object) -> bool:
        try:
            await self._cluster.create(manifest)
        except ClusterConflict:
            # A quota that two writes meet at once is answered with a conflict as well: then it is not there.
            if await self._is_stored(owner, manifest):
                return False
            raise
        return True

    async def _is_stored(self, owner: PolicyOwner, manifest: Object) -> bool:
        place = ObjectRef("apps/v1", "ControllerRevision", owner.namespace, manifest["metadata"]["name"])
        return await self._cluster.get(place) is not None

    async def _count(self, owner: PolicyOwner) -> int:
        labels = {RETRAIN_POLICY_LABEL: owner.name}
        records = await self._cluster.list("apps/v1", "ControllerRevision", owner.namespace, labels)
        return sum(RECEIVED_EVENT_LABEL in labels_of(record) for record in records)


def stored_event(owner: PolicyOwner, event: ReceivedEvent) -> dict[str, Any]:
    """The ControllerRevision that holds the event."""
    attributes = event.attributes
    manifest = revision(owner, stored_name(owner.name, owner.uid, attributes), 1, stored_data(owner.uid, event))
    manifest["metadata"]["labels"][RECEIVED_EVENT_LABEL] = short_hash(attributes.source, attributes.id, length=12)
    return manifest


def _is_deleting(policy: Object) -> bool:
    return bool(text(policy, "metadata", "deletionTimestamp"))


def _event_triggers(policy: Object) -> tuple[EventTrigger, ...]:
    try:
        spec = msgspec.convert(policy.get("spec"), RetrainPolicySpec)
    except msgspec.ValidationError:
        return ()
    return tuple(trigger.event for trigger in spec.triggers if trigger.event is not None)
