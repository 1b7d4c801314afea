"""Requests to the API server, read from their paths."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from viridian.controller.tracing import TracedRequest, parse_request, trace


@pytest.mark.parametrize(
    ("method", "path", "request_"),
    [
        ("GET", "/api/v1/pods?watch=true", TracedRequest("watch", "pods", "")),
        ("GET", "/api/v1/namespaces/ml/services?watch=true", TracedRequest("watch", "services", "ml")),
        ("GET", "/api/v1/namespaces/ml/services", TracedRequest("list", "services", "ml")),
        ("GET", "/apis/apps/v1/namespaces/ml/deployments/churn", TracedRequest("get", "deployments", "ml")),
        ("GET", "/api/v1/namespaces/ml", TracedRequest("get", "namespaces", "")),
        ("GET", "/apis/apps/v1", TracedRequest("get", "discovery", "")),
        ("GET", "/api", TracedRequest("get", "discovery", "")),
        (
            "PATCH",
            "/apis/viridian.dev/v1alpha1/namespaces/ml/modeldeployments/churn/status",
            TracedRequest("apply", "modeldeployments/status", "ml"),
        ),
        ("POST", "/apis/events.k8s.io/v1/namespaces/ml/events", TracedRequest("create", "events", "ml")),
        ("DELETE", "/apis/batch/v1/namespaces/ml/jobs/a", TracedRequest("delete", "jobs", "ml")),
    ],
)
def test_a_request_is_read_from_its_path(method: str, path: str, request_: TracedRequest) -> None:
    assert parse_request(method, URL(f"https://10.96.0.1{path}")) == request_


async def test_requests_are_counted_and_established_watches_noted() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=403 if "jobs" in request.path else 200)

    application = web.Application()
    application.router.add_get("/{anything:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = f"http://127.0.0.1:{runner.addresses[0][1]}"

    calls: list[tuple[str, str, str]] = []
    watches: list[str] = []
    lists: list[str] = []
    config = trace(
        lambda verb, resource, code, _: calls.append((verb, resource, code)),
        watching=watches.append,
        listing=lists.append,
    )
    async with aiohttp.ClientSession(trace_configs=[config]) as session:
        for path in ("/api/v1/pods?watch=true", "/apis/batch/v1/namespaces/ml/jobs?watch=true", "/api/v1/pods"):
            async with session.get(server + path):
                pass
        await runner.cleanup()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(server + "/api/v1/services")
    assert calls == [
        ("watch", "pods", "200"),
        ("watch", "jobs", "403"),
        ("list", "pods", "200"),
        ("list", "services", "error"),
    ]
    assert (watches, lists) == (["pods"], ["pods"])
