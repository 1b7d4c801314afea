"""The latest responses of the registry, so that no pass over a ModelDeployment waits long for a slow one.

Only the first question about a model is waited for, and the first after a write, and neither for long. Later ones are
asked again once the answer has an age, and waited for only briefly: after that the pass goes on with the answer from
before, and the new one is there for the next pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from viridian.api.registry import ModelVersion, RegisteredModel
from viridian.ports.registry import Registry, RegistryUnavailable

FIRST_PATIENCE = 2.0
"""Seconds that a pass waits for an answer that it has never had, or that a write has changed."""

Answer = TypeVar("Answer")
Question = tuple[str, ...]


@dataclass(slots=True)
class _Known:
    """The latest answer to a question, or the failure to get one, and the attempt under way."""

    answer: object = None
    failure: Exception | None = None
    at: float | None = None
    """When it was answered; None before the first answer."""
    outdated: bool = False
    """Something was written since."""
    asking: asyncio.Task[None] | None = None


class RegistryView:
    """Models and versions as of at most `max_age` seconds ago, or a little longer while the registry is slow."""

    def __init__(self, registry: Registry, *, max_age: float, patience: float = 0.25, most: int = 65_536) -> None:
        self._registry = registry
        self._max_age = max_age
        self._patience = patience
        self._most = most
        self._known: dict[Question, _Known] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def model(self, name: str) -> RegisteredModel | None:
        """The model and its aliases; raises the RegistryError that the latest attempt ended with."""
        return await self._answer((name,), lambda: self._registry.model(name))

    async def version(self, name: str, version: str) -> ModelVersion | None:
        """One version; raises like `model`."""
        return await self._answer((name, version), lambda: self._registry.version(name, version))

    async def version_of_run(self, name: str, run_id: str) -> str | None:
        """The first version that was registered from that run; raises like `model`."""
        return await self._answer((name, "run", run_id), lambda: self._registry.version_of_run(name, run_id))

    def invalidate(self, name: str) -> None:
        """Something about that model was changed: ask again, and wait for the answer, but not in every pass.

        An attempt under way may have been answered before the change; it still serves those who wait for it already.
        """
        for question, known in self._known.items():
            if question[0] == name:
                self._known[question] = replace(known, asking=None, outdated=True)

    def wanted_models(self) -> frozenset[str]:
        """The models that passes have asked about."""
        return frozenset(question[0] for question in self._known if len(question) == 1)

    def refresh(self, name: str, model: RegisteredModel | None, at: float) -> bool:
        """Take note of a model as it was read at that time; whether passes that asked about it must look again.

        What has been written or is being asked since is newer. That a model is gone is not believed: it is asked.
        """
        known = self._known.get((name,))
        if known is None or known.at is None or known.at > at or known.outdated or known.asking is not None:
            return False
        if known.failure is None and known.answer == model:
            known.at = at
            return False
        if model is None:
            self.invalidate(name)
        else:
            known.answer, known.failure, known.at = model, None, at
        return True

    async def close(self) -> None:
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)

    async def _answer(self, question: Question, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        known = self._known.setdefault(question, _Known())
        now = asyncio.get_running_loop().time()
        if known.at is None or known.outdated or now - known.at >= self._max_age:
            await self._ask_again(known, ask)
        self._bound()
        if known.failure is not None:
            raise known.failure
        return cast(Answer, known.answer)

    async def _ask_again(self, known: _Known, ask: Callable[[], Awaitable[Answer]]) -> None:
        patience = FIRST_PATIENCE if known.at is None else self._patience
        if known.asking is None:
            patience = FIRST_PATIENCE if known.outdated else patience
            known.asking = asyncio.create_task(self._ask(known, ask))
            self._asking.add(known.asking)
            known.asking.add_done_callback(self._asking.discard)
        await asyncio.wait([known.asking], timeout=patience)
        if known.at is None:
            raise RegistryUnavailable(f"the registry has not answered within {FIRST_PATIENCE:g} s")

    async def _ask(self, known: _Known, ask: Callable[[], Awaitable[Answer]]) -> None:
        try:
            known.answer, known.failure = await ask(), None
        except Exception as error:  # whatever it is, those who asked get it
            known.failure = error
        finally:
            known.asking, known.outdated = None, False
        known.at = asyncio.get_running_loop().time()

    def _bound(self) -> None:
        """Forget the questions that were asked first, once there are too many."""
        while len(self._known) > self._most:
            oldest = next(iter(self._known))
            if self._known[oldest].asking is not None:
                break
            del self._known[oldest]
