"""The keys that wait for a worker, in one lane for each urgency.

Within a lane namespaces take turns, and the keys of a namespace come in the order of their wake-ups: a namespace with
thousands of objects delays another one by one key a turn. Each worker serves lanes in an order of its own. Some are
reserved for what is urgent, so nothing idle ever delays it; one looks at idle keys first, so none of them starves.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import Final

from viridian.controller.keys import Key
from viridian.core.urgency import Urgency

RESERVED: Final = (
    (Urgency.AT_STAKE,),
    (Urgency.AT_STAKE,),
    (Urgency.AT_STAKE, Urgency.UNSETTLED),
)
"""The lanes of the workers that exist beside those that serve every lane."""


def lanes_of_workers(workers: int) -> Iterator[tuple[Urgency, ...]]:
    """In which order each worker serves which lanes, where so many serve all of them."""
    yield from RESERVED
    yield tuple(reversed(Urgency))
    yield from (tuple(Urgency) for _ in range(workers - 1))


class Turns:
    """The waiting keys of one lane."""

    def __init__(self) -> None:
        self._namespaces: OrderedDict[str, dict[Key, None]] = OrderedDict()
        """The namespace whose turn is next comes first."""
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, key: Key) -> None:
        self._namespaces.setdefault(key.namespace, {})[key] = None
        self._length += 1

    def take(self) -> Key:
        """The first key of the namespace whose turn it is."""
        namespace, keys = self._namespaces.popitem(last=False)
        key = next(iter(keys))
        del keys[key]
        if keys:
            self._namespaces[namespace] = keys
        self._length -= 1
        return key

    def remove(self, key: Key) -> None:
        keys = self._namespaces[key.namespace]
        del keys[key]
        if not keys:
            del self._namespaces[key.namespace]
        self._length -= 1


class Lanes:
    """Keys in, by urgency; keys out, to workers that serve certain lanes."""

    def __init__(self) -> None:
        self._turns = {urgency: Turns() for urgency in Urgency}
        self._where: dict[Key, Urgency] = {}
        self._idle_workers: deque[tuple[Sequence[Urgency], asyncio.Future[None]]] = deque()

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, key: Key) -> bool:
        return key in self._where

    def depth(self, urgency: Urgency) -> int:
        return len(self._turns[urgency])

    def put(self, key: Key, urgency: Urgency) -> None:
        """A key that waits already moves to a lane that is more urgent, never back."""
        known = self._where.get(key)
        if known is not None:
            if known <= urgency:
                return
            self._turns[known].remove(key)
        self._where[key] = urgency
        self._turns[urgency].put(key)
        self._wake_worker(urgency)

    def take(self, lanes: Sequence[Urgency]) -> Key | None:
        """The next key of the first of these lanes in which one waits."""
        for urgency in lanes:
            if self._turns[urgency]:
                key = self._turns[urgency].take()
                del self._where[key]
                return key
        return None

    async def get(self, lanes: Sequence[Urgency]) -> Key:
        """The same, as soon as there is one."""
        while (key := self.take(lanes)) is None:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle_workers.append((lanes, waiting))
            await waiting
        for urgency in Urgency:  # a worker that was woken for one key may have found a more urgent one
            if self._turns[urgency]:
                self._wake_worker(urgency)
        return key

    def _wake_worker(self, urgency: Urgency) -> None:
        """The one among the idle workers of this lane that serves the fewest other lanes."""
        self._idle_workers = deque(entry for entry in self._idle_workers if not entry[1].done())
        able = [entry for entry in self._idle_workers if urgency in entry[0]]
        if able:
            min(able, key=lambda entry: len(entry[0]))[1].set_result(None)
