"""The collector of `tests.support.collecting` behind a real port, on an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from tests.support.collecting import Stand, collecting
from viridian.feedback.endpoints.application import application

T = TypeVar("T")


@dataclass
class Listening:
    """A collector that threads can send to."""

    stand: Stand
    url: str
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Where the collector runs, from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


@contextlib.contextmanager
def listening(data: Path, **settings: Any) -> Iterator[Listening]:
    """It listens on a free port of this computer until the end."""
    ready: list[Listening] = []
    begun = threading.Event()

    async def serve() -> None:
        async with collecting(data, **settings) as stand:
            place = socket.create_server(("127.0.0.1", 0))
            config = uvicorn.Config(application(stand.collector), log_level="error", lifespan="off")
            server = uvicorn.Server(config)
            url = f"http://127.0.0.1:{place.getsockname()[1]}"
            ready.append(Listening(stand, url, asyncio.get_running_loop()))
            servers.append(server)
            begun.set()
            await server.serve(sockets=[place])

    servers: list[uvicorn.Server] = []
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert begun.wait(60)
        yield ready[0]
    finally:
        servers[0].should_exit = True
        thread.join()
