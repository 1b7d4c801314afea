"""The port `Watch` over the Kubernetes API: typed decoding of the metadata alone, or whole objects where asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, Final, TypedDict

import msgspec

from viridian.ports.api_client import JSON, ApiCall, ApiClient, OnCall, decoded
from viridian.ports.api_responses import failure
from viridian.ports.cluster import ClusterRefused, ClusterUnavailable
from viridian.ports.connection import ApiConnection
from viridian.ports.watch import ObjectChange, Watched

SERVER_SECONDS: Final = 300
"""After which the server ends a watch, and another one goes on from there."""
SILENCE_SECONDS: Final = 150.0
"""The API server sends a bookmark each minute, the first one after up to two: a longer silence is a dead connection."""

_METADATA_ONLY: Final = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_LIST_OF_METADATA: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_CHANGES: Final = frozenset({"ADDED", "MODIFIED", "DELETED"})


class _OwnerReference(TypedDict, total=False):
    apiVersion: str
    kind: str
    name: str


class _Metadata(TypedDict, total=False):
    name: str
    namespace: str
    resourceVersion: str
    deletionTimestamp: str
    labels: dict[str, str]
    ownerReferences: list[_OwnerReference]


class _Partial(TypedDict):
    """What is decoded of an object: a TypedDict skips everything else without making it."""

    metadata: _Metadata


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


_line = msgspec.json.Decoder(_Line)
_partial = msgspec.json.Decoder(_Partial)
_whole = msgspec.json.Decoder(dict[str, Any])


class KubernetesWatch:
    """Satisfies `viridian.ports.watch.Watch`; with a connection for each stream."""

    def __init__(
        self, connection: ApiConnection, *, silence_seconds: float = SILENCE_SECONDS, on_call: OnCall | None = None
    ) -> None:
        self._client = ApiClient(connection, max_connections=0, on_call=on_call)
        self._silence_seconds = silence_seconds

    async def __aenter__(self) -> KubernetesWatch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def latest_version(self, watched: Watched) -> str:
        """By a list of at most one object, whichever: with a selector the server may have to read all of them."""
        call = _call("list", watched, {"limit": "1"}, _LIST_OF_METADATA)
        version = (await self._client.send(call)).content(call)["metadata"].get("resourceVersion")
        if not version:
            raise ClusterUnavailable(f"{call.subject}: the API server's list has no version")
        return str(version)

    @asynccontextmanager
    async def changes(self, watched: Watched, since: str) -> AsyncIterator[AsyncGenerator[ObjectChange]]:
        parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": watched.selector,
            "resourceVersion": since,
            "timeoutSeconds": str(SERVER_SECONDS),
        }
        call = _call("watch", watched, parameters, JSON if watched.whole else _METADATA_ONLY)
        async with (
            self._client.stream(call, silence_seconds=self._silence_seconds) as lines,
            aclosing(_changes(call, watched, lines)) as changes,
        ):
            yield changes


async def _changes(call: ApiCall, watched: Watched, lines: AsyncIterator[bytes]) -> AsyncGenerator[ObjectChange]:
    async for line in lines:
        try:
            change = _change(call, watched, line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError) as error:
            raise ClusterRefused(f"{call.subject}: a line of the watch cannot be read: {error}") from error
        yield change


def _change(call: ApiCall, watched: Watched, line: bytes) -> ObjectChange:
    event = _line.decode(line)
    if event.type == "BOOKMARK":
        return ObjectChange(_partial.decode(event.object)["metadata"]["resourceVersion"])
    if event.type not in _CHANGES:
        raise _failed(call, decoded(event.object))
    found: Mapping[str, Any] = (_whole if watched.whole else _partial).decode(event.object)
    named = {"apiVersion": watched.resource.api_version, "kind": watched.resource.kind}
    return ObjectChange(found["metadata"]["resourceVersion"], {**found, **named}, event.type == "DELETED")


def _failed(call: ApiCall, status: Any) -> ClusterRefused:
    """An error in the stream, whatever its code: the next watch from the same version would meet it again."""
    code = status.get("code") if isinstance(status, dict) else None
    return ClusterRefused(f"{failure(code if isinstance(code, int) else 500, status, call.subject)}")


def _call(verb: str, watched: Watched, parameters: Mapping[str, str], accept: str) -> ApiCall:
    return ApiCall(verb, "GET", watched.resource, watched.namespace or "", parameters=parameters, accept=accept)
