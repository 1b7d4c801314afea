"""Sends rows and profile windows to the collector: one thread, bounded memory, at least once, never in a request's way.

A batch is sent again until the collector says that it is on disk, or that it never will be. Meanwhile rows wait up to a
limit; beyond it they are dropped, and the next batch says how many. A window is sent again under the same number.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from viridian.api.feedback import PREDICTIONS_PATH, PROFILES_PATH, Prediction, PredictionBatch, ProfileWindow, Served
from viridian.serving.errors import ServingError
from viridian.serving.logs import log
from viridian.serving.recorder import Span

BATCH_ROWS: Final = 256
BATCH_SECONDS: Final = 1.0
MOST_ROWS: Final = 20_000
"""That may wait: some 20 MB for fifty features."""
MOST_WINDOWS: Final = 60
"""When so many wait, the next one simply grows: nothing of a profile is lost."""
_TIMEOUT: Final = 10.0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_NEVER: Final = frozenset({400, 413, 415, 422})
"""Sent again, the collector would say the same."""
_SILENCE: Final = 60.0
"""Seconds between two lines in the log about the same trouble."""


class Address:
    """Where the collector is; ServingError says what is wrong with it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username is not None:
            raise ServingError(
                f"VIRIDIAN_COLLECTOR_URL is no address such as http://host:8090: {parts.hostname or ''!r}"
            )
        self.host, self.port = parts.hostname, parts.port
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.path = parts.path.rstrip("/")

    def connect(self) -> http.client.HTTPConnection:
        """A new connection; opened when it is used first."""
        if self.tls is not None:
            return http.client.HTTPSConnection(self.host, self.port, timeout=_TIMEOUT, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=_TIMEOUT)


class Collector(threading.Thread):
    """A thread of its own, from `start` to `close`."""

    def __init__(
        self,
        address: Address,
        token: Path | None,
        served: Served,
        pod: str,
        window_seconds: float,
    ) -> None:
        super().__init__(name="collector", daemon=True)
        self._address = address
        self._token = token
        self._served = served
        self._pod = pod
        self.window: Callable[[], Span | None] | None = None
        """Gives what was counted since it was asked before, or nothing. To be set before `start`."""
        self._window_seconds = window_seconds
        self._changed = threading.Condition()
        self._rows: deque[Prediction] = deque()
        self._batch: PredictionBatch | None = None
        self._windows: deque[ProfileWindow] = deque()
        self._sequence = 0
        self._lost = 0
        """Dropped rows of which the collector does not know yet."""
        self._end: float | None = None
        """By the monotonic clock: when everything must have been sent."""
        self._connection: http.client.HTTPConnection | None = None
        self._pause = _FIRST_PAUSE
        self._told = -_SILENCE
        self.sent, self.dropped, self.refused, self.windows_sent, self.failures = 0, 0, 0, 0, 0

    def offer(self, rows: Iterable[Prediction]) -> None:
        """Rows to send, after the privacy rules. Never waits; what finds no room is dropped and counted."""
        with self._changed:
            for row in rows:
                if len(self._rows) < MOST_ROWS:
                    self._rows.append(row)
                else:
                    self.dropped += 1
                    self._lost += 1
            if len(self._rows) >= BATCH_ROWS:
                self._changed.notify()

    def close(self, seconds: float) -> None:
        """Send what is left, within that time; waits for it."""
        with self._changed:
            self._end = time.monotonic() + seconds
            self._changed.notify()
        self.join(seconds + 1)
        if self._rows or self._batch or self._windows:
            rows = len(self._rows) + (len(self._batch.rows) if self._batch else 0)
            log.error("the collector did not take everything", extra={"fields": {"rows": rows}})

    def run(self) -> None:
        """Until everything is sent after `close`, or its time is over."""
        try:
            self._work()
        finally:
            self._disconnect()

    def _work(self) -> None:
        next_window = time.monotonic() + self._window_seconds
        while True:
            self._wait(next_window)
            if self._end is not None or time.monotonic() >= next_window:
                next_window = time.monotonic() + self._window_seconds
                self._cut()
            sent = self._send_all()
            if self._end is not None and (sent or time.monotonic() >= self._end):
                return
            if not sent:
                self._rest()

    def _wait(self, until: float) -> None:
        """Until a whole batch waits, or the next window is due, or it is time for what there is."""
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._rows) >= BATCH_ROWS or self._end is not None,
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

    def _cut(self) -> None:
        if self.window is None or len(self._windows) >= MOST_WINDOWS:
            return
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

    def _send_all(self) -> bool:
        """Whether nothing is left that should have been sent."""
        while self._windows:
            if not self._send(PROFILES_PATH, msgspec.json.encode(self._windows[0])):
                return False
            self._windows.popleft()
            self.windows_sent += 1
        while batch := self._next_batch():
            refused = self.refused
            if not self._send(PREDICTIONS_PATH, msgspec.json.encode(batch), len(batch.rows)):
                return False
            self.sent += len(batch.rows) if refused == self.refused else 0
            self._batch = None
        return True

    def _next_batch(self) -> PredictionBatch | None:
        """The one that was not acknowledged yet, or a new one."""
        if self._batch is None:
            with self._changed:
                rows = [self._rows.popleft() for _ in range(min(BATCH_ROWS, len(self._rows)))]
                if rows:
                    self._batch = PredictionBatch(served=self._served, rows=rows, dropped=self._lost)
                    self._lost = 0
        return self._batch

    def _send(self, path: str, body: bytes, rows: int = 0) -> bool:
        """Whether the collector has spoken its last word about it."""
        try:
            status, later = self._post(self._address.path + path, body)
        except (OSError, http.client.HTTPException) as error:
            self._disconnect()
            self._trouble(type(error).__name__)
            return False
        if 200 <= status < 300:
            self._pause = _FIRST_PAUSE
            return True
        self._trouble(str(status))
        if status in _NEVER:
            self.refused += rows
            return True
        if later is not None:
            self._pause = min(later, _LONGEST_PAUSE)
        return False

    def _post(self, path: str, body: bytes) -> tuple[int, float | None]:
        """Status, and what Retry-After says."""
        if self._connection is None:
            self._connection = self._address.connect()
        headers = {"content-type": "application/json"}
        if self._token is not None:
            # The kubelet writes a new token before the old one ends: the file is read every time.
            headers["authorization"] = f"Bearer {self._token.read_text().strip()}"
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        response.read()
        later = response.headers.get("retry-after", "")
        return response.status, float(later) if later.isdigit() else None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _trouble(self, problem: str) -> None:
        self.failures += 1
        if time.monotonic() - self._told >= _SILENCE:
            self._told = time.monotonic()
            log.warning("the collector did not take what was sent", extra={"fields": {"problem": problem}})

    def families(self, names: Sequence[str], values: Sequence[str]) -> Iterable[Metric]:
        """As Prometheus takes it."""
        rows = CounterMetricFamily("viridian_feedback_rows", "Rows for the collector.", labels=[*names, "outcome"])
        for outcome, count in (("sent", self.sent), ("dropped", self.dropped), ("refused", self.refused)):
            rows.add_metric([*values, outcome], count)
        yield rows
        windows = CounterMetricFamily("viridian_feedback_windows", "Profile windows that were sent.", labels=names)
        windows.add_metric(values, self.windows_sent)
        yield windows
        failures = CounterMetricFamily(
            "viridian_feedback_failures", "Requests to the collector that were not taken.", labels=names
        )
        failures.add_metric(values, self.failures)
        yield failures
        waiting = GaugeMetricFamily("viridian_feedback_rows_waiting", "Rows that are not sent yet.", labels=names)
        waiting.add_metric(values, len(self._rows) + (len(self._batch.rows) if self._batch else 0))
        yield waiting
