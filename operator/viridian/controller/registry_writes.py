"""Writing to the registry without waiting long for it: a revert never queues behind a server that it does not need.

A write that takes longer than a pass waits goes on alone, and what comes of it is told to the pass that wants the same
again: MLflow would make two versions of one run, and a plan of several slow writes would begin anew for ever. Writes
about one model are made one after the other, since two at a time might arrive in the wrong order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.api.registry import RunStatus
from viridian.controller.registries import ByNamespace
from viridian.core.model_owners import namespace_of
from viridian.core.plan import ClaimModel, CreateRun, FinishRun, RegisterVersion, RegistryAction, SetAlias, TagVersion
from viridian.ports.registry import Registry, RegistryError, RegistryNotYours, RegistryUnavailable

log = logging.getLogger("viridian.registry")

PATIENCE: Mapping[str, float] = {MODEL_DEPLOYMENT: 1.0, RETRAIN_POLICY: 60.0}
"""Seconds that a pass waits for one write, by kind: users wait for a revert, while a run goes on only when it knows."""

KEPT = 300.0
"""Seconds for which it is remembered what came of a write that nobody waited for: longer than a plan takes."""

Subject = tuple[str, ...]
"""What a write is about: writes about the same are made one after the other."""
Place = tuple[str, ...]
"""What a write sets: of two writes to the same place the later one counts."""


class Pending(RegistryUnavailable):
    """The write is not done yet, and nothing is known to be wrong with it."""


@dataclass(slots=True)
class _Write:
    action: RegistryAction
    registry: Registry
    """By which identity it is made."""
    task: asyncio.Task[None]
    lingers: bool = False
    """A pass has stopped waiting for it."""
    ended_at: float = 0.0

    def is_same(self, action: RegistryAction, registry: Registry) -> bool:
        return self.action == action and self.registry is registry


class RegistryWriter:
    """Performs registry actions, each within a moment or in nobody's presence."""

    def __init__(
        self,
        registry: Registry,
        *,
        own: Mapping[str, Registry] | None = None,
        ended_late: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`own`: by namespace, those that go by another identity.

        `ended_late(model)`: a write about that model has ended that a pass had stopped waiting for.
        """
        self._registries = ByNamespace(registry, own or {})
        self._ended_late = ended_late
        self._under_way: dict[Subject, _Write] = {}
        self._late: dict[Place, _Write] = {}
        """The latest write to each place, where it ended in nobody's presence."""

    async def write(self, action: RegistryAction, *, patience: float, namespace: str = "") -> RegistryError | None:
        """On behalf of a namespace. What kept the registry from doing it.

        Pending where it has not said so within `patience` seconds.
        """
        try:
            async with asyncio.timeout(patience):
                return await self._in_turn(_subject(action), action, self._registries.of(namespace))
        except TimeoutError:
            return Pending(f"no answer within {patience:g} s")

    async def close(self) -> None:
        """End the writes that are under way."""
        tasks = [write.task for write in self._under_way.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def lingering(self) -> int:
        """Writes under way that a pass has stopped waiting for."""
        return sum(1 for write in self._under_way.values() if write.lingers)

    async def _in_turn(self, subject: Subject, action: RegistryAction, registry: Registry) -> RegistryError | None:
        while (other := self._under_way.get(subject)) is not None and not other.is_same(action, registry):
            await _end_of(other)
        if (ended := self._recall(action, registry)) is not None:
            return _failure(ended.task)
        write = self._under_way.get(subject) or self._begin(subject, action, registry)
        await _end_of(write)
        return _failure(write.task)

    def _recall(self, action: RegistryAction, registry: Registry) -> _Write | None:
        """The same write, where it ended lately and nothing else was written there since; a failure is told once."""
        now = _now()
        self._late = {place: write for place, write in self._late.items() if now - write.ended_at < KEPT}
        found = self._late.get(_place(action))
        if found is None or not found.is_same(action, registry):
            return None
        if found.task.exception() is not None:
            del self._late[_place(action)]
        return found

    def _begin(self, subject: Subject, action: RegistryAction, registry: Registry) -> _Write:
        self._late.pop(_place(action), None)
        write = self._under_way[subject] = _Write(action, registry, asyncio.create_task(_perform(registry, action)))
        write.task.add_done_callback(lambda _: self._ended(subject, write))
        return write

    def _ended(self, subject: Subject, write: _Write) -> None:
        del self._under_way[subject]
        if write.task.cancelled() or not write.lingers:
            return
        write.ended_at = _now()
        self._late[_place(write.action)] = write
        if (failure := write.task.exception()) is not None:
            log.debug("a write that nobody waited for failed: %s", failure)
        if model := model_of(write.action):
            self._ended_late(model)


def model_of(action: RegistryAction) -> str:
    """The registered model that the action changes; empty where it changes none."""
    return action.model if isinstance(action, ClaimModel | SetAlias | TagVersion | RegisterVersion) else ""


def _subject(action: RegistryAction) -> Subject:
    model = model_of(action)
    return (model,) if model else _place(action)


def _place(action: RegistryAction) -> Place:
    match action:
        case ClaimModel(model):
            return "claim", model
        case SetAlias(model, alias):
            return "alias", model, alias
        case TagVersion(model, version):
            return "tags", model, version
        case RegisterVersion(model, mlflow_run):
            return "version", model, mlflow_run
        case CreateRun(experiment, run):
            return "run", experiment, run
        case FinishRun(mlflow_run):
            return "end", mlflow_run


async def _perform(registry: Registry, action: RegistryAction) -> None:
    match action:
        case ClaimModel(model, owner):
            await _claim(registry, model, owner)
        case SetAlias(model, alias, version):
            await registry.set_alias(model, alias, version)
        case TagVersion(model, version, tags):
            await registry.tag_version(model, version, tags)
        case CreateRun(experiment, run, tags):
            await registry.create_run(experiment, run, tags)
        case FinishRun(mlflow_run, status):
            await registry.finish_run(mlflow_run, RunStatus(status))
        case RegisterVersion(model, mlflow_run, source, tags, owner):
            await registry.register(model, mlflow_run, source, tags, owner=owner)


async def _claim(registry: Registry, model: str, owner: str) -> None:
    claimed = await registry.claim(model, owner)
    if namespace_of(claimed) != namespace_of(owner):
        raise RegistryNotYours(f"the ModelDeployment {claimed} has claimed it at the same moment")


async def _end_of(write: _Write) -> None:
    """Wait until it has ended; it goes on where the waiting pass is cut, or out of patience."""
    try:
        await asyncio.wait([write.task])
    except asyncio.CancelledError:
        write.lingers = True
        raise


def _failure(task: asyncio.Task[None]) -> RegistryError | None:
    try:
        task.result()
    except RegistryError as error:
        return error
    return None


def _now() -> float:
    return asyncio.get_running_loop().time()
