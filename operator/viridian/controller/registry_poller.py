"""All registered models of one registry, read page by page, so that no model has to be asked about by itself.

Aliases leave no trace in MLflow that a filter could find, so each sweep reads all models. The table keeps the ones that
some ModelDeployment follows, and the objects that follow a changed one are woken. Where nobody may list the models,
each followed one is asked about instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from viridian.controller.registry_reader import unresolved
from viridian.controller.registry_table import Question, RegistryTable
from viridian.ports.registry import Registry, RegistryError, RegistryUnavailable

log = logging.getLogger("viridian.registry")

EVERY: Final = 5.0
"""Seconds from the start of one sweep to the start of the next one."""
LONGEST_PAUSE: Final = 15.0
"""Seconds between two attempts at a registry that does not answer."""
REPORTED_AFTER: Final = 10.0
"""Seconds of silence after which passes report it: before that, what is known still counts."""

_NOBODY: Final[frozenset[str]] = frozenset()


class RegistryPoller:
    """One for each identity in MLflow."""

    def __init__(
        self,
        registry: Registry,
        table: RegistryTable,
        *,
        followed: Callable[[], Collection[str]],
        moved: Callable[[frozenset[str]], None],
    ) -> None:
        """`followed()`: the models of the specs; `moved(models)`: these are not as passes have seen them."""
        self._registry = registry
        self._table = table
        self._followed = followed
        self._moved = moved
        self._silent_since: float | None = None
        self._refused = False

    async def poll(self) -> None:
        """Sweep until cancelled, and never for more than a third of the time."""
        failures = 0
        while True:
            began = _now()
            failures = 0 if await self.sweep() else min(failures + 1, 3)
            took = _now() - began
            pause = max(EVERY - took, 2 * took)
            await asyncio.sleep(min(LONGEST_PAUSE, pause * 2.0**failures) if failures else pause)

    async def sweep(self) -> bool:
        """Read all pages, and report every model that has changed; whether they could be read."""
        followed = frozenset(self._followed())
        self._table.keep(followed)
        moved, error = _NOBODY, None
        try:
            moved = await self._pages(followed) if followed else _NOBODY
        except RegistryError as caught:
            error = caught
        if isinstance(error, RegistryUnavailable):
            moved = self._silent(error, followed)
        else:
            self._note_refusal(error, followed)
            if self._silent_since is not None:
                self._table.forget_details()
            self._silent_since = None
            moved |= self._table.answering(followed)
        self._table.filled.set()
        if moved:
            self._moved(moved)
        return error is None

    async def _pages(self, followed: frozenset[str]) -> frozenset[str]:
        moved, missing, page_token = set(), set(followed), ""
        while True:
            stamp = self._table.stamp()
            page = await self._registry.models(page_token)
            for model in page.models:
                if model.name in followed:
                    missing.discard(model.name)
                    if self._table.learn_model(model.name, model, stamp):
                        moved.add(model.name)
            page_token = page.next_token
            if not page_token:
                break
        # Where models come and go between two pages, one may stand on neither: it is asked about by itself.
        for name in missing:
            if not self._table.is_missing(name):
                self._table.note(Question(name))
        return frozenset(moved)

    def _silent(self, error: RegistryUnavailable, followed: frozenset[str]) -> frozenset[str]:
        """Note a silence; who is to report it, once it has lasted."""
        if self._silent_since is None:
            log.warning("the registered models cannot be listed: %s", error)
            self._silent_since = _now()
        if self._table.outage is not None or _now() - self._silent_since < REPORTED_AFTER:
            return _NOBODY
        self._table.outage = replace(unresolved(error), watched=True)
        return followed

    def _note_refusal(self, error: RegistryError | None, followed: frozenset[str]) -> None:
        if error is not None:
            if not self._refused:
                log.warning("the registered models cannot be listed, so each is asked about by itself: %s", error)
            for model in followed:
                self._table.note(Question(model))
        self._refused = error is not None


def _now() -> float:
    return asyncio.get_running_loop().time()
