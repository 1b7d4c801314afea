"""The real collector on SQLite in a folder of its own, with an API server beside it that knows one token.

python -m benchmarks.serving.programs.real_collector <port> <folder>
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from benchmarks.feedback.traffic import OWNERS
from tests.support.collector_process import launched, reviewing


async def main(port: str, folder: Path) -> None:
    """Until it is ended."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with reviewing(OWNERS) as api, launched(api, folder, port=port, namespace_rows="0", namespace_bytes="0"):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
