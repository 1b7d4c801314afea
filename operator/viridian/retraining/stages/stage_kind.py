"""What a kind of object needs to be able to do the work of a stage; see `stage_table` for the kinds there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from viridian.api.run_stages import Stage
from viridian.core.lookup import Object
from viridian.core.plan import Manifest
from viridian.retraining.stages.pod_template import PodNeeds
from viridian.retraining.stages.state import StageState


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWork:
    """What the object of a stage is made from."""

    name: str
    stage: Stage
    # What its pod runs: the user's template, or the one of a built-in stage.
    template: Mapping[str, Any]
    metadata: Mapping[str, Any]
    pod: PodNeeds


class StageKind(Protocol):
    """A kind of object that does the work of a stage."""

    @property
    def api_version(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def pod_label(self) -> str:
        """The label by which pods name the object that made them; empty where they are not looked at."""

    @property
    def is_watched(self) -> bool:
        """Whether changes of its objects are watched, and all of them listed; else a pass reads them by name."""

    def name(self, policy: str, run: str, stage: str) -> str:
        """Name of the object: the same cause twice names the same object."""

    def manifest(self, work: StageWork) -> Manifest:
        """The whole intent. It is applied once, and not changed after that."""

    def state(self, found: Object | None, pods: Sequence[Object]) -> StageState:
        """What the object and its pods show; `found` is None once it is gone."""

    def has_ended(self, found: Object | None) -> bool:
        """Whether the object will not change any more."""
