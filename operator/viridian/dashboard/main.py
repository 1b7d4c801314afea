"""The command `viridian-dashboard`."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import Final

from viridian.bounded_site import BoundedSite
from viridian.dashboard.dashboard_app import DashboardApp
from viridian.dashboard.dashboard_settings import DashboardSettings, parse
from viridian.dashboard.label_queue import CollectorLabelQueue
from viridian.dashboard.person_cluster import ApiPersonCluster
from viridian.json_logs import JsonLines, configure

_NEW_OBJECTS: Final = 20_000
"""How many of Python's objects are made until garbage is looked for."""
log: Final = logging.getLogger("viridian.dashboard")


def main() -> None:
    """Serve until SIGTERM: exit code 0 then, 1 when the dashboard cannot work."""
    settings = parse(sys.argv[1:], os.environ)
    configure(log, JsonLines(only_from=log.name))
    try:
        asyncio.run(serve(settings))
    except OSError as error:
        log.error(f"the dashboard cannot work: {error.strerror or error}")
        sys.exit(1)


async def serve(settings: DashboardSettings) -> None:
    """From the start of the process to its end."""
    stopped = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
    cluster = ApiPersonCluster(settings.connection())
    labels = CollectorLabelQueue(settings.collector, settings.collector_ca_file) if settings.collector else None
    app = DashboardApp(cluster, namespaces=settings.namespaces, token_header=settings.token_header, labels=labels)
    site = BoundedSite(app.application(), settings.port, settings.certificate())
    settle()
    await site.start()
    log.info("start", extra={"fields": {"port": site.port}})
    try:
        await stopped.wait()
    finally:
        await site.close()
        await cluster.close()
        if labels is not None:
            await labels.close()
    log.info("end")


def settle() -> None:
    """What is loaded stays, and what the API server answers has no cycles: less of both is searched for garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


if __name__ == "__main__":
    main()
