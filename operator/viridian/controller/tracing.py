"""Every request to the API server, seen from aiohttp: counted for the metrics, and the watches noted for readiness."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "apply", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """What a request is about, in the API server's own words."""

    verb: str
    resource: str
    """Plural, with the subresource: `deployments`, `modeldeployments/status`; `discovery` for lists of resources."""
    namespace: str

    @property
    def stream(self) -> str:
        """How a watch is named in readiness: `ml/services`, or `services` in all namespaces."""
        return stream_name(self.resource, self.namespace)


def stream_name(resource: str, namespace: str | None) -> str:
    return f"{namespace}/{resource}" if namespace else resource


def parse_request(method: str, url: URL) -> TracedRequest:
    """Read the request from its path, as the API server does."""
    parts = [part for part in url.path.split("/") if part]
    rest = parts[2:] if parts[:1] == ["api"] else parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if not rest:
        return TracedRequest("get", "discovery", "")
    resource = f"{rest[0]}/{rest[2]}" if len(rest) > 2 else rest[0]
    if method != "GET":
        return TracedRequest(_VERBS.get(method, method.lower()), resource, namespace)
    if url.query.get("watch") == "true":
        return TracedRequest("watch", resource, namespace)
    return TracedRequest("get" if len(rest) > 1 else "list", resource, namespace)


def trace(
    called: Callable[[str, str, str, float], None],
    *,
    watching: Callable[[str], None] | None = None,
    listing: Callable[[str], None] | None = None,
) -> aiohttp.TraceConfig:
    """Tell `called` of each request its verb, resource, code and seconds, and the others of streams.

    `watching` hears of each that is established, `listing` of each that is listed.
    """
    config = aiohttp.TraceConfig()

    async def start(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
        context.started = asyncio.get_running_loop().time()

    async def end(_: aiohttp.ClientSession, context: SimpleNamespace, params: Any) -> None:
        request = parse_request(params.method, params.url)
        seconds = asyncio.get_running_loop().time() - context.started
        called(request.verb, request.resource, str(params.response.status), seconds)
        if watching is not None and request.verb == "watch" and params.response.status == 200:
            watching(request.stream)
        if listing is not None and request.verb == "list" and params.response.status == 200:
            listing(request.stream)

    async def fail(_: aiohttp.ClientSession, context: SimpleNamespace, params: Any) -> None:
        request = parse_request(params.method, params.url)
        seconds = asyncio.get_running_loop().time() - context.started
        called(request.verb, request.resource, "error", seconds)

    config.on_request_start.append(start)
    config.on_request_end.append(end)
    config.on_request_exception.append(fail)
    return config
