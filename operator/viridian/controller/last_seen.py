"""What was last seen of the Jobs of runs, and of their pods, before they were deleted.

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
from viridian.retraining.stages.result import has_ended

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"


WATCH_LAG: Final = timedelta(seconds=2)
"""How long what a list does not show any more may still be told of by the watch."""


class LastSeen:
    """Jobs and pods that have ended or were deleted, by the policy that they belong to."""

    def __init__(self) -> None:
        self._missing: defaultdict[Key, dict[str, datetime]] = defaultdict(dict)
        self._jobs: defaultdict[Key, dict[str, Object]] = defaultdict(dict)
        self._pods: defaultdict[Key, dict[str, Object]] = defaultdict(dict)

    def saw(self, manifest: Mapping[str, Any], deleted: bool) -> None:
        """A child appeared, changed or vanished; called from the watch, so it only takes notes."""
        metadata = manifest["metadata"]
        labels = metadata.get("labels") or {}
        if RETRAIN_POLICY_LABEL not in labels or RUN_LABEL not in labels:
            return
        key = Key(RETRAIN_POLICY, str(metadata.get("namespace", "")), labels[RETRAIN_POLICY_LABEL])
        if manifest.get("kind") == "Job" and (deleted or has_ended(manifest)):
            self._jobs[key][metadata["name"]] = dict(manifest)
        elif manifest.get("kind") == "Pod" and JOB_NAME_LABEL in labels and (deleted or _ended_pod(manifest)):
            self._pods[key][metadata["uid"]] = dict(manifest)

    def jobs(self, key: Key, names: Collection[str]) -> Mapping[str, Object]:
        """Of these Jobs of a policy those that have ended or are gone. What is not asked about is forgotten."""
        kept = {name: job for name, job in self._jobs[key].items() if name in names}
        self._jobs[key] = kept
        self._pods[key] = {uid: pod for uid, pod in self._pods[key].items() if _job_of(pod) in names}
        return kept

    def pods(self, key: Key, job: str, present: Sequence[Object]) -> list[Object]:
        """The pods of a Job that are there, and those that have ended and are there no more."""
        there = {pod["metadata"]["uid"] for pod in present}
        gone = [pod for uid, pod in self._pods[key].items() if uid not in there and _job_of(pod) == job]
        return [*present, *gone]

    def news_until(self, key: Key, missing: Collection[str], now: datetime) -> Mapping[str, datetime]:
        """Until when the watch may still tell of Jobs that were there and are not listed any more."""
        known = self._missing[key]
        self._missing[key] = {name: known.get(name, now) for name in missing}
        return {name: since + WATCH_LAG for name, since in self._missing[key].items()}

    def forget(self, key: Key) -> None:
        """The policy is gone."""
        self._jobs.pop(key, None)
        self._pods.pop(key, None)
        self._missing.pop(key, None)


def _job_of(pod: Mapping[str, Any]) -> str:
    return str((pod["metadata"].get("labels") or {}).get(JOB_NAME_LABEL, ""))


def _ended_pod(pod: Mapping[str, Any]) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any("terminated" in (status.get("state") or {}) for status in statuses)
