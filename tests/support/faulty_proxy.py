"""A proxy between the operator and a real API server, in which a test makes requests and watches go wrong.

The operator speaks plain HTTP to it. Whatever it says about itself is passed on; without that, the proxy's own
certificate speaks, which is the administrator's.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import AddrInfoType, web

from viridian.ports.connection import ApiConnection

_NOT_PASSED_ON = {"host", "content-length", "transfer-encoding", "connection", "content-encoding", "accept-encoding"}


@dataclass
class Rule:
    """Requests that match are answered with `status`, or not at all where it is None, so often.

    Those of a rule that is `held` wait until the proxy is healed, and then get no answer either.
    """

    matches: Callable[[str, str], bool]
    status: int | None
    times: float
    headers: dict[str, str] = field(default_factory=dict)
    held: asyncio.Event | None = None


class FaultyProxy:
    """Runs in a thread of its own between `__enter__` and `__exit__`."""

    def __init__(self, kubeconfig: Path) -> None:
        self._connection = ApiConnection.from_kubeconfig(kubeconfig)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty proxy")
        self._rules: list[Rule] = []
        self._streams: dict[web.StreamResponse, str] = {}
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self.requests: list[tuple[str, str]] = []
        """Method and path of every request, in order."""
        self.server = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def kubeconfig(self, folder: Path, token: str | None = None) -> Path:
        """A kubeconfig that leads through the proxy."""
        user = {"token": token} if token else {}
        config = {
            "clusters": [{"name": "c", "cluster": {"server": self.server}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = folder / "through-the-proxy.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def fail(
        self, matches: Callable[[str, str], bool], status: int | None, *, times: float = 1, **headers: str
    ) -> Rule:
        """The next so many requests for which `matches(method, path)` holds go wrong."""
        rule = Rule(matches, status, times, {key.replace("_", "-"): value for key, value in headers.items()})
        self._rules.append(rule)
        return rule

    def hold(self, matches: Callable[[str, str], bool]) -> Rule:
        """Every request for which `matches(method, path)` holds hangs until the proxy is healed."""
        rule = Rule(matches, None, float("inf"), held=asyncio.Event())
        self._rules.append(rule)
        return rule

    def heal(self) -> None:
        for rule in self._rules:
            if rule.held is not None:
                self._loop.call_soon_threadsafe(rule.held.set)
        self._rules.clear()

    def inject(self, plural: str, event: dict[str, Any]) -> int:
        """Say something in every watch of that resource that is open; how many heard it."""
        return int(self._do(self._inject(plural, event)))

    def cut(self) -> None:
        """Break every watch."""
        self._do(self._cut())

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _start(self) -> None:
        # Where the operator says who it is, the administrator's certificate must not say so too: it would win.
        nobody = replace(
            self._connection,
            certificate_path=None,
            certificate_data=None,
            private_key_path=None,
            private_key_data=None,
        )
        self._administrator, self._others = (self._session(connection) for connection in (self._connection, nobody))
        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.server = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        await self._cut()
        await self._runner.cleanup()
        await self._administrator.close()
        await self._others.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        # A request that was cut leaves its connection in the middle of the TLS farewell, which no session waits for.
        while any(opened.fileno() != -1 for opened in self._sockets):  # noqa: ASYNC110 - the peer closes it
            await asyncio.sleep(0.001)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        rule = next((r for r in self._rules if r.times > 0 and r.matches(request.method, request.path)), None)
        if rule is None:
            return await self._pass_on(request)
        rule.times -= 1
        if rule.held is not None:
            await rule.held.wait()
        if rule.status is None and request.transport is not None:  # it is None once the operator has gone away
            request.transport.abort()
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "on purpose", "details": {}}
        return web.json_response(status, status=rule.status or 500, headers=rule.headers)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _NOT_PASSED_ON}
        # The API server compresses long answers, such as the list of CRDs, for clients that do not say this.
        headers["Accept-Encoding"] = "identity"
        session = self._others if "Authorization" in headers else self._administrator
        async with session.request(
            request.method,
            self._connection.server + request.raw_path,
            headers=headers,
            data=await request.read() or None,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            passed = {key: value for key, value in answer.headers.items() if key.lower() not in _NOT_PASSED_ON}
            response = web.StreamResponse(status=answer.status, headers=passed)
            try:
                await response.prepare(request)
                if request.query.get("watch") == "true":
                    self._streams[response] = request.path.rpartition("/")[2]
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            except ConnectionError:
                pass  # the operator went away, or the test cut the stream
            finally:
                self._streams.pop(response, None)
            return response

    async def _inject(self, plural: str, event: dict[str, Any]) -> int:
        heard = [response for response, watched in self._streams.items() if watched == plural]
        for response in heard:
            await response.write(json.dumps(event).encode() + b"\n")
        return len(heard)

    async def _cut(self) -> None:
        for response in list(self._streams):
            transport = response._req.transport if response._req is not None else None
            if transport is not None:
                transport.abort()

    def _session(self, connection: ApiConnection) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, ssl=connection.ssl_context(), socket_factory=self._socket)
        return aiohttp.ClientSession(connector=connector, auto_decompress=False)

    def _socket(self, address: AddrInfoType) -> socket.socket:
        opened = socket.socket(*address[:3])
        opened.setblocking(False)
        self._sockets.add(opened)
        return opened
