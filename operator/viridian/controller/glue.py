"""The glue to Kopf, which discovers and watches our two kinds. It keeps no state on objects and runs no timers.

Only raw events are handled: they leave no annotation, need no finalizer, and nothing of them is retried, which is the
queue's work. A handler looks up a key and puts it into the queue; it cannot fail and it never waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from viridian.api.names import GROUP
from viridian.api.resources import OWN, ApiResource
from viridian.controller.loop import Loop

PREFIX = f"operator.{GROUP}"

Login = Callable[[], Awaitable[kopf.AiohttpSession]]


class NothingCompared(kopf.DiffBaseStorage):
    """Kopf's own storages copy each object with each event, for handlers of changes. There are none."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        """Nothing, as Kopf does for raw events."""


def settings(*, namespaced: bool, selector: str = "") -> kopf.OperatorSettings:
    """Kopf's settings; docs/decisions tells of each why."""
    chosen = kopf.OperatorSettings()
    # A safety net: nothing of Kopf's that uses these is used.
    chosen.persistence.finalizer = f"{PREFIX}/finalizer"
    chosen.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX, v1=False)
    chosen.persistence.diffbase_storage = NothingCompared()
    chosen.peering.standalone = True
    chosen.posting.enabled = False
    chosen.watching.inactivity_timeout = 70
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 330
    chosen.watching.connect_timeout = 10
    chosen.watching.chunk_size = 500
    for resource in OWN if selector else ():
        chosen.watching.label_selectors[resource.group, resource.version, resource.plural] = selector
    chosen.queueing.idle_timeout = 1
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
    chosen.execution.max_workers = 8
    # Namespaced, it has no rights to list CustomResourceDefinitions and namespaces; `main` checks them at the start.
    chosen.scanning.disabled = namespaced
    return chosen


def handlers(
    loop: Loop, *, login: Login, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]
) -> kopf.OperatorRegistry:
    """The handlers, in a registry of their own."""
    registry = kopf.OperatorRegistry()
    for resource in OWN:
        _watch_own(registry, loop, resource)
    for name, check in _checks(loop).items():
        _probe(registry, name, check)

    # Two seconds instead of Kopf's minute: nothing works without credentials.
    @kopf.on.login(registry=registry, backoff=2)
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return await login()

    @kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def begin(**_: Any) -> None:
        await start()

    @kopf.on.cleanup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def end(**_: Any) -> None:
        await stop()

    return registry


def _watch_own(registry: kopf.OperatorRegistry, loop: Loop, resource: ApiResource) -> None:
    @kopf.on.event(
        group=resource.group,
        version=resource.version,
        plural=resource.plural,
        id=f"wake-{resource.plural}",
        registry=registry,
    )
    async def wake(event: kopf.RawEvent, **_: Any) -> None:
        loop.wakes.own(resource.kind, event["object"], deleted=event["type"] == "DELETED")


def _checks(loop: Loop) -> dict[str, Callable[[], str]]:
    return {
        "loop": loop.health.check_loop,
        "progress": loop.health.check_progress,
        "tasks": loop.health.check_tasks,
    }


def _probe(registry: kopf.OperatorRegistry, name: str, check: Callable[[], str]) -> None:
    # What a check raises makes the probe answer 500; retrying it here would only make the probe wait.
    @kopf.on.probe(id=name, registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def probe(**_: Any) -> str:
        return check()
