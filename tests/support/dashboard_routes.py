"""All routes of the dashboard, by what they are about. A new one has to be named here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestClient

FORMS: Final[Mapping[str, Mapping[str, str]]] = {
    "/models/{namespace}/{name}/orders": {"verb": "approve", "about": "bbbb"},
    "/models/{namespace}/{name}/labels": {"account": "labeller", "prediction_id": "one", "outcome": "leaves"},
}
"""What is sent to each route that takes a form about an object."""
FOR_ALL: Final = frozenset({"/", "/digest"})
"""Pages about all that a person may see."""
FOR_NOBODY: Final = frozenset({"/sign-in", "/sign-out", "/assets/{name}", "/healthz"})
"""What says nothing about any object."""


def about_an_object(application: web.Application) -> list[tuple[str, str]]:
    """Method and path of each route about one object, which is named in the path."""
    routes = {
        (route.method, route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    found = {(method, path) for method, path in routes if "{namespace}" in path}
    assert {path for _, path in routes - found} == FOR_ALL | FOR_NOBODY
    assert {path for method, path in found if method == "POST"} == set(FORMS)
    return sorted(found)


async def status_of(
    client: TestClient[Any, Any], method: str, path: str, who: Mapping[str, str], form: Mapping[str, str]
) -> int:
    """Of the page that a person ends at."""
    async with client.request(method, path, headers=who, data=form if method == "POST" else None) as response:
        return response.status
