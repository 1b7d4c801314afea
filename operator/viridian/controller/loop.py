"""The loop, assembled: queue, reconciler, wake-ups, health and metrics, on whatever ports it is given.

Kopf is not in here: it only calls `wakes`. So the same loop runs on the in-memory cluster in tests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller.act import Actor
from viridian.controller.attempts import Attempts
from viridian.controller.backoff import Backoff
from viridian.controller.breaker import BreakingRegistry
from viridian.controller.health import Health, Heartbeat
from viridian.controller.keys import Key
from viridian.controller.kinds import Kind
from viridian.controller.last_seen import LastSeen
from viridian.controller.monitors import Monitors
from viridian.controller.observe_model_deployment import ModelDeployments
from viridian.controller.observe_retrain_policy import RetrainPolicies
from viridian.controller.queue import WorkQueue
from viridian.controller.reconcile import Reconciler
from viridian.controller.reference_profiles import ReferenceProfiles
from viridian.controller.registries import ByNamespace
from viridian.controller.registry_view import RegistryView
from viridian.controller.resolve import Resolver
from viridian.controller.samples import Samples
from viridian.controller.status import StatusWriter
from viridian.controller.telemetry import Telemetry
from viridian.controller.wakes import Wakes
from viridian.ports.cluster import Cluster, ClusterError
from viridian.ports.collector import Collector
from viridian.ports.pod_files import Bundles
from viridian.ports.pods import Pods
from viridian.ports.registry import Registry
from viridian.rollout.input import OperatorSettings

log = logging.getLogger("viridian.loop")

CENSUS_EVERY = 600.0
"""Seconds between two looks at which objects exist at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Everything the loop has from outside: ports, time and chance."""

    cluster: Cluster
    registry: Registry | None
    own_registries: Mapping[str, Registry] = field(default_factory=dict)
    """Of namespaces with an identity of their own in MLflow."""
    pods: Pods
    bundles: Bundles
    feedback: Collector | None
    clock: Callable[[], datetime]
    random: Callable[[], float]
    """Uniform in [0, 1)."""


@dataclass(slots=True)
class Loop:
    """The parts, and the tasks that keep them going."""

    queue: WorkQueue
    wakes: Wakes
    health: Health
    telemetry: Telemetry
    views: ByNamespace[RegistryView]
    monitors: Monitors
    actor: Actor
    statuses: StatusWriter
    cluster: Cluster
    heartbeat: Heartbeat
    namespaces: tuple[str | None, ...]
    random: Callable[[], float]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, workers: int) -> None:
        """Begin to work."""
        routines = {
            "workers": self.queue.work(workers),
            "heartbeat": self.heartbeat.beat(),
            "census": self._census(),
        }
        self.tasks.extend(asyncio.create_task(routine, name=name) for name, routine in routines.items())

    async def stop(self) -> None:
        """End all work at once: a pass may be cut after any of its writes."""
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        for view in self.views:
            await view.close()
        await self.monitors.close()
        await self.actor.registry.close()
        await self.actor.attempts.close()
        await self.statuses.close()

    async def count(self) -> None:
        """Look at every key that is known but not listed, and at every object that is listed but not known.

        The pass itself finds out whether the object is gone, so a list that is a little old does no harm.
        """
        known = self.queue.known()
        listed = {key for namespace in self.namespaces for key in await list_keys(self.cluster, namespace)}
        for key in known ^ listed:
            self.queue.add(key)

    async def _census(self) -> None:
        while True:
            await asyncio.sleep(CENSUS_EVERY * (1 + self.random()) / 2)
            try:
                await self.count()
            except ClusterError as error:
                log.warning("the objects could not be listed: %s", error)


async def list_keys(cluster: Cluster, namespace: str | None) -> Collection[Key]:
    """The keys of all objects of our kinds in a namespace, or in all."""
    found = set()
    for kind in (MODEL_DEPLOYMENT, RETRAIN_POLICY):
        for manifest in await cluster.list(API_VERSION, kind, namespace):
            metadata = manifest["metadata"]
            found.add(Key(kind, metadata["namespace"], metadata["name"]))
    return found


def assemble(
    environment: Environment,
    settings: OperatorSettings,
    telemetry: Telemetry,
    *,
    namespaces: tuple[str, ...] = (),
    resync: timedelta = timedelta(minutes=10),
    expected_watches: frozenset[str] = frozenset(),
) -> Loop:
    """The loop on these ports; needs a running event loop. Nothing works before `start`."""
    cluster, registry = environment.cluster, BreakingRegistry(environment.registry)

    def attempts() -> Attempts:
        return Attempts(environment.random, look_again=lambda key: queue.add(key))

    statuses = StatusWriter(cluster, attempts())
    # A little less than the poll that decisions ask for, so that each of their wakes finds the answer aged.
    max_age = 0.9 * settings.registry_poll.total_seconds()
    own = {namespace: BreakingRegistry(one) for namespace, one in environment.own_registries.items()}
    views = ByNamespace(
        RegistryView(registry, max_age=max_age),
        {namespace: RegistryView(one, max_age=max_age) for namespace, one in own.items()},
    )
    configured = settings.mlflow_uri is not None
    monitors = Monitors(environment.feedback, ReferenceProfiles(environment.bundles), telemetry.monitoring)
    last_seen = LastSeen()
    kinds: dict[str, Kind[Any]] = {
        MODEL_DEPLOYMENT: ModelDeployments(
            cluster,
            Resolver(views.shared, configured, views.own, settings.requires_signature),
            Samples(environment.pods),
            settings,
            environment.clock,
            monitors,
        ),
        RETRAIN_POLICY: RetrainPolicies(
            cluster,
            registry,
            environment.feedback,
            settings.mlflow_uri,
            environment.clock,
            last_seen,
            settings.image_pull_secrets,
            settings.registry_models,
            settings.templates,
            own,
        ),
    }

    def registry_written(key: Key | None, models: frozenset[str]) -> None:
        for model in models:
            for view in views:
                view.invalidate(model)
        wakes.registry_written(key, models)

    actor = Actor(
        cluster,
        registry,
        environment.pods,
        own_registries=own,
        ended_late=lambda model: registry_written(None, frozenset({model})),
        attempts=attempts(),
    )

    reconciler = Reconciler(
        cluster=cluster,
        kinds=kinds,
        actor=actor,
        statuses=statuses,
        observer=telemetry,
        resync=lambda: resync.total_seconds() * (1 + environment.random()) / 2,
        registry_written=registry_written,
        forget=lambda key: wakes.forget(key),
    )
    queue = WorkQueue(reconciler, backoff=Backoff(environment.random), observer=telemetry)
    wakes = Wakes(queue.add, wrote=statuses.wrote, saw=last_seen.saw)
    heartbeat = Heartbeat()
    telemetry.watch_queue(queue)
    telemetry.watch_lag(lambda: heartbeat.lag)
    tasks: list[asyncio.Task[None]] = []
    return Loop(
        queue=queue,
        wakes=wakes,
        health=Health(heartbeat, queue, lambda: tasks, expected_watches),
        telemetry=telemetry,
        views=views,
        monitors=monitors,
        actor=actor,
        statuses=statuses,
        cluster=cluster,
        heartbeat=heartbeat,
        namespaces=namespaces or (None,),
        random=environment.random,
        tasks=tasks,
    )
