"""Looks at all objects by lists, so that an object at rest costs a share of a few calls and no pass.

A sweep reads the objects of our kinds page by page, and the children of a page by their kinds. Each reconciler observes
and decides as in a pass, only from these lists. Where that comes to nothing to write, the object is at rest, and the
sweep takes note of it as a pass would. Everything else gets a pass, which reads the object by name: a sweep writes
nothing and decides nothing, so it does no harm that lists are a little old.

There is a sweep when this operator begins to lead, at each resync, and after a gap in a watch. What an operator sees
for the first time is left to the first sweep, and so is all that changes while another one leads, unless users are
concerned: the sweep looks later than it happened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from viridian.api.names import (
    API_VERSION,
    MODEL_DEPLOYMENT,
    RETRAIN_POLICY,
    TRAIL_LABEL,
    TRAIL_WAITING,
)
from viridian.controller.api_budget import CALLING_FOR
from viridian.controller.controller import Controller
from viridian.controller.keys import Key
from viridian.controller.listed_children import ListedChildren, NotListed, list_children
from viridian.controller.queue import SweepLook
from viridian.controller.read_ahead import read_ahead
from viridian.controller.reconcilable import Reconcilable
from viridian.controller.registry_watch import RegistryWatch
from viridian.controller.telemetry import Telemetry
from viridian.controller.user_routes import marked_routes
from viridian.controller.wakes import Wakes, owners
from viridian.core.selectors import Selector
from viridian.core.urgency import Urgency
from viridian.ports.cluster import Cluster, ClusterError, ClusterRefused, Object

log = logging.getLogger("viridian.sweep")

PAGE_SIZE: Final = 100
"""Objects that are looked at together; their children are in memory at the same time."""
RELIST_SECONDS: Final = 5.0
"""After one watch had a gap others often have one as well: one sweep is enough."""
RETRY_SECONDS: Final = 5.0
"""Until a sweep begins again that could not list the objects."""
REGISTRY_SECONDS: Final = 30.0
"""How long the first sweep waits for the registry at most. What is not known by then is left to passes."""
_POLL_SECONDS: Final = 0.1
_ROOM_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class _ObjectPage:
    number: int
    """How many pages had been asked for with it."""
    objects: Mapping[Key, Object]
    looks: Sequence[tuple[Controller, SweepLook]]
    """At the objects, by what is read since the page was asked for."""


_Family = tuple[Mapping[Key, Object], ListedChildren | None]
"""Objects of one namespace with their children; None where those cannot be listed."""


@dataclass(slots=True)
class Sweeps:
    """Makes sweeps while this operator leads."""

    cluster: Cluster
    controllers: Sequence[Controller]
    wakes: Wakes
    telemetry: Telemetry
    registry_watches: Sequence[RegistryWatch]
    namespaces: Sequence[str | None]
    selector: Selector
    resync: Callable[[], float]
    """Seconds from the end of one sweep to the start of the next one."""
    gateway_api: bool = False
    """Whether there may be routes among the children."""
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _leads: bool = False
    _first: bool = True
    """Whether no sweep has come to its end since this operator began to lead."""
    _pages: int = 0
    _left: dict[Key, int] = field(default_factory=dict)
    """What was left to the first sweep, and how many pages had been asked for when it was woken last."""
    _looked_at: set[Key] = field(default_factory=set)
    """What the first sweep has come to so far."""

    async def keep_sweeping(self) -> None:
        """One sweep after the other, until cancelled."""
        CALLING_FOR.set(Urgency.IDLE)
        self._leads = True
        while True:
            self._asked.clear()
            try:
                if self._first:
                    await self._prepare()
                await self.sweep()
            except ClusterError as error:
                log.warning("the objects could not be listed: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await self._until_next()

    def ask(self) -> None:
        """A sweep is needed soon: something may have been missed."""
        self._asked.set()

    def begin_anew(self) -> None:
        """This operator does not lead any more. When it does again, others have worked meanwhile."""
        self._leads, self._first = False, True
        self._end()

    def is_left(self, key: Key, *, changed: bool) -> bool:
        """Whether an object that is woken can wait for the first sweep. What has just changed waits for no sweep."""
        if not self._first or key in self._looked_at or (changed and self._leads):
            return False
        self._left[key] = self._pages
        return True

    def known(self) -> frozenset[Key]:
        """Every object that the loop knows of."""
        return self.wakes.known().union(self._left, *(one.queue.known() for one in self.controllers))

    async def _prepare(self) -> None:
        """See every ModelDeployment, and wait until the registry has answered about the models that they follow."""
        for namespace in self.namespaces:
            with suppress(ClusterRefused):  # the sweep reports it
                async for page in self._pages_of(MODEL_DEPLOYMENT, namespace):
                    self._see(page)
        try:
            async with asyncio.timeout(REGISTRY_SECONDS):
                for watch in self.registry_watches:
                    await watch.table.filled.wait()
                    watch.ask_now()
                while not all(watch.has_asked() for watch in self.registry_watches):  # noqa: ASYNC110 - several tables
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            log.warning("the registry has not answered about all models in %g s", REGISTRY_SECONDS)

    async def sweep(self) -> None:
        """Look at every object that there is, and let passes find out about each that is known and not listed."""
        known, listed = self.known(), set[Key]()
        for kind in (MODEL_DEPLOYMENT, RETRAIN_POLICY):
            for namespace in self.namespaces:
                try:
                    listed |= await self._kind(kind, namespace)
                except ClusterRefused as error:
                    log.error("the objects may not be listed: %s", error)
        self._first = False
        known |= await self._with_a_waiting_trail()
        for key in await self._with_a_joined_route():
            self.request_pass(key)
        for key in (known | self._left.keys()) - listed:
            self.request_pass(key)
        self._end()
        self.telemetry.sweeps.inc()

    async def _with_a_waiting_trail(self) -> set[Key]:
        """The objects of which a part of the trail waits for MLflow: of these, some may be gone."""
        found = set[Key]()
        labels = {TRAIL_LABEL: TRAIL_WAITING}
        for namespace in self.namespaces:
            with suppress(ClusterRefused):  # the looks at each object report it
                journals = await self.cluster.list("apps/v1", "ControllerRevision", namespace, labels)
                found |= {key for journal in journals for key in owners(journal)}
        return found

    async def _with_a_joined_route(self) -> set[Key]:
        """Whose mark stands on a route of a user: of these, some may be gone, or have been made anew."""
        found = set[Key]()
        for namespace in self.namespaces if self.gateway_api else ():
            with suppress(ClusterRefused):  # the looks at each object report it
                marked = await marked_routes(self.cluster, namespace)
                found |= {Key(MODEL_DEPLOYMENT, route["metadata"]["namespace"], mark.owner) for route, mark in marked}
        return found

    def _end(self) -> None:
        self._left.clear()
        self._looked_at.clear()

    async def _kind(self, kind: str, namespace: str | None) -> set[Key]:
        """Look at all objects of a kind; their keys."""
        listed = set[Key]()
        async with aclosing(read_ahead(self._families_of(kind, namespace))) as pages:
            async for page, families in pages:
                self._begin_to_look(page)
                listed |= page.objects.keys()
                for objects, children in families:
                    await self._look_at(page, objects, children)
        return listed

    async def _families_of(self, kind: str, namespace: str | None) -> AsyncGenerator[tuple[_ObjectPage, list[_Family]]]:
        """Each page with the children of its objects, by namespace."""
        async for page in self._pages_of(kind, namespace):
            families: list[_Family] = []
            for one, group in groupby(sorted(page.objects), key=lambda key: key.namespace):
                objects = {key: page.objects[key] for key in group}
                families.append((objects, await self._children(kind, one, objects)))
            yield page, families

    async def _pages_of(self, kind: str, namespace: str | None) -> AsyncGenerator[_ObjectPage]:
        page_after = ""
        while True:
            self._pages += 1
            number = self._pages
            looks = [(one, one.queue.begin_look()) for one in self.controllers if one.kind == kind]
            read = await self.cluster.page(API_VERSION, kind, namespace, limit=PAGE_SIZE, token=page_after)
            served = [one for one in read.items if self.selector.matches(one["metadata"].get("labels"))]
            yield _ObjectPage(number, {_key(kind, one): one for one in served}, looks)
            page_after = read.next_token
            if not page_after:
                return

    async def _children(self, kind: str, namespace: str, owners: Collection[Key]) -> ListedChildren | None:
        try:
            return await list_children(self.cluster, kind, namespace, owners, gateway_api=self.gateway_api)
        except ClusterError as error:
            log.warning("the children of %s in %s could not be listed: %s", kind, namespace, error)
            return None

    def _see(self, page: _ObjectPage) -> None:
        """Take the page for events, as a watch that begins anew would tell them."""
        for key, manifest in page.objects.items():
            self.wakes.own(key.kind, manifest, deleted=False)

    def _begin_to_look(self, page: _ObjectPage) -> None:
        # What was woken since the page was asked for: the page may be older than what happened.
        late = [key for key in page.objects if self._left.get(key, 0) >= page.number]
        self._see(page)
        self._looked_at.update(page.objects)
        for key in late:
            self.request_pass(key)

    async def _look_at(self, page: _ObjectPage, objects: Mapping[Key, Object], children: ListedChildren | None) -> None:
        """Look at the objects of one page and namespace."""
        if children is None:
            for key in objects:
                self.request_pass(key)
            return
        for controller, look in page.looks:
            subject = controller.reconciler.subject.by_lists(children)
            for key, manifest in objects.items():
                if controller.queue.rests(key, look):
                    await self._look(controller, key, manifest, subject, look)
                    await self._make_room()

    async def _look(
        self, controller: Controller, key: Key, manifest: Object, subject: Reconcilable[Any], look: SweepLook
    ) -> None:
        try:
            found = await controller.reconciler.at_rest(key, manifest, subject)
        except NotListed:
            if controller.queue.rings_within(key, self.resync()):
                return
            found = None
        except Exception as error:  # a pass meets it too: there it is logged, counted, and has consequences
            log.debug("no look: %s", error, extra={"key": str(key)})
            found = None
        if found is None:
            controller.queue.add(key)
        elif controller.queue.settle(key, look, found.ending):
            controller.reconciler.remember(key, found)
        self.telemetry.looked(controller.name, at_rest=found is not None)

    async def _make_room(self) -> None:
        """For whatever else is to run, and before all for passes over what is at stake."""
        await asyncio.sleep(0)
        while any(one.queue.depth_of(Urgency.AT_STAKE) for one in self.controllers):  # noqa: ASYNC110 - several queues
            await asyncio.sleep(_ROOM_SECONDS)

    def request_pass(self, key: Key) -> None:
        """Every reconciler of its kind looks at this object."""
        for controller in self.controllers:
            if controller.kind == key.kind:
                controller.queue.add(key)

    async def _until_next(self) -> None:
        try:
            async with asyncio.timeout(self.resync()):
                await self._asked.wait()
        except TimeoutError:
            return
        await asyncio.sleep(RELIST_SECONDS)


def _key(kind: str, manifest: Object) -> Key:
    return Key(kind, manifest["metadata"]["namespace"], manifest["metadata"]["name"])
