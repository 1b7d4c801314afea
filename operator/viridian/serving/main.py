"""The command `viridian-server`."""

from __future__ import annotations

import os
import signal
import sys

from viridian.serving import cpus, termination
from viridian.serving.errors import ServingError
from viridian.serving.logs import configure, log
from viridian.serving.server_settings import ServerSettings, parse

# The maths libraries read these when they are first imported, which happens after this.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    """Serve until SIGTERM: exit code 0 then, 1 when the model cannot be served."""
    # As the first process of a container we would not even notice the signal without a handler; the loop sets its own.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    settings = parse(sys.argv[1:], os.environ)
    configure()
    available = cpus.available()
    for variable in _THREADS:
        os.environ.setdefault(variable, str(available))
    try:
        run(settings, available)
    except ServingError as error:
        log.error(str(error))
        termination.explain(settings.termination_log, error)
        sys.exit(1)


def run(settings: ServerSettings, available: int) -> None:
    """One server on an event loop of its own."""
    import asyncio

    import uvloop

    from viridian.serving.server import ModelServer

    async def serve() -> None:
        server = ModelServer(settings, available)
        await server.run()
        if server.still_loading:
            # An import cannot be interrupted and may take many seconds: nobody waits for what nobody will use.
            os._exit(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
