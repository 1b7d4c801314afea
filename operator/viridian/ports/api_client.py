"""HTTP to the API server: calls, their responses, streams, the bearer token and the count of all requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from viridian import __version__
from viridian.api.resources import ApiResource
from viridian.api.texts import one_line
from viridian.ports.api_responses import MAX_MESSAGE, failure
from viridian.ports.bearer_token import Token
from viridian.ports.bounded_bodies import TooLong, bounded
from viridian.ports.cluster import ClusterRefused, ClusterUnavailable, Object
from viridian.ports.connection import ApiConnection

USER_AGENT = f"viridian/{__version__}"
TIMEOUT_SECONDS = 10.0
MAX_CONNECTIONS = 100
MAX_BYTES = 128 * 1024 * 1024
"""Of one response: a page of the largest objects that are likely. More would exhaust the operator's memory."""
MAX_LINE_BYTES = 16 * 1024 * 1024
"""Of one line of a stream: one object, of which etcd takes no more than 1.5 MB by default."""

JSON = "application/json"
_FAILURE: Final = 300
"""Status codes from here on are no success."""
T = TypeVar("T")

OnCall = Callable[[str, str, str, float], None]
"""Called for every request: verb, resource, status code (`error` when there was no answer), seconds."""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request."""

    verb: str
    method: str
    resource: ApiResource
    namespace: str = ""
    """Empty: all namespaces, or a kind that has none."""
    name: str = ""
    subresource: str = ""
    parameters: Mapping[str, str] | None = None
    body: Any = None
    content_type: str = JSON
    accept: str = JSON
    shape: Any = Any
    """What is read of the body of a success: what a type of msgspec does not name costs nearly nothing."""
    token: str = field(default="", repr=False)
    """Of the person for whom it is made; empty: our own."""

    @property
    def path(self) -> str:
        api_version = self.resource.api_version
        parts = ["api" if "/" not in api_version else "apis", api_version]
        if self.namespace and self.resource.namespaced:
            parts += ["namespaces", quote(self.namespace, safe="")]
        elif self.name and self.resource.namespaced:
            raise ValueError(f"{self.subject} lacks a namespace")
        parts.append(self.resource.plural)
        if self.name:
            parts.append(quote(self.name, safe=""))
        return "/" + "/".join(parts + ([self.subresource] if self.subresource else []))

    @property
    def subject(self) -> str:
        """What it is about, for messages."""
        return f"{self.resource.kind} {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """The response to a call, whatever its status."""

    status: int
    body: Any
    retry_after: str | None

    def content(self, call: ApiCall) -> Object:
        """The object in a successful response; any other response raises what it means."""
        return self.shaped(call, dict)

    def shaped(self, call: ApiCall, kind: type[T]) -> T:
        """The same for a call that asks for a shape of its own."""
        if self.status >= _FAILURE:
            raise failure(self.status, self.body, call.subject, retry_after=self.retry_after)
        if not isinstance(self.body, kind):
            raise ClusterUnavailable(f"{call.subject}: the API server's answer is no object")
        return self.body


class ApiClient:
    """Opened by its first call, to be closed by its maker."""

    def __init__(
        self,
        connection: ApiConnection,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_connections: int = MAX_CONNECTIONS,
        on_call: OnCall | None = None,
    ) -> None:
        """`max_connections` of 0: as many as there are calls and streams at a time."""
        self._connection = connection
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._max_connections = max_connections
        self._on_call = on_call
        self._token = Token(connection)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, call: ApiCall) -> ApiResponse:
        """Make the call, once more after a 401 if the token may have changed; without a response nothing is known."""
        response = await self._send_once(call)
        if response.status == 401 and not call.token and self._token.renew():
            response = await self._send_once(call)
        return response

    @asynccontextmanager
    async def stream(self, call: ApiCall, *, silence_seconds: float | None) -> AsyncIterator[AsyncGenerator[bytes]]:
        """The lines of a streamed response as they come; a connection that is silent for so long is given up.

        What is no success, and a connection that breaks, raises what it means. A line without an end is dropped.
        """
        response = await self._begin(call, silence_seconds)
        try:
            async with aclosing(_lines(call, response)) as lines:
                yield lines
        finally:
            # Without TLS's farewell, which would go on after the client was closed.
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
            response.close()

    async def _send_once(self, call: ApiCall) -> ApiResponse:
        started = time.monotonic()
        code = "error"
        try:
            async with await self._requested(call, self._timeout) as response:
                content = await bounded(response, MAX_BYTES)
                code = str(response.status)
                shape = call.shape if response.status < _FAILURE else Any
                return ApiResponse(response.status, decoded(content, shape), response.headers.get("Retry-After"))
        except TooLong as error:
            raise ClusterUnavailable(f"{call.subject}: the API server's answer was not read: {error}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ClusterUnavailable(f"{call.subject}: {_what_happened(error)}") from error
        finally:
            self._count(call, code, started)

    async def _begin(self, call: ApiCall, silence_seconds: float | None) -> aiohttp.ClientResponse:
        """The response to the call, once it is known to be a success."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_SECONDS, sock_read=silence_seconds)
        response = await self._begin_once(call, limits)
        if response.status == 401 and self._token.renew():
            response.close()
            response = await self._begin_once(call, limits)
        if response.status == 200:
            return response
        try:
            body = decoded(await bounded(response, MAX_BYTES))
        except (TooLong, TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ClusterUnavailable(f"{call.subject}: {_what_happened(error)}") from error
        finally:
            response.close()
        raise failure(response.status, body, call.subject, retry_after=response.headers.get("Retry-After"))

    async def _begin_once(self, call: ApiCall, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        started = time.monotonic()
        code = "error"
        try:
            response = await self._requested(call, limits)
            code = str(response.status)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ClusterUnavailable(f"{call.subject}: {_what_happened(error)}") from error
        finally:
            self._count(call, code, started)
        return response

    async def _requested(self, call: ApiCall, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        return await self._opened().request(
            call.method,
            self._connection.server + call.path,
            params=call.parameters,
            data=None if call.body is None else msgspec.json.encode(call.body, enc_hook=_as_plain),
            headers=self._headers(call),
            allow_redirects=False,
            timeout=limits,
        )

    def _count(self, call: ApiCall, code: str, started: float) -> None:
        if self._on_call is not None:
            self._on_call(call.verb, call.resource.plural, code, time.monotonic() - started)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections, ssl=self._connection.ssl_context()),
                # Packing and unpacking a long list costs both sides more than the way between them.
                headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT},
            )
        return self._session

    def _headers(self, call: ApiCall) -> dict[str, str]:
        headers = {"Accept": call.accept} | ({} if call.body is None else {"Content-Type": call.content_type})
        token = call.token or self._token.current()
        return {**headers, "Authorization": f"Bearer {token}"} if token else headers


async def _lines(call: ApiCall, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    rest: list[bytes] = []
    size = 0
    try:
        async for chunk in response.content.iter_any():
            whole, newline, begun = chunk.rpartition(b"\n")
            if newline:
                for line in b"".join((*rest, whole)).split(b"\n"):
                    yield line
                rest, size = [], 0
            rest.append(begun)
            size += len(begun)
            if size > MAX_LINE_BYTES:
                raise ClusterRefused(f"{call.subject}: a line is longer than {MAX_LINE_BYTES} bytes")
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise ClusterUnavailable(f"{call.subject}: {_what_happened(error)}") from error


def decoded(content: bytes | bytearray, shape: Any = Any) -> Any:
    """JSON as it is, or what a shape takes of it; anything else as text."""
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content.decode(errors="replace")


def _as_plain(value: Any) -> Any:
    """Mappings other than dictionaries are written as such."""
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in JSON")


def _what_happened(error: Exception) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "the API server did not answer in time"
    return one_line(f"no answer from the API server ({type(error).__name__}: {error})", MAX_MESSAGE)
