"""What was last seen of the objects of stages, and of their pods, before they were deleted.

A Job may be deleted the moment it has ended, and its pods with it. The watch still tells how they were then. This is
a help, and no memory: what it tells is noted on the record of the run in the next pass, and what nobody has seen is
judged from MLflow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from viridian.api.names import RETRAIN_POLICY, RETRAIN_POLICY_LABEL, RUN_LABEL
from viridian.controller.keys import Key
from viridian.ports.cluster import Object
from viridian.retraining.stages.stage_table import STAGE_KINDS

WATCH_LAG: Final = timedelta(seconds=2)
"""How long the watch may still deliver an object that a list does not show any more."""


class LastSeen:
    """Objects and pods that have ended or were deleted, by the policy that they belong to."""

    def __init__(self) -> None:
        self._missing: defaultdict[Key, dict[str, datetime]] = defaultdict(dict)
        self._objects: defaultdict[Key, dict[str, Object]] = defaultdict(dict)
        self._pods: defaultdict[Key, dict[str, Object]] = defaultdict(dict)

    def saw(self, manifest: Mapping[str, Any], deleted: bool) -> None:
        """A child appeared, changed or vanished; called from the watch, so it only takes notes."""
        metadata = manifest["metadata"]
        labels = metadata.get("labels") or {}
        if RETRAIN_POLICY_LABEL not in labels or RUN_LABEL not in labels:
            return
        key = Key(RETRAIN_POLICY, str(metadata.get("namespace", "")), labels[RETRAIN_POLICY_LABEL])
        kind = STAGE_KINDS.get(manifest.get("kind", ""))
        if kind is not None and (deleted or kind.has_ended(manifest)):
            self._objects[key][metadata["name"]] = dict(manifest)
        elif manifest.get("kind") == "Pod" and _object_of(manifest) and (deleted or _ended_pod(manifest)):
            self._pods[key][metadata["uid"]] = dict(manifest)

    def objects(self, key: Key, names: Collection[str]) -> Mapping[str, Object]:
        """Of these objects of a policy those that have ended or are gone. What is not asked about is forgotten."""
        kept = {name: found for name, found in self._objects[key].items() if name in names}
        self._objects[key] = kept
        self._pods[key] = {uid: pod for uid, pod in self._pods[key].items() if _object_of(pod) in names}
        return kept

    def pods(self, key: Key, name: str, present: Sequence[Object]) -> list[Object]:
        """The pods of an object that are there, and those that have ended and are there no more."""
        there = {pod["metadata"]["uid"] for pod in present}
        gone = [pod for uid, pod in self._pods[key].items() if uid not in there and _object_of(pod) == name]
        return [*present, *gone]

    def watched_until(self, key: Key, missing: Collection[str], now: datetime) -> Mapping[str, datetime]:
        """Until when the watch may still show objects that were there and are not listed any more."""
        known = self._missing[key]
        self._missing[key] = {name: known.get(name, now) for name in missing}
        return {name: since + WATCH_LAG for name, since in self._missing[key].items()}

    def forget(self, key: Key) -> None:
        """The policy is gone."""
        self._objects.pop(key, None)
        self._pods.pop(key, None)
        self._missing.pop(key, None)


def _object_of(pod: Mapping[str, Any]) -> str:
    """Name of the object of a stage that made the pod."""
    labels = pod["metadata"].get("labels") or {}
    return next((str(labels[kind.pod_label]) for kind in STAGE_KINDS.values() if kind.pod_label in labels), "")


def _ended_pod(pod: Mapping[str, Any]) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any("terminated" in (status.get("state") or {}) for status in statuses)
