"""The port `Cluster` over the Kubernetes API: plain dictionaries, one HTTP session, no discovery and no cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from viridian import __version__
from viridian.api.child_kinds import CHILD_KINDS
from viridian.api.resources import OWN, ApiResource
from viridian.api.texts import one_line
from viridian.ports.api_responses import MAX_MESSAGE, failure, is_not_found
from viridian.ports.bearer_token import Token
from viridian.ports.bounded_bodies import TooLong, bounded
from viridian.ports.cluster import ClusterUnavailable, Object, ObjectRef
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes_event import EVENTS, event_about

USER_AGENT = f"viridian/{__version__}"
TIMEOUT_SECONDS = 10.0
PAGE_SIZE = 500
MAX_RELISTS = 3
MAX_BYTES = 128 * 1024 * 1024
"""Of one answer: a page of the largest objects that are likely; more would be the end of the operator's memory."""

JSON = "application/json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML, and the server reads it as such

OnCall = Callable[[str, str, str, float], None]
"""Called for every request: verb, resource, status code (`error` when there was no answer), seconds."""


_OTHERS = (
    ApiResource("v1", "ConfigMap", "configmaps"),
    ApiResource("v1", "Namespace", "namespaces", namespaced=False),
    ApiResource("coordination.k8s.io/v1", "Lease", "leases"),
    ApiResource(EVENTS, "Event", "events"),
)
RESOURCES: Mapping[tuple[str, str], ApiResource] = {
    (resource.api_version, resource.kind): resource
    for resource in (*OWN, *(row.resource for row in CHILD_KINDS), *_OTHERS)
}
_SECRETS = ApiResource("v1", "Secret", "secrets")


class KubernetesCluster:
    """Satisfies `viridian.ports.cluster.Cluster`; opened by its first call, to be closed by its maker."""

    def __init__(
        self, connection: ApiConnection, *, timeout_seconds: float = TIMEOUT_SECONDS, on_call: OnCall | None = None
    ) -> None:
        self._connection = connection
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._on_call = on_call
        self._token = Token(connection)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> KubernetesCluster:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, reference: ObjectRef) -> Object | None:
        return await self._found(_Call("get", "GET", reference))

    async def secret(self, reference: ObjectRef) -> Object | None:
        """A Secret by its name. For the operator's own alone: no other call of this port reaches one."""
        return await self._found(_Call("get", "GET", reference, of=_SECRETS))

    async def create_secret(self, manifest: Mapping[str, Any]) -> None:
        """ClusterConflict where there is one of that name."""
        unnamed = ObjectRef("v1", "Secret", manifest["metadata"]["namespace"], "")
        call = _Call("create", "POST", unnamed, body=manifest, of=_SECRETS)
        (await self._send(call)).content(call)

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        """Make the object; ClusterConflict where there is one of that name."""
        reference = replace(_reference_of(manifest), name="")
        call = _Call("create", "POST", reference, body=manifest)
        return (await self._send(call)).content(call)

    async def replace(self, manifest: Mapping[str, Any]) -> Object:
        """Write the whole object; ClusterConflict where another version than its resourceVersion is stored."""
        call = _Call("update", "PUT", _reference_of(manifest), body=manifest)
        return (await self._send(call)).content(call)

    async def follow(self, reference: ObjectRef) -> AsyncGenerator[Object | None]:
        """The object as it is now, None where there is none, and again after each change, until the stream ends.

        The watch begins with what is there when it begins, so nothing is missed in between.
        """
        yield await self.get(reference)
        parameters = {"watch": "true", "fieldSelector": f"metadata.name={reference.name}", "timeoutSeconds": "300"}
        call = _Call("watch", "GET", replace(reference, name=""), parameters=parameters)
        async for line in self._lines(call):
            event = _decoded(line)
            if not isinstance(event, dict) or event.get("type") not in ("ADDED", "MODIFIED", "DELETED"):
                raise ClusterUnavailable(f"{call.subject}: the watch has ended with {str(event)[:200]}")
            yield None if event["type"] == "DELETED" else event["object"]

    async def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Mapping[str, str] | None = None
    ) -> Sequence[Object]:
        reference = ObjectRef(api_version, kind, namespace or "", "")
        selector = ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))
        for _ in range(MAX_RELISTS):
            items = await self._pages(reference, selector)
            if items is not None:
                return [{"apiVersion": api_version, "kind": kind, **item} for item in items]
        raise ClusterUnavailable(f"the list of {kind} changed faster than it could be read")

    async def apply(self, manifest: Mapping[str, Any], *, manager: str, force: bool = True) -> Object:
        return await self._apply(manifest, manager, "", force=force)

    async def apply_status(self, manifest: Mapping[str, Any], *, manager: str) -> Object:
        return await self._apply(manifest, manager, "status")

    async def delete(self, reference: ObjectRef, *, uid: str, version: str = "") -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, **({"resourceVersion": version} if version else {})},
            "propagationPolicy": "Background",
        }
        call = _Call("delete", "DELETE", reference, body=options)
        answer = await self._send(call)
        if answer.status == 404 and is_not_found(answer.body):
            return
        if answer.status == 409 and await self._is_gone(reference, uid):
            return
        answer.content(call)

    async def record_event(self, regarding: Mapping[str, Any], *, kind: str, reason: str, message: str) -> None:
        event = event_about(regarding, kind=kind, reason=reason, message=message, now=datetime.now(UTC))
        call = _Call("create", "POST", ObjectRef(EVENTS, "Event", event["metadata"]["namespace"], ""), body=event)
        (await self._send(call)).content(call)

    async def _apply(
        self, manifest: Mapping[str, Any], manager: str, subresource: str, *, force: bool = True
    ) -> Object:
        reference = _reference_of(manifest)
        parameters = {"fieldManager": manager, "force": "true" if force else "false"}
        call = _Call("apply", "PATCH", reference, subresource, parameters, manifest, APPLY)
        return (await self._send(call)).content(call)

    async def _found(self, call: _Call) -> Object | None:
        answer = await self._send(call)
        if answer.status == 404 and is_not_found(answer.body):
            return None
        return answer.content(call)

    async def _is_gone(self, reference: ObjectRef, uid: str) -> bool:
        """Whether the object that was meant has been deleted by somebody else, even if another took its name."""
        found = await self.get(reference)
        return found is None or found["metadata"]["uid"] != uid

    async def _pages(self, reference: ObjectRef, selector: str) -> Sequence[Object] | None:
        """Every page of a list; None when the server no longer remembers the state that the first page showed."""
        items: list[Object] = []
        parameters = {"limit": str(PAGE_SIZE)} | ({"labelSelector": selector} if selector else {})
        while True:
            call = _Call("list", "GET", reference, parameters=parameters)
            answer = await self._send(call)
            if answer.status == 410:
                return None
            page = answer.content(call)
            items += page.get("items") or []
            following = page["metadata"].get("continue")
            if not following:
                return items
            parameters = {**parameters, "continue": following}

    async def _send(self, call: _Call) -> _ApiResponse:
        answer = await self._send_once(call)
        if answer.status == 401 and self._token.renew():
            answer = await self._send_once(call)
        return answer

    async def _send_once(self, call: _Call) -> _ApiResponse:
        """One request and its answer, whatever its status; without an answer nothing is known about the outcome."""
        started = time.monotonic()
        code = "error"
        try:
            async with self._opened().request(
                call.method,
                self._connection.server + call.path,
                params=call.parameters,
                data=None if call.body is None else msgspec.json.encode(call.body, enc_hook=_as_plain),
                headers=self._headers(call),
                allow_redirects=False,
            ) as response:
                content = await bounded(response, MAX_BYTES)
                code = str(response.status)
                return _ApiResponse(response.status, _decoded(content), response.headers.get("Retry-After"))
        except TooLong as error:
            raise ClusterUnavailable(f"{call.subject}: the API server's answer was not read: {error}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ClusterUnavailable(f"{call.subject}: {_what_happened(error)}") from error
        finally:
            if self._on_call is not None:
                self._on_call(call.verb, call.resource.plural, code, time.monotonic() - started)

    async def _lines(self, call: _Call) -> AsyncGenerator[bytes]:
        """The lines of a streamed response, as they come. The reader has its own timeout."""
        connecting = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_SECONDS)
        try:
            async with self._opened().get(
                self._connection.server + call.path,
                params=call.parameters,
                headers=self._headers(call),
                allow_redirects=False,
                timeout=connecting,
            ) as response:
                if response.status != 200:
                    body = _decoded(await bounded(response, MAX_BYTES))
                    _ApiResponse(response.status, body, response.headers.get("Retry-After")).content(call)
                async for line in response.content:
                    yield line
        except (TooLong, TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise ClusterUnavailable(f"{call.subject}: {_what_happened(error)}") from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._connection.ssl_context()),
                timeout=self._timeout,
                headers={"User-Agent": USER_AGENT, "Accept": JSON},
            )
        return self._session

    def _headers(self, call: _Call) -> dict[str, str]:
        headers = {} if call.body is None else {"Content-Type": call.content_type}
        token = self._token.current()
        return {**headers, "Authorization": f"Bearer {token}"} if token else headers


@dataclass(frozen=True, slots=True)
class _Call:
    verb: str
    method: str
    reference: ObjectRef
    subresource: str = ""
    parameters: Mapping[str, str] | None = None
    body: Any = None
    content_type: str = JSON
    of: ApiResource | None = None
    """Where its kind is not one of those that the port knows."""

    @property
    def resource(self) -> ApiResource:
        if self.of is not None:
            return self.of
        try:
            return RESOURCES[self.reference.api_version, self.reference.kind]
        except KeyError:
            raise LookupError(f"no path is known for {self.reference.api_version} {self.reference.kind}") from None

    @property
    def path(self) -> str:
        reference = self.reference
        parts = ["api" if "/" not in reference.api_version else "apis", reference.api_version]
        if reference.namespace and self.resource.namespaced:
            parts += ["namespaces", quote(reference.namespace, safe="")]
        elif reference.name and self.resource.namespaced:
            raise ValueError(f"{self.subject} lacks a namespace")
        parts.append(self.resource.plural)
        if reference.name:
            parts.append(quote(reference.name, safe=""))
        return "/" + "/".join(parts + ([self.subresource] if self.subresource else []))

    @property
    def subject(self) -> str:
        return f"{self.reference.kind} {self.reference.name}".rstrip()


@dataclass(frozen=True, slots=True)
class _ApiResponse:
    status: int
    body: Any
    retry_after: str | None

    def content(self, call: _Call) -> Object:
        """The object in a successful answer; any other answer raises what it means."""
        if self.status >= 300:
            raise failure(self.status, self.body, call.subject, retry_after=self.retry_after)
        if not isinstance(self.body, dict):
            raise ClusterUnavailable(f"{call.subject}: the API server's answer is no object")
        return self.body


def _reference_of(manifest: Mapping[str, Any]) -> ObjectRef:
    metadata = manifest["metadata"]
    return ObjectRef(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])


def _decoded(content: bytes | bytearray) -> Any:
    """JSON as it is, anything else as text."""
    try:
        return msgspec.json.decode(content)
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
