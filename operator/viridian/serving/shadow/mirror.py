"""The champion's side of shadowing: a sample of its requests is copied to the challenger, and the answers compared.

Live answers come first. A request is offered after its answer was sent, and offering never waits: it is put into a
bounded queue or dropped. A few workers empty the queue at their own pace, each on its own connection. How much of the
process they may use is bounded by a rate, whatever the share and whatever the challenger does. Nothing that the
challenger answers goes anywhere but into counters.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import Metric

from viridian.api.shadow import SHADOW_HEADER, Drop, Failure, ShadowOrder
from viridian.serving.asgi_responses import Headers
from viridian.serving.data.prediction_bins import Bins
from viridian.serving.logs import log, note
from viridian.serving.pod_address import Target
from viridian.serving.pod_connection import Failed
from viridian.serving.rate_limit import Rate
from viridian.serving.shadow import response_bodies
from viridian.serving.shadow.challenger import MAX_ANSWER_BYTES, Challenger
from viridian.serving.shadow.comparison import Compared, Comparison, OutputsDiffer

WORKERS: Final = 4
"""Connections to the challenger."""
MAX_WAITING: Final = 64
MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""Of requests and live answers that were offered and are not compared yet."""
MAX_REQUEST_BYTES: Final = 1024 * 1024
MAX_PER_SECOND: Final = 20.0
"""Copies: at half a millisecond each they take a hundredth of one CPU, so that the 99th percentile of the live answers
does not see them. Ten minutes of them are 12,000 comparisons."""
_JSON_LENGTH: Final = b"inference-header-content-length"
_FORWARDED: Final = (b"content-type", _JSON_LENGTH)


@dataclass(frozen=True, slots=True)
class Copy:
    """A live request and what was answered to it."""

    prediction: str
    path: bytes
    headers: Headers
    body: bytes
    answer: bytes
    json_length: bytes | None
    """Of the answer, where raw tensors follow its JSON."""

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory."""
        return len(self.body) + len(self.answer)


class Shadow:
    """At most one challenger at a time, for as long as its lease runs."""

    def __init__(self, bins: Callable[[], Bins]) -> None:
        self._bins = bins
        self._trial: _Trial | None = None
        self._comparison: Comparison | None = None
        self._share = 0.0
        self._end: asyncio.TimerHandle | None = None

    def follow(self, order: ShadowOrder) -> None:
        """Begin, or go on for another lease; ValueError says what is wrong with the target."""
        target, compared = Target(order.target), Compared(order.revision, order.comparison, order.tolerance)
        if self._trial is None or self._trial.order_of != (order.target, compared):
            self.stop()
            if self._comparison is None or self._comparison.compared != compared:
                self._comparison = Comparison(compared, self._bins())
            self._trial = _Trial((order.target, compared), target, self._comparison)
            note("shadow", challenger=order.revision, target=order.target, share=order.share)
        self._share = order.share
        self._rearm(order.seconds)

    def stop(self) -> None:
        """No more copies; what waits is thrown away, the counts stay."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        if self._trial is not None:
            note("shadow ends", challenger=self._trial.order_of[1].challenger)
            self._trial.stop()
            self._trial = None
        self._share = 0.0

    def offer(
        self, prediction: str, path: bytes, headers: Headers, body: bytes, answer: bytes, json_length: int | None = None
    ) -> None:
        """A live request that was answered well. Never waits, never raises."""
        if self._trial is not None and sampled(prediction, self._share):
            length = None if json_length is None else str(json_length).encode()
            self._trial.offer(Copy(prediction, path, headers, body, answer, length))

    def families(self, names: Sequence[str], values: Sequence[str]) -> Iterator[Metric]:
        """Counts about the challenger of the newest order; nothing before the first one."""
        if self._comparison is not None:
            yield from self._comparison.families(names, values, self._share)

    def _rearm(self, seconds: float) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(seconds, self.stop)


def sampled(prediction: str, share: float) -> bool:
    """Whether the sample of so many percent names this prediction: the same answer on every server, at any time."""
    return zlib.crc32(prediction.encode()) * 100.0 < share * 2.0**32


class _Trial:
    """Queue, workers and connections for one target."""

    def __init__(self, order_of: tuple[str, Compared], target: Target, comparison: Comparison) -> None:
        self.order_of = order_of
        self._comparison = comparison
        self._waiting: asyncio.Queue[Copy] = asyncio.Queue(MAX_WAITING)
        self._bytes = 0
        self._rate = Rate(MAX_PER_SECOND, asyncio.get_running_loop().time)
        self._workers = [asyncio.create_task(self._work(Challenger(target))) for _ in range(WORKERS)]

    def offer(self, copy: Copy) -> None:
        """Takes it if there is room."""
        if len(copy.body) > MAX_REQUEST_BYTES or len(copy.answer) > MAX_ANSWER_BYTES:
            self._comparison.dropped[Drop.TOO_LARGE] += 1
        elif self._waiting.full() or self._bytes + copy.size > MAX_WAITING_BYTES:
            self._comparison.dropped[Drop.QUEUE_FULL] += 1
        elif not self._rate.allows():
            self._comparison.dropped[Drop.RATE] += 1
        else:
            self._bytes += copy.size
            self._waiting.put_nowait(copy)

    def stop(self) -> None:
        """Ends the workers, and with them their connections."""
        for worker in self._workers:
            worker.cancel()

    async def _work(self, challenger: Challenger) -> None:
        try:
            while True:
                copy = await self._waiting.get()
                try:
                    await self._compare(challenger, copy)
                finally:
                    self._bytes -= copy.size
        finally:
            challenger.close()

    async def _compare(self, challenger: Challenger, copy: Copy) -> None:
        try:
            answer = await challenger.ask(copy.path, _headers(copy), copy.body)
            if answer.header(b"x-viridian-revision").decode("latin-1") not in (
                "",
                self._comparison.compared.challenger,
            ):
                raise Failed(Failure.OTHER_REVISION)
            theirs = response_bodies.read(answer.body, answer.header(_JSON_LENGTH) or None)
            self._comparison.add(response_bodies.read(copy.answer, copy.json_length), theirs)
        except Failed as failed:
            self._comparison.failed(failed.reason)
        except response_bodies.UnreadableOutput:
            self._comparison.failed(Failure.MALFORMED)
        except OutputsDiffer:
            self._comparison.failed(Failure.UNLIKE)
        except Exception as error:
            # A fault of ours must not end the worker; its text may quote an answer, so only its type is logged.
            self._comparison.failed(Failure.INTERNAL)
            log.error("shadow failed", extra={"fields": {"exception": type(error).__name__}})


def _headers(copy: Copy) -> Headers:
    forwarded = [(name, value) for name, value in copy.headers if name in _FORWARDED]
    return [*forwarded, (SHADOW_HEADER.encode(), copy.prediction.encode())]
