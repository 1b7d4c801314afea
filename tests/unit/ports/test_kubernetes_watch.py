"""The adapter of the watch: what it asks of the API server, and what it makes of a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from viridian.api.child_kinds import child_kind
from viridian.ports import api_client
from viridian.ports.cluster import ClusterRefused, ClusterUnavailable
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes_watch import KubernetesWatch
from viridian.ports.watch import ObjectChange, Watched

SERVICES = Watched(child_kind("Service").resource, "ml", "a=b,!c")
PODS = Watched(child_kind("Pod").resource, None, "a=b", whole=True)
METADATA: dict[str, Any] = {
    "name": "churn",
    "namespace": "ml",
    "resourceVersion": "12",
    "labels": {"a": "b"},
    "ownerReferences": [{"apiVersion": "viridian.dev/v1alpha1", "kind": "ModelDeployment", "name": "churn"}],
}
REST = {"uid": "u", "managedFields": [{"manager": "m"}], "annotations": {"x": "y"}}
STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "on purpose"}


class Hush:
    """The stream stays open and silent."""


class Cut:
    """The connection breaks."""


Part = bytes | Hush | Cut


class StreamingApi:
    """Answers the first request with the first script, and so on; the last one again and again."""

    def __init__(self, *scripts: tuple[int, list[Part]]) -> None:
        self._scripts = list(scripts)
        self.asked: list[web.Request] = []
        self._leaving = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        status, parts = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        response = web.StreamResponse(status=status)
        for part in parts:
            if isinstance(part, Hush):
                await self._leaving.wait()
            elif isinstance(part, Cut):
                assert request.transport is not None
                request.transport.abort()
            else:
                await self._write(request, response, part)
        return response

    async def _write(self, request: web.Request, response: web.StreamResponse, part: bytes) -> None:
        if not response.prepared:
            await response.prepare(request)
        await response.write(part)

    def leave(self) -> None:
        self._leaving.set()


@asynccontextmanager
async def served(*scripts: tuple[int, list[Part]]) -> AsyncIterator[StreamingApi]:
    api = StreamingApi(*scripts)
    application = web.Application()
    application.router.add_route("GET", "/{path:.*}", api.handle)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        api.leave()
        await runner.cleanup()


def line(type_: str, **object_: Any) -> bytes:
    return json.dumps({"type": type_, "object": object_}).encode() + b"\n"


def modified(version: str, **rest: Any) -> bytes:
    return line("MODIFIED", kind="PartialObjectMetadata", metadata={**METADATA, "resourceVersion": version, **rest})


async def follow(api: StreamingApi, seen: list[ObjectChange], watched: Watched = SERVICES, **flags: Any) -> None:
    async with KubernetesWatch(ApiConnection(api.url), **flags) as watch, watch.changes(watched, "10") as changes:
        async for change in changes:
            seen.append(change)


async def changes(api: StreamingApi, watched: Watched = SERVICES) -> list[ObjectChange]:
    """All of a stream that ends well."""
    seen: list[ObjectChange] = []
    await follow(api, seen, watched)
    return seen


async def seen_until(api: StreamingApi, error: type[Exception], match: str, **flags: Any) -> list[ObjectChange]:
    """The changes of a stream that ends with this error."""
    seen: list[ObjectChange] = []
    with pytest.raises(error, match=match):
        await follow(api, seen, **flags)
    return seen


async def test_metadata_alone_is_asked_for_and_only_what_wakes_is_kept() -> None:
    async with served((200, [line("ADDED", kind="PartialObjectMetadata", metadata={**METADATA, **REST})])) as api:
        [change] = await changes(api)
    assert change == ObjectChange("12", {"apiVersion": "v1", "kind": "Service", "metadata": METADATA})
    [asked] = api.asked
    assert asked.path == "/api/v1/namespaces/ml/services"
    assert "as=PartialObjectMetadata;" in asked.headers["Accept"]
    assert dict(asked.query) == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "labelSelector": "a=b,!c",
        "resourceVersion": "10",
        "timeoutSeconds": "300",
    }


async def test_whole_objects_come_as_they_are() -> None:
    whole = {"metadata": {**METADATA, **REST}, "status": {"phase": "Succeeded"}}
    async with served((200, [line("DELETED", **whole)])) as api:
        [change] = await changes(api, PODS)
    assert change == ObjectChange("12", {"apiVersion": "v1", "kind": "Pod", **whole}, deleted=True)
    assert (api.asked[0].path, api.asked[0].headers["Accept"]) == ("/api/v1/pods", "application/json")


async def test_a_bookmark_is_a_version_without_an_object() -> None:
    bookmark = line("BOOKMARK", kind="PartialObjectMetadata", metadata={"resourceVersion": "40"})
    async with served((200, [bookmark])) as api:
        assert await changes(api) == [ObjectChange("40")]


async def test_lines_are_put_together_however_they_are_cut() -> None:
    text = modified("11") + modified("12", annotations={"x": "y" * 200_000}) + modified("13")
    cut: list[Part] = [text[start : start + 70_001] for start in range(0, len(text), 70_001)]
    async with served((200, [modified("9")[:20], modified("9")[20:], *cut, modified("14")[:-9]])) as api:
        assert [change.version for change in await changes(api)] == ["9", "11", "12", "13"], "the last has no end"


async def test_a_line_without_an_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "MAX_LINE_BYTES", 1000)
    async with served((200, [modified("11"), modified("12", annotations={"x": "y" * 2000})[:-1], Hush()])) as api:
        await seen_until(api, ClusterRefused, "longer than 1000 bytes")


@pytest.mark.parametrize("code", [410, 500])
async def test_an_error_in_the_stream_means_that_changes_are_missed(code: int) -> None:
    """Whatever its code, the next watch from the same version would meet it again."""
    async with served((200, [modified("11"), line("ERROR", **STATUS, code=code), Hush()])) as api:
        seen = await seen_until(api, ClusterRefused, "on purpose")
    assert [change.version for change in seen] == ["11"]


@pytest.mark.parametrize(
    "broken",
    [b"{}\n", b"nonsense\n", b'{"type": "MODIFIED", "object": {"metadata": {}}}\n', line("ERROR"), b"\xff\n"],
)
async def test_a_line_that_cannot_be_read_too(broken: bytes) -> None:
    async with served((200, [broken, Hush()])) as api:
        await seen_until(api, ClusterRefused, "Service")


async def test_a_version_that_the_server_no_longer_knows_is_refused() -> None:
    async with served((410, [json.dumps({**STATUS, "reason": "Expired"}).encode()])) as api:
        await seen_until(api, ClusterRefused, "on purpose")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_outage_is_no_refusal(status: int) -> None:
    async with served((status, [json.dumps(STATUS).encode()])) as api:
        await seen_until(api, ClusterUnavailable, "on purpose")


async def test_a_connection_that_breaks_has_lost_nothing() -> None:
    async with served((200, [modified("11"), modified("12")[:30], Cut()])) as api:
        seen = await seen_until(api, ClusterUnavailable, "no answer")
    assert [change.version for change in seen] == ["11"]


async def test_a_silent_connection_is_given_up() -> None:
    async with served((200, [modified("11"), Hush()])) as api:
        seen = await seen_until(api, ClusterUnavailable, "in time", silence_seconds=0.2)
    assert [change.version for change in seen] == ["11"]


async def test_a_server_that_accepts_and_never_answers_is_given_up() -> None:
    async with served((200, [Hush()])) as api:
        assert await seen_until(api, ClusterUnavailable, "in time", silence_seconds=0.2) == []


async def test_after_401_the_token_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("token")
    told: list[tuple[str, str, str]] = []
    async with (
        served((401, [b"{}"]), (200, [modified("11")])) as api,
        KubernetesWatch(ApiConnection(api.url, token_path=path), on_call=lambda *call: told.append(call[:3])) as watch,
        watch.changes(SERVICES, "10") as found,
    ):
        assert (await anext(found)).version == "11"
    assert [asked.headers["Authorization"] for asked in api.asked] == ["Bearer token"] * 2
    assert told == [("watch", "services", "401"), ("watch", "services", "200")]


async def test_where_nobody_listens_it_is_unavailable() -> None:
    async with served((200, [])) as api:
        pass
    assert await seen_until(api, ClusterUnavailable, "no answer") == []


async def test_the_latest_version_costs_one_object() -> None:
    found = {"kind": "PartialObjectMetadataList", "metadata": {"resourceVersion": "77", "continue": "x"}, "items": []}
    async with served((200, [json.dumps(found).encode()])) as api, KubernetesWatch(ApiConnection(api.url)) as watch:
        assert await watch.latest_version(SERVICES) == "77"
    [asked] = api.asked
    assert (asked.path, dict(asked.query)) == ("/api/v1/namespaces/ml/services", {"limit": "1"})
    assert "as=PartialObjectMetadataList;" in asked.headers["Accept"]


async def test_a_list_without_a_version_is_unusable() -> None:
    async with served((200, [b'{"metadata": {}}'])) as api, KubernetesWatch(ApiConnection(api.url)) as watch:
        with pytest.raises(ClusterUnavailable):
            await watch.latest_version(SERVICES)
