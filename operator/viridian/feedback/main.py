"""The command `viridian-collector`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator

from viridian.feedback.settings import Settings, parse

_BACKLOG = 2048


def main() -> None:
    """Collect until told to leave: exit code 0 then, 1 when the collector cannot work."""
    # As the first process of a container we would not even notice the signal without a handler; the loop sets its own.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    settings = parse(sys.argv[1:], os.environ)

    import uvloop

    from viridian.feedback.database import DatabaseUnusable
    from viridian.feedback.kubernetes import NoApiServer
    from viridian.feedback.logs import configure, log
    from viridian.feedback.rulesfile import RulesUnusable

    configure()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(collect(settings))
            # Threads that read for requests which were cut off cannot be interrupted, and nobody waits for them.
            sys.stdout.flush()
            os._exit(0)
    except (DatabaseUnusable, NoApiServer, RulesUnusable) as error:
        log.error(str(error))
        sys.exit(1)
    except OSError as error:
        log.error(f"the collector cannot work: {error.strerror}")
        sys.exit(1)


async def collect(settings: Settings) -> None:
    """From the start of the process to its end."""
    import uvicorn

    from viridian.feedback.application import application
    from viridian.feedback.collector import running
    from viridian.feedback.kubernetes import ApiServer, KubernetesGate
    from viridian.feedback.logs import note

    class Listener(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """The process has a signal handler of its own."""
            yield

    server = ApiServer.found(settings.api_server, settings.api_ca_file, settings.api_token_file)
    async with KubernetesGate(server) as gate, running(settings, gate) as collector:
        listener = Listener(
            uvicorn.Config(
                application(collector),
                http="httptools",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=620,
                timeout_graceful_shutdown=max(1, round(settings.stop)),
                backlog=_BACKLOG,
            )
        )

        def leave() -> None:
            listener.should_exit = True

        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, leave)
        with bind(settings.host, settings.port) as listening:
            note("start", port=listening.getsockname()[1], database=collector.engine.dialect.name)
            await listener.serve(sockets=[listening])
    note("end")


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; without a host on all addresses of both families, where there are both."""
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    with contextlib.suppress(OSError):
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
    return socket.create_server(("", port), backlog=_BACKLOG)


if __name__ == "__main__":
    main()
