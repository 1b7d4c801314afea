"""The loop, assembled: reconcilers with their queues, wake-ups, health and metrics, on whatever ports it is given.

Kopf is not in here: it only calls `wakes`. So the same loop runs on the in-memory cluster in tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from viridian.controller.api_budget import within_budget
from viridian.controller.breaker import breaking
from viridian.controller.controller import Controller
from viridian.controller.environment import Common, Environment
from viridian.controller.fence import fenced
from viridian.controller.health import Health, Heartbeat
from viridian.controller.leadership import Leadership
from viridian.controller.reconcilers import controllers
from viridian.controller.registries import ByNamespace
from viridian.controller.registry_watch import RegistryWatch
from viridian.controller.sweep import Sweeps
from viridian.controller.telemetry import Telemetry
from viridian.controller.wakes import Wakes
from viridian.core.selectors import EVERYTHING, Selector
from viridian.ports.registry import Registry
from viridian.rollout.input import OperatorSettings

STOP_SECONDS = 0.5
"""For passes to end that are cut."""


@dataclass(slots=True)
class Loop:
    """The parts, and the tasks that keep them going."""

    controllers: tuple[Controller, ...]
    wakes: Wakes
    health: Health
    telemetry: Telemetry
    registry_watches: tuple[RegistryWatch, ...]
    heartbeat: Heartbeat
    sweeps: Sweeps
    leadership: Leadership
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    """What goes on all the time."""
    work: list[asyncio.Task[None]] = field(default_factory=list)
    """What goes on while this operator leads."""

    def start(self, workers: int) -> None:
        """Stand by, and work with so many workers for each reconciler while this operator leads."""
        routines = {
            "heartbeat": self.heartbeat.beat(),
            "leadership": self.leadership.run(lambda: self._lead(workers), self._stand_by),
        }
        self.tasks.extend(asyncio.create_task(routine, name=name) for name, routine in routines.items())

    async def stop(self) -> None:
        """End all work at once, and let another operator lead. It can be started again."""
        await _ended(self.tasks)
        await self._stand_by()
        await self.leadership.release()

    def _lead(self, workers: int) -> None:
        """What is urgent waits in the queues already. A sweep finds out what else there is to do."""
        routines = {"workers": self._work(workers), "sweeps": self.sweeps.keep_sweeping(), "registry": self._poll()}
        self.work.extend(asyncio.create_task(routine, name=name) for name, routine in routines.items())

    async def _stand_by(self) -> None:
        """A pass may be cut after any of its writes. Watches and caches stay as they are."""
        await _ended(self.work)
        self.sweeps.begin_anew()
        for controller in self.controllers:
            await controller.close()
        self.telemetry.stand_by()

    def listed(self, stream: str) -> None:
        """A stream is listed. After a gap in its watch no event tells of what was deleted meanwhile: look at all."""
        if stream in self.health.watches:
            self.sweeps.ask()

    async def _work(self, workers: int) -> None:
        async with asyncio.TaskGroup() as group:
            for controller in self.controllers:
                group.create_task(controller.queue.work(workers), name=controller.name)

    async def _poll(self) -> None:
        async with asyncio.TaskGroup() as group:
            for watch in self.registry_watches:
                group.create_task(watch.run())
            await asyncio.Event().wait()


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel them. What does not end soon writes nothing any more: it has lost the leadership."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=STOP_SECONDS)
    tasks.clear()


def _registry_watches(registries: ByNamespace[Registry], wakes: Callable[[], Wakes]) -> ByNamespace[RegistryWatch]:
    """One for each identity, about the models that its namespaces follow; `wakes` comes later than these."""

    def watch(registry: Registry, serves: Callable[[str], bool]) -> RegistryWatch:
        return RegistryWatch(
            registry,
            followed=lambda: wakes().followed.targets(serves),
            moved=lambda models: wakes().registry_changed(models),
        )

    return ByNamespace(
        watch(registries.shared, lambda namespace: namespace not in registries.own),
        {namespace: watch(one, namespace.__eq__) for namespace, one in registries.own.items()},
    )


def assemble(
    environment: Environment,
    settings: OperatorSettings,
    telemetry: Telemetry,
    *,
    namespaces: tuple[str, ...] = (),
    selector: Selector = EVERYTHING,
    resync: timedelta = timedelta(minutes=20),
    expected_watches: frozenset[str] = frozenset(),
) -> Loop:
    """The loop on these ports; needs a running event loop. Nothing works before `start`."""
    environment = fenced(environment)
    environment = replace(environment, cluster=within_budget(environment.cluster))
    registries = ByNamespace(environment.registry, environment.own_registries).map(breaking)
    watches = _registry_watches(registries, lambda: wakes)

    def registry_written(models: frozenset[str]) -> None:
        for one in watches:
            for model in models:
                one.table.wrote(model)

    common = Common(
        environment=environment,
        selector=selector,
        settings=settings,
        telemetry=telemetry,
        registries=registries,
        registry_tables=watches.map(lambda one: one.table),
        left_to_sweep=lambda key, changed: sweeps.is_left(key, changed=changed),
        registry_written=registry_written,
        forget=lambda key: wakes.forget(key),
        policies_of=lambda key: wakes.policies_of(key),
    )
    made = controllers(common)
    wakes, heartbeat = Wakes(made, selective=selector != EVERYTHING), Heartbeat()
    registry_watches = tuple(watches) if environment.registry is not None else ()
    sweeps = Sweeps(
        environment.cluster,
        made,
        wakes,
        telemetry,
        registry_watches,
        namespaces or (None,),
        selector,
        resync=lambda: resync.total_seconds() * (1 + environment.random()) / 2,
        gateway_api=settings.gateway_api,
    )
    leads = environment.leadership.may_write
    telemetry.watch_lag(lambda: heartbeat.lag)
    telemetry.watch_leader(leads)
    tasks: list[asyncio.Task[None]] = []
    work: list[asyncio.Task[None]] = []
    return Loop(
        controllers=made,
        registry_watches=registry_watches,
        wakes=wakes,
        health=Health(heartbeat, [one.queue for one in made], lambda: [*tasks, *work], leads, expected_watches),
        telemetry=telemetry,
        heartbeat=heartbeat,
        sweeps=sweeps,
        leadership=environment.leadership,
        tasks=tasks,
        work=work,
    )
