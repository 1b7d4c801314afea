"""Liveness and readiness.

Liveness fails only for faults that a restart cures: an event loop that does not come round, workers that stand still, a
task that died. An API server or MLflow that cannot be reached must not fail it: restarting would only lose time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from viridian.controller.queue import WorkQueue

MOST_LAG = 10.0
"""Seconds that the event loop may be late."""
LONGEST_STANDSTILL = 600.0
"""Seconds that keys may wait without any pass coming to an end, and that one pass may take."""
_BEAT = 1.0


class Unhealthy(Exception):
    """A restart would help; the message says against what."""


class Heartbeat:
    """Measures how late the event loop runs what is due."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + _BEAT
        self._latest = 0.0

    @property
    def lag(self) -> float:
        """Seconds that the latest beat was late, or that the next one already is."""
        return max(self._latest, self._loop.time() - self._due)

    async def beat(self) -> None:
        """Beat until cancelled."""
        while True:
            await asyncio.sleep(self._due - self._loop.time())
            now = self._loop.time()
            self._latest, self._due = now - self._due, now + _BEAT


@dataclass(slots=True)
class Health:
    """The checks that the probes ask; each alone turns its probe red."""

    heartbeat: Heartbeat
    queues: Sequence[WorkQueue]
    """Of each reconciler one."""
    tasks: Callable[[], Collection[asyncio.Task[None]]]
    """Everything that must run for as long as the process does."""
    works: Callable[[], bool]
    """False while this operator stands by: then keys wait, and nothing is wrong."""
    expected_watches: frozenset[str]
    watches: set[str] = field(default_factory=set)
    """Streams that have been established since the start."""

    def check_loop(self) -> str:
        lag = self.heartbeat.lag
        if lag > MOST_LAG:
            raise Unhealthy(f"the event loop is {lag:.1f} s late")
        return f"{max(0.0, lag):.3f}s late"

    def check_progress(self) -> str:
        if not self.works():
            return "stands by"
        standstill = max(queue.standstill_seconds for queue in self.queues)
        depth = sum(queue.depth for queue in self.queues)
        if standstill > LONGEST_STANDSTILL:
            raise Unhealthy(f"{depth} keys have been waiting for {standstill:.0f} s and no pass has ended")
        running = max(queue.longest_running_seconds for queue in self.queues)
        if running > LONGEST_STANDSTILL:
            raise Unhealthy(f"a pass has been under way for {running:.0f} s and does not end")
        return f"{depth} waiting"

    def check_tasks(self) -> str:
        dead = [task.get_name() for task in self.tasks() if task.done()]
        if dead:
            raise Unhealthy(f"ended unexpectedly: {', '.join(dead)}")
        return f"{len(self.tasks())} running"

    def unready(self) -> str:
        """Why it is not ready yet; empty when it is."""
        missing = sorted(self.expected_watches - self.watches)
        if missing:
            return f"not watching yet: {', '.join(missing)}"
        if not self.tasks() or any(task.done() for task in self.tasks()):
            return "the workers are not running"
        return ""
