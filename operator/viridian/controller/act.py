"""Act: perform a plan, action by action, in its order.

A write that the API server refuses or does not answer stops nothing but itself: it is noted as an obstacle, its object
is tried again later, and everything after it is done all the same. Three things do end a plan:

* a conflict, which is raised: the world is not as it was when the plan was made;
* a write whose outcome the rest presumes otherwise (`Apply.presumed`), such as the one that moves the traffic: nothing
  may be recorded, reported or cleaned up of a decision that was not carried out;
* a mistake of ours.

Registry and pods' connections are best effort as well. A write to the registry is noted only where it succeeded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from viridian.api.names import CHILDREN_MANAGER
from viridian.controller.attempts import IMPATIENCE, PATIENCE, Attempt, Attempts
from viridian.controller.keys import Key
from viridian.controller.registries import ByNamespace
from viridian.controller.registry_writes import model_of, write
from viridian.controller.shadow_orders import ShadowOrders
from viridian.core.obstacles import Obstacles, RegistryObstacle
from viridian.core.plan import (
    Action,
    Annotate,
    Apply,
    ClaimModel,
    CloseConnections,
    ClusterAction,
    CopyRequests,
    CreateRun,
    Delete,
    Event,
    FinishRun,
    Manifest,
    RegisterVersion,
    RegistryAction,
    SetAlias,
    TagRun,
    TagVersion,
    Target,
)
from viridian.ports.cluster import Cluster, ClusterConflict, ObjectRef
from viridian.ports.pods import Pods
from viridian.ports.registry import Registry, RegistryError, RegistryMissing, RegistryNotYours, RegistryUnavailable


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a plan's actions."""

    obstacles: Obstacles = field(default_factory=dict)
    """Writes that are wanted and not done, or not known to be, by the object that they are about."""
    written: bool = False
    """Whether any cluster write took effect."""
    void: bool = False
    """Whether the plan ended early, since a write turned out otherwise than the rest presumes."""
    models: frozenset[str] = frozenset()
    """Registered models that were written to, or may have been, or turned out to be another's."""


class Actor:
    """Performs plans through the ports."""

    def __init__(
        self,
        cluster: Cluster,
        registries: ByNamespace[Registry],
        pods: Pods,
        *,
        attempts: Attempts | None = None,
        wrote: Callable[[Key, ClusterAction], None] = lambda *_: None,
    ) -> None:
        """`wrote(key, action)` is called right after a write was done."""
        self._cluster = cluster
        self._pods = pods
        self.shadow_orders = ShadowOrders(pods)
        self.wrote = wrote
        self.registries = registries
        self.attempts = attempts or Attempts()

    async def perform(
        self, key: Key, actions: tuple[Action, ...], *, tell: Callable[[Event], None] = lambda _: None
    ) -> Done:
        """Do all of it that can be done. `tell` is given the events of each write that is done."""
        writes = [action for action in actions if isinstance(action, Apply | Delete | Annotate)]
        self.attempts.only(key, [(action.target, _manager(action)) for action in writes])
        progress = _Progress(self, key, tell)
        copying: CopyRequests | None = None
        void = False
        for action in actions:
            if isinstance(action, Apply | Delete | Annotate):
                done = await progress.write(action)
                if isinstance(action, Apply) and action.presumed not in (None, done):
                    void = True
                    break
            elif isinstance(action, CloseConnections):
                await self._pods.close_connections(
                    action.targets, seconds=action.seconds, idle=action.idle, forward=action.forward
                )
            elif isinstance(action, CopyRequests):
                copying = action
            else:
                await progress.register(action)
        if not void:
            await self.shadow_orders.keep(key, copying)
        return Done(
            obstacles={**self.attempts.obstacles(key), **progress.registry_obstacles},
            written=progress.written,
            void=void,
            models=frozenset(progress.models),
        )

    async def close(self) -> None:
        """End the writes that are under way."""
        await self.attempts.close()

    async def write(self, key: Key, action: ClusterAction) -> None:
        """One write to the cluster; raises what the API server says against it."""
        if isinstance(action, Apply):
            await self._apply(action.manifest)
            return
        reference = ObjectRef(action.api_version, action.kind, key.namespace, action.name)
        if isinstance(action, Delete):
            await self._cluster.delete(reference, uid=action.uid)
        else:
            await self._annotate(reference, action.annotations, action.manager)

    async def _apply(self, manifest: Manifest) -> None:
        """By force where the object was observed. Where there was none, what has come meanwhile is somebody else's."""
        observed = not {"uid", "resourceVersion"}.isdisjoint(manifest["metadata"])
        await self._cluster.apply(manifest, manager=CHILDREN_MANAGER, force=observed)

    async def _annotate(self, reference: ObjectRef, annotations: Mapping[str, str], manager: str) -> None:
        """Apply the annotations to the object that is there: an apply to a missing one would create a hollow shell."""
        found = await self._cluster.get(reference)
        if found is None:
            raise ClusterConflict(f"{reference.kind} {reference.name} is gone")
        manifest: dict[str, Any] = {
            "apiVersion": reference.api_version,
            "kind": reference.kind,
            "metadata": {
                "name": reference.name,
                "namespace": reference.namespace,
                "uid": found["metadata"]["uid"],
                "annotations": dict(annotations),
            },
        }
        await self._cluster.apply(manifest, manager=manager)


class _Progress:
    """How far a plan has come."""

    def __init__(self, actor: Actor, key: Key, tell: Callable[[Event], None]) -> None:
        self._actor, self._key, self._tell = actor, key, tell
        self._patience = PATIENCE
        self._answering = True
        self._failed: set[Target] = set()
        self._registered: set[Target] = set()
        self.written = False
        self.registry_obstacles: dict[Target, RegistryObstacle] = {}
        self.models: set[str] = set()

    async def write(self, action: ClusterAction) -> bool:
        """Whether it was done."""
        if isinstance(action, Annotate) and not (self._registered - self._failed).issuperset(action.confirms):
            return False
        if isinstance(action, Delete) and self._failed.intersection(action.after):
            return False
        actor = self._actor
        attempts, began = actor.attempts, _now()
        attempt = _attempt(action, lambda: actor.write(self._key, action))
        done = await attempts.make(self._key, attempt, patience=self._patience)
        if not done and _now() - began >= self._patience:
            self._patience = IMPATIENCE
        if not done:
            self._failed.add(action.target)
        else:
            self.written = True
            actor.wrote(self._key, action)
            for event in attempt.tells:
                self._tell(event)
        return done

    async def register(self, action: RegistryAction) -> None:
        """Tell the registry, unless it was silent before: each silence would cost a timeout while users wait."""
        if not self._answering:
            self._failed.add(action.target)
            return
        failure = await write(self._actor.registries.of(self._key.namespace), action)
        if (failure is None or isinstance(failure, RegistryUnavailable | RegistryNotYours)) and model_of(action):
            self.models.add(model_of(action))
        if failure is None or isinstance(failure, RegistryMissing):
            # What is gone from the registry will never take it.
            self._registered.add(action.target)
        else:
            self._failed.add(action.target)
        if failure is not None:
            self.registry_obstacles.setdefault(action.target, _registry_obstacle(action, failure))
            self._answering = not isinstance(failure, RegistryUnavailable)


def _registry_obstacle(action: RegistryAction, failure: RegistryError) -> RegistryObstacle:
    kind, name = action.target
    return RegistryObstacle(
        kind=kind,
        name=name,
        message=f"{_named(action)}: {failure.message}",
        refused=not isinstance(failure, RegistryUnavailable),
        reason=failure.reason,
        gone=isinstance(failure, RegistryMissing),
    )


def _attempt(action: ClusterAction, start: Callable[[], Coroutine[Any, Any, None]]) -> Attempt:
    if isinstance(action, Delete):
        return Attempt(action.target, action, start, deletion=True)
    if isinstance(action, Annotate):
        return Attempt(action.target, action, start, manager=action.manager, tells=action.tells)
    # Times stand in annotations and change with every look: they alone are no change.
    lasting = ("labels", "ownerReferences")
    metadata = {key: value for key, value in action.manifest["metadata"].items() if key in lasting}
    return Attempt(
        action.target,
        {**action.manifest, "metadata": metadata},
        start,
        wanted=action.manifest,
        urgent=action.urgent,
        tells=action.tells,
    )


def _manager(action: ClusterAction) -> str:
    """On whose behalf it is written, where that is not the maker of the children."""
    return action.manager if isinstance(action, Annotate) else ""


def _now() -> float:
    return asyncio.get_running_loop().time()


def _named(action: Action) -> str:
    match action:
        case ClaimModel(model, owner):
            return f"claim {model} for {owner}"
        case SetAlias(model, alias, version):
            return f"alias {alias} of {model} to version {version}"
        case TagVersion(model, version):
            return f"tags of {model} version {version}"
        case CreateRun(experiment, run):
            return f"run {run} in experiment {experiment}"
        case TagRun(mlflow_run):
            return f"tags of run {mlflow_run}"
        case FinishRun(mlflow_run, status):
            return f"run {mlflow_run} to {status}"
        case RegisterVersion(model, mlflow_run):
            return f"register run {mlflow_run} as {model}"
        case _:
            return type(action).__name__
