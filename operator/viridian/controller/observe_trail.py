"""Observe what the trail of an object needs: the object, its records, and at need the MLflow run of its trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api.automation import Mode
from viridian.api.names import TRAIL_LABEL, TRAIL_WAITING
from viridian.controller.event_outbox import EventOutbox
from viridian.controller.keys import Key
from viridian.controller.listed_children import NOT_ASKED
from viridian.controller.reconcilable import Observed
from viridian.controller.registries import ByNamespace
from viridian.core.lookup import labels_of, text
from viridian.core.obstacles import Obstacles
from viridian.core.plan import Plan
from viridian.ports.cluster import Cluster, ClusterReader, ClusterUnavailable, Object, ObjectRef
from viridian.ports.registry import Registry, RegistryError
from viridian.trail.journal import (
    OWNER_LABELS,
    Journal,
    read_journal,
    stored_journal,
    with_delivered,
    without_entries,
)
from viridian.trail.trail_input import RegistryGap, TrailInput, TrailPage
from viridian.trail.trail_pages import TrailBatch, first_batch, owner_uid
from viridian.trail.trail_plan import decide_trail, next_batch


@dataclass(frozen=True, slots=True)
class Trails:
    """How the loop keeps the trail of an object of either kind."""

    cluster: ClusterReader
    journals: Cluster
    """Where the journals of objects lie that are gone."""
    registries: ByNamespace[Registry]
    has_registry: bool
    outbox: EventOutbox | None
    """What sends events; None where nobody wants any."""
    clock: Callable[[], datetime]

    async def observe(self, key: Key, manifest: Object) -> Observed[TrailInput]:
        """Its records; of MLflow nothing while no entry waits."""
        labels = {OWNER_LABELS[key.kind]: key.name}
        children = await self.cluster.list("apps/v1", "ControllerRevision", key.namespace, labels)
        await self._close_earlier(key, manifest, children)
        given = TrailInput(
            manifest=manifest,
            children=tuple(children),
            has_registry=self.has_registry,
            has_sink=self.outbox is not None,
        )
        given = await self._with_delivery(key, given)
        if (batch := next_batch(given)) is not None:
            given = await self._with_page(key, given, batch)
        return Observed(given, self.clock())

    def decide(self, observed: Observed[TrailInput], obstacles: Obstacles) -> Plan:
        return decide_trail(replace(observed.input, obstacles=obstacles), observed.now)

    async def fail_closed(self, key: Key, manifest: Object, why: str) -> Plan | None:  # noqa: ARG002
        """No user meets the trail."""
        return None

    def by_lists(self, lists: ClusterReader) -> Trails:
        outbox = NOT_ASKED if self.outbox is not None else None
        return replace(self, cluster=lists, registries=ByNamespace(NOT_ASKED), outbox=outbox)

    async def forget(self, key: Key) -> None:
        """Write to MLflow, and send, what waits of an object that is gone; then its journal goes as well."""
        if not self.has_registry and self.outbox is None:
            return
        labels = {OWNER_LABELS[key.kind]: key.name, TRAIL_LABEL: TRAIL_WAITING}
        waiting = await self.journals.list("apps/v1", "ControllerRevision", key.namespace, labels)
        present = await self.journals.get(key.reference) if waiting else None
        for journal in waiting:
            if owner_uid(journal) != text(present, "metadata", "uid"):
                await self._close(key, journal)
        if self.outbox is not None:
            self.outbox.forget(key)

    async def _close_earlier(self, key: Key, manifest: Object, children: Sequence[Object]) -> None:
        """Write what waits of earlier objects of this name. While MLflow or the sink is away, it waits on."""
        for child in children if self.has_registry or self.outbox is not None else ():
            if TRAIL_LABEL in labels_of(child) and owner_uid(child) != text(manifest, "metadata", "uid"):
                with suppress(ClusterUnavailable):
                    await self._close(key, child)

    async def _close(self, key: Key, journal: Object) -> None:
        content, uid = read_journal(journal), owner_uid(journal)
        if self.has_registry:
            await self._write_all(key, uid, content)
        if self.outbox is not None:
            await self._send_all(key, uid, content, self.outbox)
        name = text(journal, "metadata", "name")
        reference = ObjectRef("apps/v1", "ControllerRevision", key.namespace, name)
        await self.journals.delete(reference, uid=text(journal, "metadata", "uid"))

    async def _write_all(self, key: Key, uid: str, content: Journal) -> None:
        while (batch := first_batch(content.waiting(), key.kind, key.namespace, key.name, uid)) is not None:
            try:
                await _write(self.registries.of(key.namespace), batch)
            except RegistryError as error:
                raise ClusterUnavailable(f"the trail of {key}, which is gone, waits for MLflow: {error}") from error
            content = without_entries(content, batch.entries[-1].number)

    async def _send_all(self, key: Key, uid: str, content: Journal, outbox: EventOutbox) -> None:
        while content.undelivered():
            delivery = await outbox.deliver(key, uid, {}, content)
            if delivery.problem:
                raise ClusterUnavailable(f"the events of {key}, which is gone, wait: {delivery.problem}")
            content = with_delivered(content, delivery.number)

    async def _with_delivery(self, key: Key, given: TrailInput) -> TrailInput:
        """Send what the stored journal has. Only what a plan may record is sent: in mode Observe nothing is."""
        journal = read_journal(stored_journal(given))
        if self.outbox is None or text(given.manifest, "spec", "mode") == Mode.OBSERVE:
            return given
        if not journal.undelivered():
            return given
        delivery = await self.outbox.deliver(key, given.uid, given.manifest, journal)
        return replace(given, delivered=delivery.number, sink_gap=delivery.problem)

    async def _with_page(self, key: Key, given: TrailInput, batch: TrailBatch) -> TrailInput:
        try:
            run = await self.registries.of(key.namespace).find_run(batch.experiment, batch.run_key)
        except RegistryError as error:
            return replace(given, gap=RegistryGap(error.reason, error.message))
        return replace(given, page=TrailPage(run.run_id, frozenset(run.tags)) if run is not None else None)


async def _write(registry: Registry, batch: TrailBatch) -> None:
    run = await registry.create_run(batch.experiment, batch.run_key, batch.run_tags)
    if missing := batch.missing(frozenset(run.tags)):
        await registry.tag_run(run.run_id, missing)
