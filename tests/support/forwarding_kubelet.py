"""The part of a kubelet that forwards ports of pods, for a control plane without a node.

It speaks the protocol of WebSockets by which the official client of Python asks for a port: of each port one channel
with the data and one with errors. Each port leads to one of this computer.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from localcluster.controlplane import ControlPlane
from tests.support.kube import Kube

PROTOCOL = "v4.channel.k8s.io"
DATA, ERRORS = b"\x00", b"\x01"


@dataclass
class ForwardingKubelet:
    """Knows where the port of each pod leads."""

    ports: Mapping[int, int]
    """From a port of a pod to one of 127.0.0.1."""
    asked: list[str] = field(default_factory=list)
    """Namespace, name and port of each pod that was asked for."""

    async def forward(self, request: web.Request) -> web.WebSocketResponse:
        """The channels of one port, until one of both sides has ended."""
        port = int(request.query["port"])
        self.asked.append(f"{request.match_info['namespace']}/{request.match_info['pod']}:{port}")
        channels = web.WebSocketResponse(protocols=(PROTOCOL,))
        await channels.prepare(request)
        for channel in (DATA, ERRORS):
            await channels.send_bytes(channel + port.to_bytes(2, "little"))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[port])
        answers = asyncio.create_task(_answers(reader, channels))
        try:
            async for message in channels:
                if message.type is WSMsgType.BINARY and message.data[:1] == DATA:
                    writer.write(message.data[1:])
        finally:
            answers.cancel()
            writer.close()
        return channels


async def _answers(reader: asyncio.StreamReader, channels: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            await channels.send_bytes(DATA + data)
        await channels.close()


@contextlib.asynccontextmanager
async def forwarding(
    plane: ControlPlane, kube: Kube, node: str, ports: Mapping[int, int]
) -> AsyncIterator[ForwardingKubelet]:
    """A node of that name, whose kubelet forwards ports; it is gone afterwards."""
    kubelet = ForwardingKubelet(ports)
    # The API server believes kubelets of its own authority, which has signed a certificate for 127.0.0.1.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(plane.layout.pki("kube-apiserver.crt"), plane.layout.pki("kube-apiserver.key"))
    application = web.Application()
    application.router.add_get("/portForward/{namespace}/{pod}", kubelet.forward)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
    kube.create(manifest)
    endpoint = {"kubeletEndpoint": {"Port": runner.addresses[0][1]}}
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    kube.merge(manifest, {"status": {"addresses": addresses, "daemonEndpoints": endpoint}}, subresource="status")
    try:
        yield kubelet
    finally:
        kube.delete(manifest)
        await runner.cleanup()
