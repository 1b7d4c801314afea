"""Two operators over one cluster in memory: the leader stands still in the middle of a pass, the other one goes on.

What the first was about to do it does when it wakes, with all that it still wants of its pass: nothing tells it that it
leads no more. In truth it would notice before its next write (`viridian.controller.fence`); here only the preconditions
of the writes stand between what it wants and what the other has decided.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final, TypeVar, cast

from tests.support.operator_world import OperatorWorld
from viridian.controller.controller import Controller
from viridian.controller.fence import CLUSTER_READS, PODS_READS, REGISTRY_READS
from viridian.controller.keys import Key
from viridian.controller.queue import Ending, Settled

Port = TypeVar("Port")
READS: Final = CLUSTER_READS | REGISTRY_READS | PODS_READS


@dataclass
class Process:
    """One operator; while it stands still, none of its calls goes on."""

    stops_at: int = 0
    """Before which of its writes from now on; 0: it does not."""
    written: int = 0
    """Its writes so far."""
    asleep: bool = False
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def reach(self, *, writes: bool) -> None:
        self.written += writes
        if writes and self.stops_at:
            self.stops_at -= 1
            if not self.stops_at:
                self.asleep = True
                self.stopped.set()
        while self.asleep:
            await self.woken.wait()


class _Line:
    """A port, and the process that uses it."""

    def __init__(self, port: object, process: Process) -> None:
        self._port, self._process = port, process

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        @wraps(method)
        async def call(*arguments: Any, **named: Any) -> Any:
            await self._process.reach(writes=name not in READS)
            return await method(*arguments, **named)

        return call


class TwoOperators(OperatorWorld):
    """An OperatorWorld in which the leader can be stopped at any of its writes."""

    def __init__(self, **how: Any) -> None:
        self._process = Process()
        self._sleeper: tuple[Process, asyncio.Task[Ending], tuple[Controller, ...]] | None = None
        self._wakes_after, self._wakes_at = 0.0, 0.0
        self.stops = 0
        super().__init__(**how)

    @property
    def written(self) -> int:
        """The writes that the leader has begun so far."""
        return self._process.written

    def stop_at_write(self, k: int, *, wakes_after: float) -> None:
        """The leader stands still before its k-th write from now on, for so many seconds. Then the other one leads."""
        self._process.stops_at, self._wakes_after = k, wakes_after

    def wake(self) -> None:
        """Whoever stands still goes on, to the end of its pass; that it is not the leader any more it learns then."""
        if self._sleeper is None:
            return
        process, task, controllers = self._sleeper
        self._sleeper = None
        process.asleep = False
        process.woken.set()
        self._loop.run(_to_the_end(task, controllers))

    def restart(self) -> None:
        self._sleeper = None
        super().restart()

    def close(self) -> None:
        self._sleeper = None
        super().close()

    def _start(self) -> None:
        self._process = Process()
        super()._start()

    def _reached(self, port: Port) -> Port:
        return cast(Port, _Line(port, self._process))

    async def _reconciled(self, controller: Controller, key: Key) -> Ending:
        process = self._process
        task = asyncio.ensure_future(controller.reconciler(key))
        stopped = asyncio.ensure_future(process.stopped.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not process.asleep:
            return await task
        self._sleeper = process, task, self._controllers
        self._wakes_at = self.clock().timestamp() + self._wakes_after
        self.stops += 1
        return Settled(0.0)

    def _pass(self, number: int, key: Key) -> None:
        super()._pass(number, key)
        if self._process.asleep:
            self._start()

    def _pass_time(self, seconds: float) -> None:
        super()._pass_time(seconds)
        if self._sleeper is not None and self.clock().timestamp() >= self._wakes_at:
            self.wake()


async def _to_the_end(task: asyncio.Task[Ending], controllers: tuple[Controller, ...]) -> None:
    await asyncio.wait({task})
    for controller in controllers:
        await controller.close()
    task.result()
