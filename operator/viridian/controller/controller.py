"""A controller: one reconciler with a queue of its own, and the events that concern it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from viridian.controller.act import Actor
from viridian.controller.attempts import Attempts
from viridian.controller.backoff import Backoff
from viridian.controller.environment import Common
from viridian.controller.keys import Key
from viridian.controller.queue import WorkQueue
from viridian.controller.reconcilable import Input, Reconcilable
from viridian.controller.reconcile import Reconciler
from viridian.controller.status import StatusWriter
from viridian.controller.status_parts import StatusPart
from viridian.core.plan import ClusterAction
from viridian.core.urgency import Urgency

Manifest = Mapping[str, Any]


def _takes_no_notes(child: Manifest, deleted: bool) -> None:
    """Of what the watch tells."""


def _ends_nothing() -> None:
    """Beside the passes."""


def _always(key: Key) -> bool:  # noqa: ARG001
    return True


@dataclass(frozen=True, slots=True)
class Controller:
    """What runs one reconciler; satisfies `viridian.controller.wakes.Wakeable`."""

    name: str
    kind: str
    children: frozenset[str]
    reconciler: Reconciler[Any]
    queue: WorkQueue
    left_to_sweep: Callable[[Key, bool], bool]
    saw: Callable[[Manifest, bool], None] = _takes_no_notes
    reads_children_of: Callable[[Key], bool] = _always
    follows_registry: bool = False
    stand_by: Callable[[], None] = _ends_nothing
    """Ends what the subject does between its passes."""

    def child_changed(self, key: Key) -> None:
        if self.reads_children_of(key):
            self.wake(key)

    def wake(self, key: Key, urgency: Urgency = Urgency.IDLE, *, changed: bool = True) -> None:
        idle = urgency is Urgency.IDLE and self.queue.urgency(key) is Urgency.IDLE
        if not (idle and self.left_to_sweep(key, changed)):
            self.queue.add(key, urgency)

    def wrote(self, key: Key, status: Manifest) -> bool:
        return self.reconciler.statuses.wrote(key, status)

    async def close(self) -> None:
        """End what goes on beside the passes."""
        self.stand_by()
        await self.reconciler.actor.close()
        await self.reconciler.statuses.close()


def controller(
    common: Common,
    name: str,
    kind: str,
    subject: Reconcilable[Input],
    part: StatusPart,
    *,
    children: frozenset[str],
    saw: Callable[[Manifest, bool], None] = _takes_no_notes,
    reads_children_of: Callable[[Key], bool] = _always,
    follows_registry: bool = False,
    stand_by: Callable[[], None] = _ends_nothing,
    wrote: Callable[[Key, ClusterAction], None] = lambda *_: None,
) -> Controller:
    """The controller of one subject, which owns this part of the status and reads children of these kinds.

    `reads_children_of(key)`: whether the latest pass over the key has read any, where some passes read none.
    """
    environment, observer = common.environment, common.telemetry.of(name, kind)

    def attempts() -> Attempts:
        return Attempts(environment.random, look_again=lambda key: queue.add(key))

    reconciler = Reconciler(
        cluster=environment.cluster,
        subject=subject,
        actor=Actor(
            environment.cluster,
            common.registries,
            environment.pods,
            attempts=attempts(),
            wrote=wrote,
        ),
        statuses=StatusWriter(environment.cluster, part, attempts()),
        observer=observer,
        selector=common.selector,
        registry_written=common.registry_written,
        forget=common.forget,
    )
    queue = WorkQueue(reconciler, backoff=Backoff(environment.random), observer=observer)
    common.telemetry.watch_queue(name, queue)
    return Controller(
        name,
        kind,
        children,
        reconciler,
        queue,
        common.left_to_sweep,
        saw,
        reads_children_of,
        follows_registry,
        stand_by,
    )
