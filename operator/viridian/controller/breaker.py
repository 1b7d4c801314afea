"""A registry that does not answer is left alone for a moment, so that no pass waits for it twice.

A revert must not queue behind timeouts of a server that it does not need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from viridian.api.registry import LoggedModel, ModelsPage, ModelVersion, RegisteredModel, RunStatus, TrainingRun
from viridian.ports.registry import Registry, RegistryRefused, RegistryUnavailable

Answer = TypeVar("Answer")


class BreakingRegistry:
    """The same registry; for `rest` seconds after a silence every call fails at once with that failure.

    Without a registry, everything is refused with a sentence that says what to configure.
    """

    def __init__(self, registry: Registry | None, *, rest: float = 10.0) -> None:
        self._registry = registry
        self._rest = rest
        self._silent_until = float("-inf")
        self._reason = ""

    async def model(self, name: str) -> RegisteredModel | None:
        return await self._asked(lambda registry: registry.model(name))

    async def models(self, page_token: str = "") -> ModelsPage:
        return await self._asked(lambda registry: registry.models(page_token))

    async def version(self, name: str, version: str) -> ModelVersion | None:
        return await self._asked(lambda registry: registry.version(name, version))

    async def version_of_run(self, name: str, run_id: str) -> str | None:
        return await self._asked(lambda registry: registry.version_of_run(name, run_id))

    async def claim(self, name: str, owner: str) -> str:
        return await self._asked(lambda registry: registry.claim(name, owner))

    async def register(self, name: str, run_id: str, source: str, tags: Mapping[str, str], *, owner: str = "") -> str:
        return await self._asked(lambda registry: registry.register(name, run_id, source, tags, owner=owner))

    async def logged_model(self, model_id: str) -> LoggedModel | None:
        return await self._asked(lambda registry: registry.logged_model(model_id))

    async def tag_version(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        await self._asked(lambda registry: registry.tag_version(name, version, tags))

    async def set_alias(self, name: str, alias: str, version: str) -> None:
        await self._asked(lambda registry: registry.set_alias(name, alias, version))

    async def delete_alias(self, name: str, alias: str) -> None:
        await self._asked(lambda registry: registry.delete_alias(name, alias))

    async def find_run(self, experiment: str, run_key: str) -> TrainingRun | None:
        return await self._asked(lambda registry: registry.find_run(experiment, run_key))

    async def create_run(self, experiment: str, run_key: str, tags: Mapping[str, str]) -> TrainingRun:
        return await self._asked(lambda registry: registry.create_run(experiment, run_key, tags))

    async def run(self, run_id: str) -> TrainingRun | None:
        return await self._asked(lambda registry: registry.run(run_id))

    async def tag_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        await self._asked(lambda registry: registry.tag_run(run_id, tags))

    async def finish_run(self, run_id: str, status: RunStatus) -> None:
        await self._asked(lambda registry: registry.finish_run(run_id, status))

    async def _asked(self, ask: Callable[[Registry], Awaitable[Answer]]) -> Answer:
        if self._registry is None:
            raise RegistryRefused("the operator was started without a registry: give it --mlflow-uri")
        if _now() < self._silent_until:
            raise RegistryUnavailable(self._reason)
        try:
            return await ask(self._registry)
        except RegistryUnavailable as error:
            self._reason = error.message
            self._silent_until = _now() + self._rest
            raise


def _now() -> float:
    return asyncio.get_running_loop().time()
