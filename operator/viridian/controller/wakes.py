"""From events to keys: which reconcilers have to look again at which objects because this one changed.

For our own kinds a wake-up needs a reason, since our status writes come back as events too: the fingerprint of
everything that a pass reads from the object itself, or a part of the status that its reconciler did not write so.
Annotations are in the fingerprint (approve, abort); `generation` alone would hide them. What one reconciler writes into
its part of the status wakes no other. Of a child every event wakes those that read its kind: its status is the point.
An autoscaler's is not, and changes with every measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from viridian.api.child_kinds import child_kind
from viridian.api.names import (
    ADOPT_LABEL,
    GROUP,
    MODEL_DEPLOYMENT,
    MODEL_DEPLOYMENT_LABEL,
    RETRAIN_POLICY,
    RETRAIN_POLICY_LABEL,
)
from viridian.api.reasons import DATA_QUALITY
from viridian.controller.digests import digest
from viridian.controller.keys import Key
from viridian.controller.reverse_index import ReverseIndex
from viridian.core.conditions import conditions_in
from viridian.core.lookup import entries, text
from viridian.core.urgency import Urgency
from viridian.rollout.urgency import urgency_in

Manifest = Mapping[str, Any]

KINDS = frozenset({MODEL_DEPLOYMENT, RETRAIN_POLICY})
_OWNER_LABELS = {
    MODEL_DEPLOYMENT_LABEL: MODEL_DEPLOYMENT,
    RETRAIN_POLICY_LABEL: RETRAIN_POLICY,
    ADOPT_LABEL: MODEL_DEPLOYMENT,
}


class Wakeable(Protocol):
    """A reconciler with its queue, as events concern it."""

    @property
    def kind(self) -> str:
        """Of the objects that it is about."""

    @property
    def children(self) -> frozenset[str]:
        """The kinds of children that it reads."""

    @property
    def follows_registry(self) -> bool:
        """Whether its passes look up what is known of registered models."""

    def wake(self, key: Key, urgency: Urgency = Urgency.IDLE, *, changed: bool = True) -> None:
        """Look at this object; so urgently, as long as no pass has found out. It need not have `changed` just now."""

    def child_changed(self, key: Key) -> None:
        """A child of this object, of a kind that it reads, appeared, changed or vanished."""

    def wrote(self, key: Key, status: Manifest) -> bool:
        """Whether its part of the status is as it wrote it last."""

    def saw(self, child: Manifest, deleted: bool) -> None:
        """An event of a child that it reads: takes notes, and neither fails nor waits."""


class Wakes:
    """Turns events into wake-ups. Never fails and never waits: it runs inside the watch streams."""

    def __init__(self, reconcilers: Sequence[Wakeable], *, selective: bool = False) -> None:
        """`selective`: there are objects of other operators, whose children are seen but are none of our business."""
        self._reconcilers = reconcilers
        self._selective = selective
        self._fingerprints: dict[Key, bytes] = {}
        self._champions: dict[Key, bytes | None] = {}
        """What policies read from a ModelDeployment, by its key."""
        self._data: dict[Key, bytes] = {}
        """What ModelDeployments read from a policy, by its key."""
        self._written: dict[Key, bytes] = {}
        """All but the status of children whose status no pass reads."""
        self._retrains: ReverseIndex[Key] = ReverseIndex()
        """Policy to the ModelDeployment that it is about."""
        self.followed: ReverseIndex[str] = ReverseIndex()
        """ModelDeployment to the registered model that it follows."""

    def own(self, kind: str, manifest: Manifest, *, deleted: bool) -> None:
        """An object of one of our kinds appeared, changed or vanished."""
        key = _key(kind, manifest)
        if deleted:
            self._wake(key)
            self._wake_related(key, manifest, None)
            return
        fingerprint, known = _fingerprint(manifest), self._fingerprints.get(key)
        self._fingerprints[key] = fingerprint
        status = manifest.get("status") or {}
        suggested = urgency_in(status) if kind == MODEL_DEPLOYMENT else Urgency.IDLE
        for reconciler in self._of(kind):
            if known != fingerprint or not reconciler.wrote(key, status):
                reconciler.wake(key, suggested, changed=known not in (None, fingerprint))
        self._wake_related(key, manifest, _champion(manifest))

    def child(self, kind: str, manifest: Manifest, *, deleted: bool = False) -> None:
        """A child of that kind appeared, changed or vanished."""
        if not child_kind(kind).status_is_read and not self._has_changed(kind, manifest, deleted=deleted):
            return
        keys = [key for key in owners(manifest) if not self._selective or key in self._fingerprints]
        for reconciler in self._reconcilers:
            if kind not in reconciler.children:
                continue
            reconciler.saw(manifest, deleted)
            for key in keys:
                if key.kind == reconciler.kind:
                    reconciler.child_changed(key)

    def _has_changed(self, kind: str, manifest: Manifest, *, deleted: bool) -> bool:
        """Whether more than the status of a child has changed since its last event."""
        metadata = manifest["metadata"]
        child = Key(kind, str(metadata.get("namespace", "")), str(metadata["name"]))
        written = [one for one in entries(metadata, "managedFields") if one.get("subresource") != "status"]
        fingerprint = digest([metadata.get(name) or None for name in _FINGERPRINT] + [written])
        known = self._written.pop(child, None)
        if not deleted:
            self._written[child] = fingerprint
        return deleted or known != fingerprint

    def registry_changed(self, models: frozenset[str]) -> None:
        """What is known of these registered models has changed: those that follow them look at once."""
        for reconciler in self._reconcilers:
            for model in sorted(models) if reconciler.follows_registry else ():
                for follower in self.followed.keys(model):
                    reconciler.wake(follower)

    def known(self) -> frozenset[Key]:
        """The objects that have been seen and are not known to be gone."""
        return frozenset(self._fingerprints)

    def policies_of(self, key: Key) -> Iterable[Key]:
        """The RetrainPolicies that are about this ModelDeployment."""
        return self._retrains.keys(key)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._fingerprints.pop(key, None)
        self._champions.pop(key, None)
        self._data.pop(key, None)
        self._retrains.forget(key)
        self.followed.forget(key)

    def _of(self, kind: str) -> Iterator[Wakeable]:
        return (reconciler for reconciler in self._reconcilers if reconciler.kind == kind)

    def _wake(self, key: Key, *, changed: bool = True) -> None:
        for reconciler in self._of(key.kind):
            reconciler.wake(key, changed=changed)

    def _wake_related(self, key: Key, manifest: Manifest, champion: bytes | None) -> None:
        spec = manifest.get("spec") or {}
        if key.kind == RETRAIN_POLICY:
            about = Key(MODEL_DEPLOYMENT, key.namespace, str(spec.get("modelDeployment", "")))
            self._retrains.point(key, about)
            data, known = _data_quality(manifest), self._data.get(key)
            self._data[key] = data
            if known not in (None, data):
                self._wake(about)
            return
        if model := str(((spec.get("model") or {}).get("registry") or {}).get("name", "")):
            self.followed.point(key, model)
        else:
            self.followed.forget(key)
        known = self._champions.get(key)
        if known != champion:
            self._champions[key] = champion
            for policy in self._retrains.keys(key):
                self._wake(policy, changed=known is not None)


def owners(manifest: Manifest) -> Iterator[Key]:
    """The keys of the objects that a child belongs to, by its labels and by its owner references."""
    metadata = manifest["metadata"]
    namespace, labels = str(metadata.get("namespace", "")), metadata.get("labels") or {}
    found = {Key(kind, namespace, labels[label]) for label, kind in _OWNER_LABELS.items() if label in labels}
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("apiVersion", "").startswith(f"{GROUP}/") and owner.get("kind") in KINDS:
            found.add(Key(owner["kind"], namespace, owner["name"]))
    yield from sorted(found)


def _key(kind: str, manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    return Key(kind, str(metadata.get("namespace", "")), str(metadata["name"]))


_FINGERPRINT: Final = ("uid", "generation", "deletionTimestamp", "labels", "annotations")


def _fingerprint(manifest: Manifest) -> bytes:
    """Everything but the status that a pass reads from the object itself."""
    metadata = manifest["metadata"]
    return digest([metadata.get(name) or None for name in _FINGERPRINT])


def _champion(manifest: Manifest) -> bytes:
    """What a RetrainPolicy reads from its ModelDeployment: of a challenger, only whether there is one."""
    status = manifest.get("status") or {}
    read = [status.get("champion"), status.get("monitoring"), text(status, "challenger", "revision")]
    return digest([manifest["metadata"].get("generation"), *read])


def _data_quality(manifest: Manifest) -> bytes:
    """What a ModelDeployment reads from its policies: a rollout holds while the data is bad."""
    found = conditions_in((manifest.get("status") or {}).get("conditions"))
    return digest([[one.get("status"), one.get("reason")] for one in found if one.get("type") == DATA_QUALITY])
