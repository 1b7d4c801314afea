"""Where the entries of an object lie in MLflow: one run a month, in an experiment of the object's namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from viridian.api.names import MODEL_DEPLOYMENT
from viridian.api.registry import TAG_MODEL_DEPLOYMENT, TAG_POLICY
from viridian.core.lookup import Object, text
from viridian.trail.trail_entry import TrailEntry

AT_ONCE: Final = 50
"""Entries that go to MLflow in one request, which takes at most 100 tags."""


@dataclass(frozen=True, slots=True)
class TrailBatch:
    """Entries that go to MLflow together: those of one month that have waited longest."""

    experiment: str
    run_key: str
    run_tags: Mapping[str, str]
    """Of the MLflow run, where it has to be made."""
    entries: tuple[TrailEntry, ...]

    def missing(self, tags: frozenset[str]) -> dict[str, str]:
        """The tags that a run with these tags does not have."""
        return {name: value for name, value in (entry.tag for entry in self.entries) if name not in tags}


def first_batch(waiting: Sequence[TrailEntry], kind: str, namespace: str, name: str, uid: str) -> TrailBatch | None:
    """What goes to MLflow next of an object's entries; None where none waits."""
    if not waiting:
        return None
    month = waiting[0].month
    first = next((at for at, entry in enumerate(waiting) if entry.month != month), len(waiting))
    owner = TAG_MODEL_DEPLOYMENT if kind == MODEL_DEPLOYMENT else TAG_POLICY
    return TrailBatch(
        experiment=f"viridian-trail/{namespace}",
        run_key=f"trail-{uid}-{month}",
        run_tags={"mlflow.runName": f"{kind} {name} {month}", owner: f"{namespace}/{name}"},
        entries=tuple(waiting[: min(first, AT_ONCE)]),
    )


def owner_uid(journal: Object) -> str:
    """Of which object this is the journal."""
    return text(journal, "data", "owner", "uid")
