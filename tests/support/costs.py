"""What a process pays for what others send: memory at its peak, and how late its event loop is."""

from __future__ import annotations

import asyncio
import gc
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path

MIB = 1024 * 1024


@asynccontextmanager
async def longest_lag() -> AsyncIterator[list[float]]:
    """How late the loop was for a timer of 10 ms, in seconds.

    What other tests have left in this process is kept from the garbage collector: the operator has none of it.
    """
    loop, late = asyncio.get_running_loop(), [0.0]

    async def beat() -> None:
        while True:
            due = loop.time() + 0.01
            await asyncio.sleep(0.01)
            late.append(loop.time() - due)

    gc.freeze()
    task = asyncio.create_task(beat())
    try:
        yield late
    finally:
        task.cancel()
        gc.unfreeze()


class Memory:
    """The resident memory of a process, in bytes."""

    def __init__(self, pid: int) -> None:
        self._process = Path(f"/proc/{pid}")

    def reset_peak(self) -> None:
        """From now on the peak counts anew."""
        (self._process / "clear_refs").write_text("5")

    @property
    def peak(self) -> int:
        """The most since the last reset."""
        found = re.search(r"^VmHWM:\s+(\d+) kB", (self._process / "status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    @contextmanager
    def growth_of_at_most(self, limit: int) -> Iterator[None]:
        """Within the block the peak grows by no more."""
        self.reset_peak()
        before = self.peak
        yield
        grown = self.peak - before
        assert grown < limit, f"memory has grown by {grown / MIB:.1f} MiB"


def memory_of_at_most(limit: int) -> AbstractContextManager[None]:
    """The peak of this process does not grow by more within the block."""
    return Memory(os.getpid()).growth_of_at_most(limit)
