"""All registered models of one registry, read page by page, so that no model has to be asked about by itself.

It keeps the view fresh for the models that some pass has asked about, and says which of them have changed. A registry
that does not answer, or lets nobody list its models, leaves the view to grow old: then passes ask for themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from viridian.controller.registry_view import RegistryView
from viridian.ports.registry import Registry, RegistryError

log = logging.getLogger("viridian.registry")

EVERY: Final = 5.0
"""Seconds from the start of one sweep to the start of the next one."""
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts at a registry that does not answer."""
_NOBODY: Final[frozenset[str]] = frozenset()


class RegistryPoller:
    """One for each identity in MLflow."""

    def __init__(self, registry: Registry, view: RegistryView, *, moved: Callable[[frozenset[str]], None]) -> None:
        """`moved(models)`: these may not be as passes have read them before."""
        self._registry = registry
        self._view = view
        self._moved = moved
        self._failures = 0

    async def poll(self) -> None:
        """Sweep until cancelled, and never for more than half of the time."""
        while True:
            began = _now()
            await self.sweep()
            took = _now() - began
            pause = max(EVERY - took, took)
            await asyncio.sleep(min(LONGEST_PAUSE, pause * 2.0**self._failures) if self._failures else pause)

    async def sweep(self) -> None:
        """Read all pages, and tell of every model that has changed."""
        wanted = self._view.wanted_models()
        if not wanted:
            return
        began = _now()
        try:
            moved = await self._pages(wanted, began)
        except RegistryError as error:
            if not self._failures:
                log.warning("the registered models cannot be listed: %s", error)
            self._failures = min(self._failures + 1, 3)
            moved = wanted  # what passes say of the registry may have become wrong
        else:
            moved |= wanted if self._failures else _NOBODY
            self._failures = 0
        if moved:
            self._moved(moved)

    async def _pages(self, wanted: frozenset[str], began: float) -> frozenset[str]:
        moved, missing, page_token = set(), set(wanted), ""
        while True:
            page = await self._registry.models(page_token)
            for model in page.models:
                if model.name in wanted:
                    missing.discard(model.name)
                    if self._view.refresh(model.name, model, began):
                        moved.add(model.name)
            page_token = page.next_token
            if not page_token:
                break
        # Where models come and go between two pages, one may stand on neither: a pass asks about it by itself.
        moved |= {name for name in missing if self._view.refresh(name, None, began)}
        return frozenset(moved)


def _now() -> float:
    return asyncio.get_running_loop().time()
