"""The keyed work queue: every key is worked on by one worker at most, and a burst of wake-ups is one pass.

A key that is woken while a worker has it gets one more pass afterwards, because the pass may have read the world
before the change. Each key has one timer at most, and the earlier deadline wins: a pass that ends with "look again in
five minutes" can never add a second chain of timers. Keys wait in lanes, by how urgent their last pass found them
(`viridian.controller.lanes`). Each reconciler has a queue with workers of its own, so none waits behind another one's
slow passes. Time is the event loop's, so tests bring a loop of their own.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakSet

from viridian.controller.api_budget import CALLING_FOR
from viridian.controller.backoff import Backoff
from viridian.controller.keys import Key
from viridian.controller.lanes import Lanes, lanes_of_workers
from viridian.core.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Settled:
    """The pass went through. Look again after so many seconds, or only when woken."""

    after: float | None = None
    urgency: Urgency | None = None
    """As the pass found it; None where it did not find out."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The pass failed: back off.

    `at_once` asks for an immediate second look where this was the first failure in a row (somebody else wrote in
    between); `at_least` is what the server asked for, `at_most` what is worth waiting for.
    """

    at_least: float = 0.0
    at_most: float = math.inf
    at_once: bool = False
    urgency: Urgency | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The object does not exist: nothing is kept about its key."""


Ending = Settled | Retry | Gone


class QueueObserver(Protocol):
    """Observes the queue, for the metrics."""

    def added(self) -> None: ...

    def waited(self, seconds: float, urgency: Urgency) -> None: ...

    def worked(self, seconds: float) -> None: ...

    def retried(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class SweepLook:
    """A look at keys without passes; it lasts for as long as it is held."""

    left_alone: set[Key]
    """Those that were waiting or had a pass when it began, and those that were woken since."""


class WorkQueue:
    """Keys in, passes out. `handle` does one pass and says how it ended; it must not raise."""

    def __init__(
        self, handle: Callable[[Key], Awaitable[Ending]], *, backoff: Backoff, observer: QueueObserver
    ) -> None:
        self._handle = handle
        self._backoff = backoff
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._waiting = Lanes()
        self._found: dict[Key, Urgency] = {}
        """What the latest pass found."""
        self._suggested: dict[Key, Urgency] = {}
        """What an event suggests of a key over which no pass has ended."""
        self._moved_at = self._loop.time()
        """When a pass last ended, or the first key began to wait."""
        self._dirty: dict[Key, float] = {}
        """Key to when it was woken; it waits for a worker exactly if it is not active."""
        self._active: dict[Key, float] = {}
        """Key to when its pass began."""
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._looks: WeakSet[SweepLook] = WeakSet()
        """Those under way: a look ends when nobody holds it any more."""

    def add(self, key: Key, urgency: Urgency = Urgency.IDLE) -> None:
        """The key is looked at as soon as a worker is free. `urgency` counts until a pass has found out itself."""
        self._suggest(key, urgency)
        for look in self._looks:
            look.left_alone.add(key)
        if key in self._dirty:
            return
        self._observer.added()
        self._dirty[key] = self._loop.time()
        if key not in self._active:
            self._line_up(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """The key is looked at in so many seconds, unless an earlier timer stands already."""
        when = self._loop.time() + max(0.0, seconds)
        standing = self._timers.get(key)
        if standing is not None:
            if standing.when() <= when:
                return
            standing.cancel()
        self._timers[key] = self._loop.call_at(when, self._ring, key)

    def begin_look(self) -> SweepLook:
        """Keys are about to be looked at without passes, by what is read from now on."""
        look = SweepLook({*self._dirty, *self._active})
        self._looks.add(look)
        return look

    def rests(self, key: Key, look: SweepLook) -> bool:
        """Whether a look may say how things are with this key: no pass will, and none has since the look began."""
        return key not in look.left_alone and key not in self._failures

    def settle(self, key: Key, look: SweepLook, ending: Settled) -> bool:
        """A look at a key ends as a pass would have ended; False where the key does not rest."""
        rests = self.rests(key, look)
        if rests:
            self._finish(key, ending)
        return rests

    def rings_within(self, key: Key, seconds: float) -> bool:
        """Whether a pass is made in so many seconds anyway."""
        timer = self._timers.get(key)
        return timer is not None and timer.when() <= self._loop.time() + seconds

    def known(self) -> frozenset[Key]:
        """Every key that is waiting, being worked on, has a timer, or had a pass that found it there."""
        return frozenset({*self._dirty, *self._active, *self._timers, *self._found})

    async def work(self, workers: int) -> None:
        """Run so many workers, and those that are reserved for urgent keys, until cancelled."""
        self._moved_at = self._loop.time()
        async with asyncio.TaskGroup() as group:
            for number, lanes in enumerate(lanes_of_workers(workers)):
                group.create_task(self._worker(lanes), name=f"worker {number}")

    async def drain(self, keys: Iterable[Key] = ()) -> None:
        """Add the keys and make passes, one at a time, until no key is waiting; timers are left alone."""
        for key in keys:
            self.add(key)
        while (first := self._waiting.take(tuple(Urgency))) is not None:
            await self._pass(first)

    @property
    def depth(self) -> int:
        """Keys that wait for a worker."""
        return len(self._waiting)

    def depth_of(self, urgency: Urgency) -> int:
        """Those of them in one lane."""
        return self._waiting.depth(urgency)

    @property
    def unfinished_seconds(self) -> float:
        """Seconds that all passes under way have taken so far, together."""
        now = self._loop.time()
        return sum(now - started for started in self._active.values())

    @property
    def longest_running_seconds(self) -> float:
        """Seconds that the oldest pass under way has taken so far."""
        return self._loop.time() - min(self._active.values()) if self._active else 0.0

    @property
    def standstill_seconds(self) -> float:
        """For how long keys have been waiting without any pass ending; 0 while none waits."""
        return self._loop.time() - self._moved_at if self.depth else 0.0

    def _ring(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _line_up(self, key: Key) -> None:
        if not self._waiting:
            self._moved_at = self._loop.time()
        self._waiting.put(key, self.urgency(key))

    def urgency(self, key: Key) -> Urgency:
        """As its latest pass found, or else as an event suggests."""
        return self._found.get(key, self._suggested.get(key, Urgency.IDLE))

    def _suggest(self, key: Key, urgency: Urgency) -> None:
        if key not in self._found and urgency < self.urgency(key):
            self._suggested[key] = urgency
            if key in self._waiting:
                self._waiting.put(key, urgency)

    async def _worker(self, lanes: Sequence[Urgency]) -> None:
        while True:
            await self._pass(await self._waiting.get(lanes))

    async def _pass(self, key: Key) -> None:
        started = self._loop.time()
        self._observer.waited(started - self._dirty.pop(key), self.urgency(key))
        CALLING_FOR.set(self.urgency(key))
        self._silence(key)  # this pass looks now, and its end says when to look again
        self._active[key] = started
        try:
            ending = await self._handle(key)
        except asyncio.CancelledError:
            # The pass was cut: it is made again once there are workers again.
            self._dirty[key] = started
            self._line_up(key)
            raise
        finally:
            del self._active[key]
            self._moved_at = self._loop.time()
            self._observer.worked(self._loop.time() - started)
        self._finish(key, ending)

    def _finish(self, key: Key, ending: Ending) -> None:
        self._note_urgency(key, ending)
        if key in self._dirty:
            self._line_up(key)
        match ending:
            case Gone():
                self._failures.pop(key, None)
                self._silence(key)
            case Settled(after):
                self._failures.pop(key, None)
                if after is not None:
                    self.add_after(key, after)
            case Retry():
                self._retry(key, ending)

    def _note_urgency(self, key: Key, ending: Ending) -> None:
        if isinstance(ending, Gone):
            self._found.pop(key, None)
            self._suggested.pop(key, None)
        elif ending.urgency is not None:
            self._found[key] = ending.urgency
            self._suggested.pop(key, None)

    def _retry(self, key: Key, ending: Retry) -> None:
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        self._observer.retried()
        if ending.at_once and failures == 1:
            self.add(key)
        else:
            self.add_after(key, max(ending.at_least, min(ending.at_most, self._backoff.delay(failures))))

    def _silence(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
