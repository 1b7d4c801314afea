"""Act: perform a plan, action by action, in its order.

The first cluster error ends it and is raised: every plan is safe to stop after any of its actions. The registry and the
pods' connections are best effort: what fails there is noted, and everything after it is done all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from viridian.api.names import CHILDREN_MANAGER
from viridian.controller.keys import Key
from viridian.controller.registry_writes import PATIENCE, Pending, RegistryWriter, model_of
from viridian.plan.plan import (
    Action,
    Annotate,
    Apply,
    CloseConnections,
    CreateRun,
    Delete,
    Event,
    FinishRun,
    RegisterVersion,
    SetAlias,
    TagVersion,
)
from viridian.ports.cluster import Cluster, ClusterConflict, Reference
from viridian.ports.pods import Pods
from viridian.ports.registry import Registry, RegistryError, RegistryMissing, RegistryUnavailable

RECORDS_MANAGER = "viridian-records"
"""Field manager of facts that are recorded on objects after they were made."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a plan's actions. Every cluster action took effect."""

    registry_failures: tuple[RegistryError, ...] = ()
    """Why registry actions did not, or are not known to have; which ones, the sentences say."""
    models: frozenset[str] = frozenset()
    """Registered models that were written to, or may have been."""

    @property
    def registry_error(self) -> RegistryError | None:
        """What the registry had against the first action that it did not take; None where it may still take all."""
        return next((failure for failure in self.registry_failures if not isinstance(failure, Pending)), None)


class Actor:
    """Performs plans through the ports."""

    def __init__(
        self, cluster: Cluster, registry: Registry, pods: Pods, *, ended_late: Callable[[str], None] = lambda _: None
    ) -> None:
        """`ended_late` is the RegistryWriter's."""
        self._cluster = cluster
        self._pods = pods
        self.registry = RegistryWriter(registry, ended_late=ended_late)

    async def perform(
        self, key: Key, actions: tuple[Action, ...], *, tell: Callable[[Event], None] = lambda _: None
    ) -> Done:
        """Do all of it, or raise the first ClusterError. `tell` is given the events of each write that is done."""
        failures: list[RegistryError] = []
        models: set[str] = set()
        answering, registered = True, True
        for action in actions:
            if isinstance(action, Annotate) and action.once_registered and not registered:
                continue
            if isinstance(action, Apply | Delete | Annotate):
                await self._write(key, action)
                for event in action.tells if isinstance(action, Apply | Annotate) else ():
                    tell(event)
            elif isinstance(action, CloseConnections):
                await self._pods.close_connections(action.targets, seconds=action.seconds, idle=action.idle)
            elif answering:
                # One silence is enough: several in a row would each cost a timeout while users wait for a revert.
                failure = await self.registry.write(action, patience=PATIENCE[key.kind])
                if (failure is None or isinstance(failure, RegistryUnavailable)) and model_of(action):
                    models.add(model_of(action))
                if failure is not None:
                    failures.append(type(failure)(f"{_named(action)}: {failure.message}"))
                    answering = not isinstance(failure, RegistryUnavailable)
                    # What is gone from the registry will never take it.
                    registered = registered and isinstance(failure, RegistryMissing)
            else:
                failures.append(Pending(f"{_named(action)}: left for later"))
        return Done(tuple(failures), frozenset(models))

    async def _write(self, key: Key, action: Apply | Delete | Annotate) -> None:
        if isinstance(action, Apply):
            await self._cluster.apply(action.manifest, manager=CHILDREN_MANAGER)
            return
        reference = Reference(action.api_version, action.kind, key.namespace, action.name)
        if isinstance(action, Delete):
            await self._cluster.delete(reference, uid=action.uid)
        else:
            await self._annotate(reference, action.annotations)

    async def _annotate(self, reference: Reference, annotations: Mapping[str, str]) -> None:
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
        await self._cluster.apply(manifest, manager=RECORDS_MANAGER)


def _named(action: Action) -> str:
    match action:
        case SetAlias(model, alias, version):
            return f"alias {alias} of {model} to version {version}"
        case TagVersion(model, version):
            return f"tags of {model} version {version}"
        case CreateRun(experiment, run):
            return f"run {run} in experiment {experiment}"
        case FinishRun(mlflow_run, status):
            return f"run {mlflow_run} to {status}"
        case RegisterVersion(model, mlflow_run):
            return f"register run {mlflow_run} as {model}"
        case _:
            return type(action).__name__
