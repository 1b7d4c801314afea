"""An event loop on a test's own clock: no timer fires until the test has moved the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.support.cluster.clock import ManualClock

Result = TypeVar("Result")


class ClockLoop(asyncio.SelectorEventLoop):
    """`time()` is the clock's."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock_of_test = clock
        super().__init__()

    def time(self) -> float:
        return self._clock_of_test().timestamp()

    def finish(self) -> None:
        """End what is still under way, as the death of the process would, and close."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        if tasks:
            self.run_until_complete(asyncio.wait(tasks))
        self.close()

    def run(self, main: Coroutine[Any, Any, Result]) -> Result:
        return self.run_until_complete(main)
