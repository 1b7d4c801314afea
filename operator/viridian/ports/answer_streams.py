"""The streams of samples that model servers send while they are judged: `viridian.api.answer_stream`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

import aiohttp
import msgspec

from viridian.api.answer_stream import END_OF_PART, HEARTBEAT_SECONDS, STREAM_PATH, StreamOrder
from viridian.api.samples import PodSample, PodTarget
from viridian.ports.bounded_bodies import TooLong
from viridian.ports.pod_http import PodHttp
from viridian.ports.pods import OtherPod, parse

Took = Callable[[PodSample], None]

SILENCE_SECONDS: Final = 3 * HEARTBEAT_SECONDS
MAX_PART_BYTES: Final = 64 * 1024
_END: Final = b"\n" + END_OF_PART
_SPARE_SECONDS: Final = 5.0
_GAP_SECONDS: Final = 0.02
"""Between two parts that are read: a pod that floods costs no more than this."""


class StreamEnd(StrEnum):
    """How a stream ended."""

    OVER = "Over"
    """Its time was over, or the server has ended it: it may be asked for again at once."""
    BROKEN = "Broken"
    """The pod cannot be reached, or what it sends cannot be read."""
    REFUSED = "Refused"
    """The pod answers without a stream: a runtime of the user's own, an older release, or another operator's pod."""


class AnswerStreams(Protocol):
    """Pods that are read as they answer."""

    async def follow(self, target: PodTarget, order: StreamOrder, took: Took) -> StreamEnd:
        """Give each sample to `took` as it comes, until the stream ends. Does not raise, whatever the pod does."""


class HttpAnswerStreams:
    """Those of the pods' management ports."""

    def __init__(self, http: PodHttp, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._http = http
        self._clock = clock

    async def follow(self, target: PodTarget, order: StreamOrder, took: Took) -> StreamEnd:
        """Give each sample to `took` as it comes, until the stream ends. Does not raise, whatever the pod does."""
        here = asyncio.get_running_loop()
        return await self._http.aside.run(
            self._follow(target, order, lambda sample: here.call_soon_threadsafe(took, sample))
        )

    async def _follow(self, target: PodTarget, order: StreamOrder, took: Callable[[PodSample], object]) -> StreamEnd:
        body, seconds = msgspec.json.encode(order), order.for_seconds + _SPARE_SECONDS
        try:
            async with self._http.stream(target, STREAM_PATH, body, seconds=seconds, silence=SILENCE_SECONDS) as answer:
                if answer.status != 200:
                    return StreamEnd.REFUSED
                async for part in _parts(answer.content):
                    took(parse(part.decode(), target, self._clock()))
                    await asyncio.sleep(_GAP_SECONDS)
            return StreamEnd.OVER
        except OtherPod:
            return StreamEnd.REFUSED
        except (TimeoutError, aiohttp.ClientError, OSError, TooLong, ValueError):
            return StreamEnd.BROKEN


async def _parts(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Each part without the line that ends it; one that the pod has not ended is left out."""
    left = b""
    async for chunk in content.iter_any():
        *whole, left = (left + chunk).split(_END)
        for part in whole:
            yield part + b"\n"
        if len(left) > MAX_PART_BYTES:
            raise TooLong(f"a part is longer than {MAX_PART_BYTES} bytes")
