"""A plan: what one pass will do to the world, in order, and what it will say about it.

A plan is data. It can be printed, compared in tests and replayed; nothing in it has happened yet. The actions stand
in an order that is safe to stop after any of them: make ready before switching, switch in one write, clean up last.
A write that fails stops only what presumes it, which the plan says (`Apply.presumed`, `Delete.after`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from viridian.api.names import RECORDS_MANAGER
from viridian.api.samples import Idle, PodTarget
from viridian.api.shadow import ShadowOrder
from viridian.core.urgency import Urgency

Manifest = Mapping[str, Any]
Target = tuple[str, str]
"""Kind and name of an object, in the namespace of the one that the plan is about."""


class EventType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Event:
    """An Event, emitted once after the write that it reports has succeeded."""

    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of a whole intent by the manager of children; see `viridian.core.intent`."""

    manifest: Manifest
    tells: tuple[Event, ...] = ()
    """Events about this write, emitted when it has succeeded, even if later writes fail."""
    presumed: bool | None = None
    """Whether all that follows presumes that this write is done (True) or cannot be done (False).

    Where it turns out otherwise, the rest of the plan is void: the world is read and decided about again at once.
    """
    urgent: bool = False
    """Users wait for it: where it fails, it is tried again with every look."""

    @property
    def target(self) -> Target:
        return self.manifest["kind"], self.manifest["metadata"]["name"]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete exactly the object that was read: its uid is a precondition."""

    api_version: str
    kind: str
    name: str
    uid: str
    after: tuple[Target, ...] = ()
    """Objects whose writes in this plan must be done before: what remembers goes after what it remembers."""

    @property
    def target(self) -> Target:
        return self.kind, self.name


@dataclass(frozen=True, slots=True)
class Annotate:
    """Record facts on an object that is ours but whose content is not applied again, such as the record of a run.

    Applied by a field manager of its own, so that the intent of the object's maker is not given up.
    """

    api_version: str
    kind: str
    name: str
    annotations: Mapping[str, str]
    confirms: tuple[Target, ...] = ()
    """What it records as done: it is not tried where one of these writes was not made in this plan."""
    tells: tuple[Event, ...] = ()
    """Events about what this write records, emitted when it has succeeded."""
    manager: str = RECORDS_MANAGER

    @property
    def target(self) -> Target:
        return self.kind, self.name


@dataclass(frozen=True, slots=True)
class CloseConnections:
    """Tell pods to let go of kept-alive connections. Best effort: a pod that does not listen is no failure."""

    targets: tuple[PodTarget, ...]
    seconds: int
    idle: Idle
    forward: bool = False
    """Their answers are not wanted any more: those that can let the other slot answer, and keep idle connections."""


@dataclass(frozen=True, slots=True)
class CopyRequests:
    """These pods, and no others of the object, copy requests of users to a challenger. Best effort.

    It is a part of every plan for as long as it is to go on. Without it in a plan no pod copies any more.
    """

    targets: tuple[PodTarget, ...]
    order: ShadowOrder


@dataclass(frozen=True, slots=True)
class ClaimModel:
    """Claim a registered model that nobody owns yet, for the namespace of the owner, `<namespace>/<name>`."""

    model: str
    owner: str

    @property
    def target(self) -> Target:
        return "RegisteredModel", self.model


@dataclass(frozen=True, slots=True)
class SetAlias:
    """Point an alias of a registered model at a version."""

    model: str
    alias: str
    version: str

    @property
    def target(self) -> Target:
        return "ModelAlias", f"{self.model}/{self.alias}"


@dataclass(frozen=True, slots=True)
class TagVersion:
    """Record the outcome on a model version: the audit trail."""

    model: str
    version: str
    tags: Mapping[str, str]

    @property
    def target(self) -> Target:
        return "ModelVersion", f"{self.model}/{self.version}"


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Create the MLflow run that a training Job will log to, unless it exists."""

    experiment: str
    run: str
    tags: Mapping[str, str]

    @property
    def target(self) -> Target:
        return "MLflowRun", self.run


@dataclass(frozen=True, slots=True)
class TagRun:
    """Set tags of an MLflow run, in one request."""

    mlflow_run: str
    tags: Mapping[str, str]

    @property
    def target(self) -> Target:
        return "MLflowRun", self.mlflow_run


@dataclass(frozen=True, slots=True)
class FinishRun:
    """Close an MLflow run: FINISHED, FAILED or KILLED."""

    mlflow_run: str
    status: str

    @property
    def target(self) -> Target:
        return "MLflowRun", self.mlflow_run


@dataclass(frozen=True, slots=True)
class RegisterVersion:
    """Register what a run made as a version of the model, unless it is registered.

    Where the model does not exist yet, it is created with the claim of the owner, `<namespace>/<name>`.
    """

    model: str
    mlflow_run: str
    source: str
    tags: Mapping[str, str]
    owner: str = ""

    @property
    def target(self) -> Target:
        return "RegisteredModel", self.model


ClusterAction = Apply | Delete | Annotate
RegistryAction = ClaimModel | SetAlias | TagVersion | CreateRun | TagRun | FinishRun | RegisterVersion
Action = ClusterAction | CloseConnections | CopyRequests | RegistryAction


@dataclass(frozen=True, slots=True)
class Plan:
    """One pass: actions in order, the whole next status (None: leave it), its news, and when to look again."""

    actions: tuple[Action, ...] = ()
    status: Mapping[str, Any] | None = None
    # Events for conditions that are new in the status: emitted after the status write, found again until it succeeds.
    news: tuple[Event, ...] = ()
    wake: datetime | None = None
    # How long the next look may wait for a worker.
    urgency: Urgency = Urgency.IDLE
    # One line for the log and for `mode: Observe`: what was decided and why.
    summary: str = ""
    notes: tuple[str, ...] = field(default=())
