"""Which pods are read as they answer: those of the revisions that are judged, while they are.

Each has one stream, which is opened again when it ends. A pod that sends none is read at intervals alone, like all
others. Losing a stream loses nothing: what it would have shown, the next reading shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from viridian.api.answer_stream import StreamOrder
from viridian.api.samples import PodSample, PodTarget
from viridian.controller.keys import Key
from viridian.ports.answer_streams import AnswerStreams, StreamEnd

MAX_STREAMS: Final = 200
MAX_STREAMS_EACH: Final = 20
"""In all, and of one model: pods beyond are read at intervals alone."""
ORDER_SECONDS: Final = 120.0
"""For so long a stream is asked for. A pod whose operator has gone sends in vain no longer than that."""
_FIRST_RETRY_SECONDS: Final = 1.0
_LAST_RETRY_SECONDS: Final = 30.0
_REFUSED_RETRY_SECONDS: Final = 60.0

Followed = tuple[PodTarget, float | None]
"""A pod, and from how many seconds on an answer is slow."""


class FollowedPods:
    """The open streams of all models. `took(key, sample)` is called with each sample that comes."""

    def __init__(self, streams: AnswerStreams, took: Callable[[Key, PodSample], None]) -> None:
        self._streams = streams
        self._took = took
        self._open: dict[Key, dict[Followed, asyncio.Task[None]]] = {}

    def follow(self, key: Key, targets: Sequence[PodTarget], slow_seconds: float | None) -> None:
        """From now on these pods of a model are followed, and no others of it."""
        wanted = {(target, slow_seconds): None for target in targets[:MAX_STREAMS_EACH]}
        known = self._open.get(key, {})
        for followed in known.keys() - wanted.keys():
            known.pop(followed).cancel()
        for followed in wanted:
            ended = followed not in known or known[followed].done()
            if ended and len(self) < MAX_STREAMS:
                known[followed] = asyncio.create_task(self._follow(key, *followed))
                self._open[key] = known
        if not known:
            self._open.pop(key, None)

    def forget(self, key: Key) -> None:
        """None of its pods is judged any more."""
        self.follow(key, (), None)

    def close(self) -> None:
        """End all streams."""
        for key in list(self._open):
            self.forget(key)

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    async def _follow(self, key: Key, target: PodTarget, slow_seconds: float | None) -> None:
        order, broken = StreamOrder(for_seconds=ORDER_SECONDS, slow_seconds=slow_seconds), 0
        while True:
            end = await self._streams.follow(target, order, lambda sample: self._took(key, sample))
            broken = broken + 1 if end is StreamEnd.BROKEN else 0
            if end is StreamEnd.REFUSED:
                await asyncio.sleep(_REFUSED_RETRY_SECONDS)
            else:
                # A server that ends each stream at once must not be asked without a pause either.
                await asyncio.sleep(min(_FIRST_RETRY_SECONDS * 2.0 ** max(0, broken - 1), _LAST_RETRY_SECONDS))
