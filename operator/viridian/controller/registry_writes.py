"""Writing to the registry without waiting long for it: a revert never queues behind a server that it does not need."""

from __future__ import annotations

import asyncio
import logging

from viridian.api.registry import RunStatus
from viridian.plan.plan import CreateRun, FinishRun, RegisterVersion, RegistryAction, SetAlias, TagVersion
from viridian.ports.registry import Registry, RegistryError, RegistryUnavailable

log = logging.getLogger("viridian.registry")

PATIENCE = 1.0
"""Seconds that a pass waits for one write; then the write goes on alone, and may be repeated meanwhile."""


class RegistryWriter:
    """Performs registry actions, each within a moment or in nobody's presence."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lingering: set[asyncio.Task[None]] = set()

    async def write(self, action: RegistryAction) -> RegistryError | None:
        """What kept the registry from doing it, or from saying so in time."""
        task = asyncio.create_task(self._write(action))
        finished, _ = await asyncio.wait({task}, timeout=PATIENCE)
        if not finished:
            self._lingering.add(task)
            task.add_done_callback(self._let_go)
            return RegistryUnavailable(f"no answer within {PATIENCE:g} s")
        try:
            task.result()
        except RegistryError as error:
            return error
        return None

    async def close(self) -> None:
        """End the writes that linger."""
        for task in self._lingering:
            task.cancel()
        if self._lingering:
            await asyncio.wait(self._lingering)

    @property
    def lingering(self) -> int:
        """Writes that nobody waits for any more."""
        return len(self._lingering)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._lingering.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("a write that nobody waited for failed: %s", error)

    async def _write(self, action: RegistryAction) -> None:
        match action:
            case SetAlias(model, alias, version):
                await self._registry.set_alias(model, alias, version)
            case TagVersion(model, version, tags):
                await self._registry.tag_version(model, version, tags)
            case CreateRun(experiment, run, tags):
                await self._registry.create_run(experiment, run, tags)
            case FinishRun(mlflow_run, status):
                await self._registry.finish_run(mlflow_run, RunStatus(status))
            case RegisterVersion(model, mlflow_run, source, tags):
                await self._registry.register(model, mlflow_run, source, tags)
