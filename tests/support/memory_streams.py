"""Streams of samples in memory: each pod tells of its bad answers as soon as users have got them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.support.memory_pods import MemoryPods
from viridian.api.answer_stream import StreamOrder
from viridian.api.samples import CodeClass, PodSample, PodTarget
from viridian.ports.answer_streams import StreamEnd, Took


@dataclass
class MemoryStreams:
    """The port `AnswerStreams` of pods in memory."""

    pods: MemoryPods
    open: dict[PodTarget, Took] = field(default_factory=dict)
    asked: list[StreamOrder] = field(default_factory=list)
    _errors: dict[str, float] = field(default_factory=dict)

    async def follow(self, target: PodTarget, order: StreamOrder, took: Took) -> StreamEnd:
        self.asked.append(order)
        self.open[target] = took
        try:
            await asyncio.Event().wait()
        finally:
            del self.open[target]
        return StreamEnd.OVER

    async def tell(self) -> None:
        """What pods with new errors count by now."""
        for target, took in list(self.open.items()):
            sample = (await self.pods.scrape([target]))[target.uid]
            if not isinstance(sample, PodSample):
                continue
            errors = sample.requests[CodeClass.SERVER_ERROR]
            if errors > self._errors.get(target.uid, 0.0):
                took(sample)
            self._errors[target.uid] = errors
