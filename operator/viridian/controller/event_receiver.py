"""The receiver of events with all that it needs, where the operator is started with one.

Leader and standby receive alike: storing an event creates an object, which undoes no write of the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from viridian.bounded_site import BoundedSite
from viridian.controller.config import OperatorConfig
from viridian.controller.telemetry import Telemetry
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes import KubernetesCluster
from viridian.receiver.event_store import EventStore
from viridian.receiver.key_folders import KeyFolders
from viridian.receiver.receiver_app import ReceiverApp
from viridian.receiver.senders import ClusterAuthorizer, Senders
from viridian.tls import Certificate

_CONNECTIONS: Final = 16


@asynccontextmanager
async def receiving(config: OperatorConfig, connection: ApiConnection, telemetry: Telemetry) -> AsyncIterator[None]:
    """Receive events, where that is asked for. OSError where the port or the certificate cannot be had."""
    if config.events_port is None:
        yield
        return
    # With few connections of its own: whatever is sent, no pass has to wait for one.
    async with KubernetesCluster(connection, max_connections=_CONNECTIONS, on_call=telemetry.called) as cluster:
        site = BoundedSite(_app(config, cluster, telemetry).application(), config.events_port, _certificate(config))
        await site.start()
        try:
            yield
        finally:
            await site.close()


def _app(config: OperatorConfig, cluster: KubernetesCluster, telemetry: Telemetry) -> ReceiverApp:
    clock = asyncio.get_running_loop().time
    namespaces = frozenset(config.namespaces)
    return ReceiverApp(
        Senders(
            KeyFolders({namespace: Path(folder) for namespace, folder in config.events_keys}),
            ClusterAuthorizer(cluster) if config.events_tokens else None,
            time.time,
            clock,
        ),
        EventStore(
            cluster,
            serves=lambda namespace: not namespaces or namespace in namespaces,
            selector=config.selector,
            now=lambda: datetime.now(UTC),
            clock=clock,
        ),
        telemetry,
        each_second=config.events_rate,
        clock=clock,
    )


def _certificate(config: OperatorConfig) -> Certificate | None:
    if config.events_tls is None:
        return None
    return Certificate(config.events_tls / "tls.crt", config.events_tls / "tls.key")
