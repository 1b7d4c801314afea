"""The life of the process: listen, load, answer, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Callable, Iterator

from viridian.api.rejections import ModelRejection
from viridian.http.bounds import Bounds
from viridian.http.config import Application
from viridian.http.listener import Listener
from viridian.serving.bundle.integrity import verify_directory
from viridian.serving.endpoints.inference import Inference
from viridian.serving.endpoints.keep_alive import Connections
from viridian.serving.endpoints.management import Management
from viridian.serving.errors import BundleRefused, ServingError
from viridian.serving.execution import model
from viridian.serving.execution.model import LoadedModel, RequestLimits
from viridian.serving.logs import note
from viridian.serving.observation.observers import Observers
from viridian.serving.server_settings import ServerSettings


class ModelServer:
    """Both ports of one process. The ports answer from the start; the model is loaded beside them."""

    def __init__(self, settings: ServerSettings, cpus: int) -> None:
        self.settings = settings
        self.cpus = cpus
        self.connections = Connections()
        self.inference = Inference(settings, self.connections, cpus)
        self.listener = _listener(self.inference, settings, settings.port, settings.grace_seconds)
        management = Management(self.inference, self.connections, settings)
        self.streams = management.streams
        self.management = _listener(management, settings, settings.management_port, grace_seconds=1)
        self.connections.watch(self.listener.open_connections)
        self.still_loading = False
        """It was shut down before the model was loaded; a thread may go on loading it."""
        self._shutdown_requested = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM; ServingError when the model cannot be served."""
        with _on_signals(self.leave):
            ports = {"port": self.listener.port, "management_port": self.management.port}
            note("start", **self._identity(), **ports, cpus=self.cpus)
            answering = asyncio.create_task(self.listener.run_until_stopped())
            managing = asyncio.create_task(self.management.run_until_stopped())
            for listening in (answering, managing):
                # A port that dies takes the process with it: half a server would look alive for ever.
                listening.add_done_callback(lambda _: self.leave())
            try:
                await self._load_unless_shut_down()
                await self._shutdown_requested.wait()
                await self._drain()
            finally:
                self.inference.shadow.stop()
                self.inference.forwarding.close()
                self.listener.stop()
                await answering
                if self.inference.observers is not None:
                    await self.inference.observers.close()
                self.streams.end()
                self.management.stop()
                await managing
                self.inference.work.close()

    def leave(self) -> None:
        """Begin to drain. May be called more than once."""
        self._shutdown_requested.set()

    async def _load_unless_shut_down(self) -> None:
        began = asyncio.get_running_loop().time()
        loading = asyncio.create_task(asyncio.to_thread(load, self.settings, self.cpus))
        leaving = asyncio.create_task(self._shutdown_requested.wait())
        await asyncio.wait((loading, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not loading.done():
            self.still_loading = True
            return
        self.inference.take(*loading.result())
        # What was built so far lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        seconds = asyncio.get_running_loop().time() - began
        note("ready", **self._identity(), seconds=round(seconds, 3))

    async def _drain(self) -> None:
        """New connections still arrive until every node knows that this pod leaves: they are answered, too."""
        if self.inference.model is None:
            return
        note("drain", **self._identity(), seconds=self.settings.drain_seconds, in_flight=self.inference.in_flight)
        self.inference.draining = True
        self.connections.close_for_good()
        await asyncio.sleep(self.settings.drain_seconds)

    def _identity(self) -> dict[str, str]:
        settings = self.settings
        return {
            "model": settings.name,
            "version": settings.version,
            "revision": settings.revision,
            "slot": settings.slot,
        }


def _listener(application: Application, settings: ServerSettings, port: int, grace_seconds: float) -> Listener:
    bounds = Bounds(
        seconds=settings.read_seconds, body_bytes=settings.max_body_bytes, connections=settings.max_connections
    )
    try:
        return Listener(application, settings.host, port, bounds, grace_seconds)
    except OSError as error:
        raise ServingError(f"cannot listen on port {port}: {error.strerror or error}") from error


def load(settings: ServerSettings, threads: int) -> tuple[LoadedModel, Observers]:
    """The model, after its files were checked and it answered its own example, and what watches its answers."""
    directory = settings.model_dir
    if not directory.is_dir():
        raise BundleRefused(f"there is no model directory {directory}")
    try:
        verify_directory(directory, settings.digest, settings.trust)
        extra = (settings.feedback.subject,) if settings.feedback and settings.feedback.subject else ()
        loaded = model.load(
            directory, settings.name, settings.version, threads, RequestLimits(settings.max_rows, extra)
        )
        return loaded, Observers(settings, loaded, os.environ)
    except ServingError:
        raise
    except Exception as error:
        why = f"the model in {directory} could not be loaded: {type(error).__name__}: {error}"
        raise BundleRefused(why, ModelRejection.MALFORMED) from error


@contextlib.contextmanager
def _on_signals(call: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, call)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
