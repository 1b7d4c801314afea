"""What a reconciler must know about its subject: how to observe it, how to decide, and what to forget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from viridian.controller.keys import Key
from viridian.core.obstacles import Obstacles
from viridian.core.plan import Plan
from viridian.ports.cluster import ClusterReader, Object

Input = TypeVar("Input")


@dataclass(frozen=True, slots=True)
class Observed(Generic[Input]):
    """The input of a decision, and the one time that everything in this pass is decided by."""

    input: Input
    now: datetime


class Reconcilable(Protocol[Input]):
    """One concern of one of our kinds, as its reconciler treats it."""

    async def observe(self, key: Key, manifest: Object) -> Observed[Input]:
        """Read the world of the object, which itself has just been read; raises ClusterError."""

    def decide(self, observed: Observed[Input], obstacles: Obstacles) -> Plan:
        """Pure: what to do, and what to say, while these stand in the way of writes.

        After the writes of a pass it is asked again where something else stands in the way by then, and what it says
        then is published.
        """

    async def fail_closed(self, key: Key, manifest: Object, why: str) -> Plan | None:
        """What to do where neither observing nor deciding works: the least that keeps users safe; None for nothing."""

    def by_lists(self, lists: ClusterReader) -> Reconcilable[Input]:
        """The same, to observe what these lists show. It asks nothing else: NotListed where they are not enough."""

    async def forget(self, key: Key) -> None:
        """The object is gone, or has the labels of another installation."""
