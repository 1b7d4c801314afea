"""Those who wait, in a queue for each tenant. The tenants take turns: nobody waits for all that another wants."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """First come, first served within a tenant; one after the other between them."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[Item]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __iter__(self) -> Iterator[Item]:
        return (item for queue in self._queues.values() for item in queue)

    def add(self, tenant: str, item: Item) -> None:
        """It waits behind the others of its tenant."""
        self._queues.setdefault(tenant, deque()).append(item)

    def next(self, fits: Callable[[str, Item], bool]) -> tuple[str, Item] | None:
        """The first of the tenant whose turn it is, of those whose first item fits. It waits no longer."""
        for tenant, queue in self._queues.items():
            if fits(tenant, queue[0]):
                item = queue.popleft()
                del self._queues[tenant]
                if queue:
                    self._queues[tenant] = queue
                return tenant, item
        return None

    def remove(self, tenant: str, item: Item) -> None:
        """It waits no longer."""
        queue = self._queues[tenant]
        queue.remove(item)
        if not queue:
            del self._queues[tenant]
