"""Sends rows and profile windows to the collector: one thread, bounded memory, at least once.

Rows are encoded once, in chunks, and wait as bytes. A batch of chunks is sent again until the collector reports that
it is on disk, or that it never will be. Meanwhile chunks wait up to a limit; beyond it they are dropped, and the next
batch reports how many rows. Rows that the collector rejects are counted by reason and logged. A window is sent again
under the same number.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from viridian.api.feedback import PREDICTIONS_PATH, PROFILES_PATH, Block, ProfileWindow, Served, Stored, Unstored
from viridian.serving.logs import Seldom, log
from viridian.serving.observation.collector_client import (
    MAX_PROBLEM,
    CollectorAddress,
    CollectorClient,
    CollectorResponse,
)
from viridian.serving.observation.recorder import CountedSpan
from viridian.serving.observation.row_batches import RowBatch, RowChunk

CHUNK_ROWS: Final = 1_024
BATCH_ROWS: Final = 2_048
BATCH_BYTES: Final = 2 * 1024 * 1024
BATCH_SECONDS: Final = 1.0
MOST_BYTES: Final = 24 * 1024 * 1024
"""That may wait: some 20,000 rows of fifty features."""
MOST_WINDOWS: Final = 60
"""When so many wait, the next one simply grows: nothing of a profile is lost."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_TOO_LARGE: Final = 413
_NEVER: Final = frozenset({400, _TOO_LARGE, 415, 422})
"""Sending the same again would change nothing."""


class FeedbackSender(threading.Thread):
    """A thread of its own, from `start` to `close`."""

    def __init__(
        self,
        address: CollectorAddress,
        token: Path | None,
        served: Served,
        pod: str,
        window_seconds: float,
    ) -> None:
        super().__init__(name="collector", daemon=True)
        self._client = CollectorClient(address, token)
        self._served = served
        self._pod = pod
        self.window: Callable[[], CountedSpan | None] | None = None
        """Gives what was counted since it was asked before, or nothing. To be set before `start`."""
        self._window_seconds = window_seconds
        self._changed = threading.Condition()
        self._chunks: deque[RowChunk] = deque()
        self._rows, self._bytes = 0, 0
        """Of the chunks that wait."""
        self._most_bytes = BATCH_BYTES
        self._batch: RowBatch | None = None
        self._windows: deque[ProfileWindow] = deque()
        self._sequence = 0
        self._lost = 0
        """Dropped rows of which the collector does not know yet."""
        self._end: float | None = None
        """By the monotonic clock: when everything must have been sent."""
        self._pause = _FIRST_PAUSE
        self._seldom = Seldom()
        self.sent, self.dropped, self.windows_sent, self.windows_refused, self.failures = 0, 0, 0, 0, 0
        self._refused: Counter[Unstored] = Counter()

    @property
    def refused(self) -> int:
        """Rows that are not sent again."""
        return self._refused.total()

    def refused_for(self, reason: Unstored) -> int:
        """Those of them with this reason."""
        return self._refused[reason]

    def offer(self, block: Block) -> None:
        """Rows to send, after the privacy rules. Never waits; what finds no room is dropped and counted."""
        rows = len(block.ids)
        for start in range(0, rows, CHUNK_ROWS):
            chunk = RowChunk.of(block if rows <= CHUNK_ROWS else block.part(start, start + CHUNK_ROWS))
            with self._changed:
                if self._bytes + len(chunk.body) > MOST_BYTES:
                    self._drop(chunk.rows)
                    continue
                self._chunks.append(chunk)
                self._rows += chunk.rows
                self._bytes += len(chunk.body)
                if self._enough:
                    self._changed.notify()

    def lose(self, rows: int) -> None:
        """Rows that were to be sent and never came here: they are reported like those that found no room."""
        with self._changed:
            self._drop(rows)

    def reject(self, reason: Unstored, rows: int, problem: str) -> None:
        """Rows that will never be stored; each reason is logged once a minute."""
        with self._changed:
            self._refused[reason] += rows
        fields = {"reason": reason.value, "rows": rows, "problem": problem}
        self._seldom.warn(reason.value, "rows are not stored by the collector", fields)

    def close(self, seconds: float) -> None:
        """Send what is left, within that time; waits for it."""
        with self._changed:
            self._end = time.monotonic() + seconds
            self._changed.notify()
        self.join(seconds + 1)
        if self._chunks or self._batch or self._windows:
            log.error("the collector did not take everything", extra={"fields": {"rows": self._waiting}})

    def run(self) -> None:
        """Until everything is sent after `close`, or its time is over."""
        try:
            self._work()
        finally:
            self._client.disconnect()

    def _work(self) -> None:
        next_window = time.monotonic() + self._window_seconds
        while True:
            self._wait(next_window)
            if self._end is not None or time.monotonic() >= next_window:
                next_window = time.monotonic() + self._window_seconds
                self._attempted(self._cut)
            sent = self._send_all()
            if self._end is not None and (sent or time.monotonic() >= self._end):
                return
            if not sent:
                self._rest()

    def _attempted(self, step: Callable[[], bool]) -> bool:
        """Whether it succeeded. A fault of our own is logged, and the thread goes on: nothing else sends the rest."""
        try:
            return step()
        except Exception as error:
            # Its text may quote rows, so only its type is logged.
            self._client.disconnect()
            self._trouble(type(error).__name__)
            return False

    @property
    def _enough(self) -> bool:
        return self._rows >= BATCH_ROWS or self._bytes >= self._most_bytes

    @property
    def _waiting(self) -> int:
        return self._rows + (self._batch.rows if self._batch else 0)

    def _drop(self, rows: int) -> None:
        self.dropped += rows
        self._lost += rows

    def _wait(self, until: float) -> None:
        """Until a whole batch waits, or the next window is due, or it is time for what there is."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._enough or self._end is not None,
                timeout=max(0.0, min(BATCH_SECONDS, until - time.monotonic())),
            )

    def _rest(self) -> None:
        """After a failure; cut short when the server ends."""
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        with self._changed:
            if self._end is None:
                self._changed.wait_for(lambda: self._end is not None, timeout=pause)
                return
        time.sleep(max(0.0, min(pause, _FIRST_PAUSE, self._end - time.monotonic())))

    def _cut(self) -> bool:
        if self.window is None or len(self._windows) >= MOST_WINDOWS:
            return True
        span = self.window()
        if span is not None:
            self._sequence += 1
            self._windows.append(
                ProfileWindow(
                    served=self._served,
                    pod=self._pod,
                    sequence=self._sequence,
                    start=span.start,
                    end=span.end,
                    profile=span.profile,
                )
            )
        return True

    def _send_all(self) -> bool:
        """Whether nothing is left that should have been sent. A window that cannot be sent does not hold up rows."""
        windows = self._attempted(self._send_windows)
        return self._attempted(self._send_rows) and windows

    def _send_windows(self) -> bool:
        while self._windows:
            answer = self._answer(PROFILES_PATH, msgspec.json.encode(self._windows[0]))
            if answer is None:
                return False
            self._windows.popleft()
            if answer.stored is not None:
                self.windows_sent += 1
            else:
                self.windows_refused += 1
                fields = {"problem": answer.problem}
                self._seldom.warn("window", "a profile window is not stored by the collector", fields)
        return True

    def _send_rows(self) -> bool:
        while batch := self._next_batch():
            if not self._sent_batch(batch):
                return False
        return True

    def _next_batch(self) -> RowBatch | None:
        """The one that was not acknowledged yet, or a new one: of chunks, or only of rows that were lost."""
        with self._changed:
            if self._batch is None and (self._chunks or self._lost):
                self._batch = RowBatch(list(self._taken()), self._lost)
                self._lost = 0
        return self._batch

    def _taken(self) -> Iterator[RowChunk]:
        """As many chunks as go together, at least one."""
        rows, size = 0, 0
        while self._chunks and (not rows or rows + self._chunks[0].rows <= BATCH_ROWS):
            chunk = self._chunks[0]
            if rows and size + len(chunk.body) > self._most_bytes:
                return
            self._chunks.popleft()
            self._rows -= chunk.rows
            self._bytes -= len(chunk.body)
            rows, size = rows + chunk.rows, size + len(chunk.body)
            yield chunk

    def _sent_batch(self, batch: RowBatch) -> bool:
        """Whether the batch is settled: stored, rejected, or split in two."""
        body = batch.encode(self._served)
        answer = self._answer(PREDICTIONS_PATH, body)
        if answer is None:
            return False
        if answer.status == _TOO_LARGE and batch.rows > 1:
            self._most_bytes = max(1, min(self._most_bytes, len(body) // 2))
            self._put_half_back(batch)
            return True
        if answer.stored is not None:
            refused = self._reject_some(answer.stored)
            self.sent += batch.rows - refused
        else:
            reason = Unstored.TOO_LARGE if answer.status == _TOO_LARGE else Unstored.BATCH
            self.reject(reason, batch.rows, answer.problem)
        self._batch = None
        return True

    def _reject_some(self, stored: Stored) -> int:
        """Count the rows that were not understood."""
        problems = {_reason(row): str(row.get("problem", ""))[:MAX_PROBLEM] for row in reversed(stored.refused)}
        for reason, rows in Counter(map(_reason, stored.refused)).items():
            self.reject(reason, rows, problems[reason])
        return len(stored.refused)

    def _put_half_back(self, batch: RowBatch) -> None:
        """The batch keeps the older half of its rows."""
        newer = batch.split()
        with self._changed:
            self._chunks.extendleft(reversed(newer))
            self._rows += sum(chunk.rows for chunk in newer)
            self._bytes += sum(len(chunk.body) for chunk in newer)

    def _answer(self, path: str, body: bytes) -> CollectorResponse | None:
        """The final response, or None: then the same is to be sent again."""
        try:
            answer = self._client.post(path, body)
        except (OSError, http.client.HTTPException) as error:
            self._client.disconnect()
            self._trouble(type(error).__name__)
            return None
        if answer.stored is not None:
            self._pause = _FIRST_PAUSE
            return answer
        if answer.status in _NEVER:
            self.failures += 1
            return answer
        self._trouble(answer.problem)
        if answer.retry_after is not None:
            self._pause = min(answer.retry_after, _LONGEST_PAUSE)
        return None

    def _trouble(self, problem: str) -> None:
        self.failures += 1
        self._seldom.warn("trouble", "the collector did not take what was sent", {"problem": problem})

    def families(self, names: Sequence[str], values: Sequence[str]) -> Iterable[Metric]:
        """As Prometheus takes it."""
        rows = CounterMetricFamily("viridian_feedback_rows", "Rows for the collector.", labels=[*names, "outcome"])
        for outcome, count in (("sent", self.sent), ("dropped", self.dropped), ("refused", self.refused)):
            rows.add_metric([*values, outcome], count)
        yield rows
        refused = CounterMetricFamily(
            "viridian_feedback_refused_rows",
            "Rows that will never be stored, by reason.",
            labels=[*names, "reason"],
        )
        for reason in Unstored:
            refused.add_metric([*values, reason.value], self.refused_for(reason))
        yield refused
        for name, text, number in (
            ("viridian_feedback_windows", "Profile windows that were sent.", self.windows_sent),
            ("viridian_feedback_refused_windows", "Profile windows that will never be stored.", self.windows_refused),
            ("viridian_feedback_failures", "Requests to the collector that were not taken.", self.failures),
        ):
            counter = CounterMetricFamily(name, text, labels=names)
            counter.add_metric(values, number)
            yield counter
        waiting = GaugeMetricFamily("viridian_feedback_rows_waiting", "Rows that are not sent yet.", labels=names)
        waiting.add_metric(values, self._waiting)
        yield waiting


def _reason(row: dict[str, Any]) -> Unstored:
    """The reason in the response; another version of the collector may know other reasons."""
    try:
        return Unstored(row.get("reason", Unstored.OTHER))
    except ValueError:
        return Unstored.OTHER
