"""The command `viridian-collector`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Final

from viridian.feedback.collector_settings import CollectorSettings, parse

CLIENTS: Final = 4
"""So many addresses take all connections; one alone does not."""


def main() -> None:
    """Collect until SIGTERM: exit code 0 then, 1 when the collector cannot work."""
    # As the first process of a container we would not even notice the signal without a handler; the loop sets its own.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    settings = parse(sys.argv[1:], os.environ)

    import uvloop

    from viridian.feedback.access.token_review import NoApiServer
    from viridian.feedback.logs import configure, log
    from viridian.feedback.rules_file import RulesUnusable
    from viridian.feedback.storage.database import DatabaseUnusable

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


async def collect(settings: CollectorSettings) -> None:
    """From the start of the process to its end."""
    from viridian.feedback.access.token_review import ApiServer, KubernetesGate
    from viridian.feedback.collector_app import running
    from viridian.feedback.endpoints.application import application
    from viridian.feedback.logs import note
    from viridian.http.bounds import Bounds
    from viridian.http.listener import Listener

    bounds = Bounds(
        seconds=settings.read,
        body_bytes=settings.max_body_bytes,
        connections=settings.max_connections,
        connections_each=max(1, settings.max_connections // CLIENTS),
    )
    server = ApiServer.found(settings.api_server, settings.api_ca_file, settings.api_token_file)
    async with KubernetesGate(server) as gate, running(settings, gate) as collector:
        listener = Listener(
            application(collector), settings.host, settings.port, bounds, settings.stop, settings.certificate()
        )
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, listener.stop)
        note("start", port=listener.port, database=collector.engine.dialect.name)
        await listener.run_until_stopped()
    note("end")


if __name__ == "__main__":
    main()
