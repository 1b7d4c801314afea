"""Reads what the table lacks, beside the passes: a few questions at a time, each once, and then the followers look.

What the registry does not answer stays a failure in the table until a pass needs it again, or until the poller finds
that the registry answers. So a silent registry is not asked about each model again and again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from viridian.api import reasons
from viridian.controller.registry_table import NotAnswered, NotRead, Question, RegistryTable, Wanted
from viridian.controller.resolve import registered
from viridian.ports.registry import Registry, RegistryError, RegistryUnavailable
from viridian.rollout.input import Unresolved
from viridian.rollout.records import ServedModel

log = logging.getLogger("viridian.registry")

AT_A_TIME: Final = 8
"""Questions that are under way."""
LONGEST_SECONDS: Final = 30.0
"""For one question, of two requests that are each bounded by themselves."""
MANY: Final = 100
"""Of more models than that, the first sweep says sooner what there is to know."""


class RegistryReader:
    """One for each identity in MLflow."""

    def __init__(self, registry: Registry, table: RegistryTable, *, answered: Callable[[frozenset[str]], None]) -> None:
        """`answered(models)`: what is known of these is not what passes have seen."""
        self._registry = registry
        self._table = table
        self._answered = answered

    async def work(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_A_TIME):
                group.create_task(self._work())

    async def read_all(self) -> bool:
        """Read until nothing is left to be read; whether there was anything."""
        read = bool(self._table.to_read)
        while self._table.to_read:
            await self._read(self._next())
        return read

    async def _work(self) -> None:
        table = self._table
        while True:
            if not table.to_read:
                table.noted.clear()
                await table.noted.wait()
            elif len(table.to_read) > MANY and not table.filled.is_set():
                await table.filled.wait()
            else:
                await self._read(self._next())

    def _next(self) -> Wanted | Question:
        first = next(iter(self._table.to_read))
        del self._table.to_read[first]
        return first

    async def _read(self, what: Wanted | Question) -> None:
        if isinstance(what, Question):
            model, changed = what.model, await self._ask(what)
        else:
            model, changed = what.model.name, True
            while (missing := self._missing(what)) is not None:
                await self._ask(missing)
        if changed:
            self._answered(frozenset({model}))

    def _missing(self, wanted: Wanted) -> Question | None:
        """What is still to be asked before that version is resolved."""
        try:
            registered(self._table, wanted)
        except NotRead as unread:
            return unread.question
        except NotAnswered:
            return None
        return None

    async def _ask(self, question: Question) -> bool:
        """Whether the answer differs from what was known."""
        stamp = self._table.stamp()
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                if not question.version and not question.run:
                    return self._table.learn_model(question.model, await self._registry.model(question.model), stamp)
                return self._table.learn_detail(question, await self._detail(question), stamp)
        except RegistryError as error:
            return self._table.fail(question, unresolved(error))
        except TimeoutError:
            silent = RegistryUnavailable(f"the registry did not answer within {LONGEST_SECONDS:g} s")
            return self._table.fail(question, unresolved(silent))
        except Exception as error:  # a mistake of ours about one model must not keep others from being read
            log.exception("a mistake in the operator", extra={"model": question.model})
            return self._table.fail(question, Unresolved(reasons.REGISTRY_UNAVAILABLE, repr(error), lasting=False))

    async def _detail(self, question: Question) -> ServedModel | str | None:
        if question.run:
            return await self._registry.version_of_run(question.model, question.run)
        found = await self._registry.version(question.model, question.version)
        return None if found is None else ServedModel.registered(found)


def unresolved(error: RegistryError) -> Unresolved:
    """How a pass sees that failure."""
    return Unresolved(error.reason, error.message, lasting=not isinstance(error, RegistryUnavailable))
