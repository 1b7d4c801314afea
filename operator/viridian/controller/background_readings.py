"""Asks peers outside of the cluster for what passes want to know, beside the passes: a few questions at a time.

A pass gets what is known and goes on. What is missing or old is asked then, each question once, and the object is woken
when the answer means something else than the one before. Nothing here is remembered for good: an operator that starts
again asks again.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar

from viridian.controller.keys import Key
from viridian.ports.collector import FeedbackError, FeedbackUnavailable
from viridian.ports.prometheus import PrometheusError, PrometheusUnavailable

log = logging.getLogger("viridian.readings")

AT_A_TIME: Final = 4
"""Questions to one peer that are under way."""
LONGEST_SECONDS: Final = 15.0
"""For one question; the ports bound their calls themselves."""


class Timed(Protocol):
    """A reading, which is as old as it says."""

    @property
    def at(self) -> datetime: ...


Q = TypeVar("Q")
R = TypeVar("R", bound=Timed)


@dataclass(slots=True)
class _Known(Generic[Q, R]):
    questions: dict[Q, R]
    under_way: set[Q]


class BackgroundReadings(ABC, Generic[Q, R]):
    """One for all objects of a kind. `wake(key)` is called when what is known of one has changed."""

    def __init__(
        self,
        kinds: Iterable[type[Q]],
        clock: Callable[[], datetime],
        wake: Callable[[Key], None],
        *,
        asked_again: Callable[[Q], timedelta],
        not_answered: Callable[[datetime, str, bool], R],
    ) -> None:
        """`asked_again`: after how long. `not_answered`: the reading where there was no answer, from when, why, and
        whether that lasts until a person changes something.
        """
        self._asked_again, self._not_answered = asked_again, not_answered
        self._clock = clock
        self._wake = wake
        self._known: dict[Key, _Known[Q, R]] = {}
        # One for each kind of question: a peer that does not answer keeps no question to another one waiting.
        self._rooms = {kind: asyncio.Semaphore(AT_A_TIME) for kind in kinds}
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def answer(self, key: Key, question: Q, now: datetime) -> R:
        """Ask the peer; may raise the errors of its port."""

    @abstractmethod
    def meaning(self, reading: R) -> object:
        """What a pass may decide by: without the time, of which each reading has another one."""

    def known(self, key: Key, questions: Sequence[Q], *, ask: bool = True) -> Mapping[Q, R]:
        """What is known of these questions; with `ask`, what is old or missing is asked for now."""
        known = self._known.get(key)
        if known is None:
            known = _Known({}, set())
            if questions and ask:
                self._known[key] = known
        if ask:
            known.questions = {one: known.questions[one] for one in questions if one in known.questions}
            for question in questions:
                if question not in known.under_way and self._is_due(known.questions.get(question), question):
                    self._begin(key, known, question)
        return {one: known.questions[one] for one in questions if one in known.questions}

    def forget(self, key: Key) -> None:
        """Nothing is asked about the object any more."""
        self._known.pop(key, None)

    def _is_due(self, reading: R | None, question: Q) -> bool:
        return reading is None or self._clock() - reading.at >= self._asked_again(question)

    def _begin(self, key: Key, known: _Known[Q, R], question: Q) -> None:
        known.under_way.add(question)
        task = asyncio.get_running_loop().create_task(self._answer(key, known, question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, key: Key, known: _Known[Q, R], question: Q) -> None:
        try:
            async with self._rooms[type(question)]:
                reading = await self._ask(key, question)
        finally:
            known.under_way.discard(question)
        before, known.questions[question] = known.questions.get(question), reading
        if before is None or self.meaning(before) != self.meaning(reading):
            self._wake(key)

    async def _ask(self, key: Key, question: Q) -> R:
        now = self._clock().astimezone(UTC)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await self.answer(key, question, now)
        except (PrometheusError, FeedbackError) as error:
            passing = isinstance(error, PrometheusUnavailable | FeedbackUnavailable)
            return self._not_answered(now, str(error), not passing)
        except TimeoutError:
            message = f"there was no answer within {LONGEST_SECONDS:g} s"
            return self._not_answered(now, message, False)
        except Exception as error:  # a mistake of ours about one question must not end the others
            log.exception("a mistake in the operator", extra={"key": str(key)})
            message = f"the answer could not be read: {type(error).__name__}"
            return self._not_answered(now, message, False)
