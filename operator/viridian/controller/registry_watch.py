"""All that is read of one registry beside the passes, by one identity: the table, and what fills it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from viridian.controller.registry_poller import RegistryPoller
from viridian.controller.registry_reader import MANY, RegistryReader
from viridian.controller.registry_table import Question, RegistryTable
from viridian.ports.registry import Registry


class RegistryWatch:
    """A table that is filled while `run` goes on."""

    def __init__(
        self,
        registry: Registry,
        *,
        followed: Callable[[], Collection[str]],
        moved: Callable[[frozenset[str]], None],
    ) -> None:
        """`followed()`: the models of the specs; `moved(models)`: these are not as passes have seen them."""
        self._followed = followed
        self.table = RegistryTable(asyncio.get_running_loop().time)
        self.poller = RegistryPoller(registry, self.table, followed=followed, moved=moved)
        self.reader = RegistryReader(registry, self.table, answered=moved)

    def ask_now(self) -> None:
        """Ask about each model that is followed and not known, unless they are many: those the poller reads soon."""
        unknown = [model for model in self._followed() if not self.table.has_asked(model)]
        for model in unknown if len(unknown) <= MANY else ():
            self.table.note(Question(model))

    def has_asked(self) -> bool:
        """Whether the registry has answered about every model that is followed, or has failed to."""
        return all(map(self.table.has_asked, self._followed()))

    async def run(self) -> None:
        """Read until cancelled. Then nothing is known: by the next time it would be long out of date."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.poller.poll())
                group.create_task(self.reader.work())
        finally:
            self.table.clear()
