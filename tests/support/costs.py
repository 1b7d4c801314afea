"""What an answer costs the process that reads it: memory at its peak, and how late its event loop was."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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


@contextmanager
def memory_of_at_most(limit: int) -> Iterator[None]:
    """The process's peak does not grow by more within the block."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    yield
    assert _peak() - before < limit


def _peak() -> int:
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
