"""Sends rows and profile windows to the collector: one thread, bounded memory, at least once, never in a request's way.

Rows are encoded once, in lots, and wait as bytes. A batch of lots is sent again until the collector says that it is on
disk, or that it never will be. Meanwhile lots wait up to a limit; beyond it they are dropped, and the next batch says
how many rows. What the collector refuses, of a batch or as a whole, is counted by reason and told in the log. A window
is sent again under the same number.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from viridian.api.address import shown
from viridian.api.feedback import PREDICTIONS_PATH, PROFILES_PATH, Block, ProfileWindow, Served, Stored, Unstored
from viridian.api.origins import origin_of
from viridian.serving.errors import ServingError
from viridian.serving.logs import Seldom, log
from viridian.serving.observation.recorder import CountedSpan
from viridian.tls import trusting

LOT_ROWS: Final = 1_024
BATCH_ROWS: Final = 2_048
BATCH_BYTES: Final = 2 * 1024 * 1024
BATCH_SECONDS: Final = 1.0
MOST_BYTES: Final = 24 * 1024 * 1024
"""That may wait: some 20,000 rows of fifty features."""
MOST_WINDOWS: Final = 60
"""When so many wait, the next one simply grows: nothing of a profile is lost."""
_TIMEOUT: Final = 10.0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_TOO_LARGE: Final = 413
_NEVER: Final = frozenset({400, _TOO_LARGE, 415, 422})
"""Sent again, the collector would say the same."""
_LONGEST_ANSWER: Final = 4 * 1024 * 1024
_LONGEST_PROBLEM: Final = 300
_BROKEN: Final = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)


class CollectorAddress:
    """Where the collector is; ServingError says what is wrong with it."""

    def __init__(self, url: str, authority: Path | None = None) -> None:
        """`authority`: file with one more certificate authority, read for each connection, since it may be renewed."""
        origin = origin_of(url)
        if origin is None or shown(url) != url:
            raise ServingError(f"VIRIDIAN_COLLECTOR_URL is no address such as http://host:8090: {shown(url)}")
        parts = urlsplit(url)
        self.host, self.port = origin.host, parts.port
        self._tls, self._authority = parts.scheme == "https", authority
        self.path = parts.path.rstrip("/")

    def connect(self) -> http.client.HTTPConnection:
        """A new connection; opened when it is used first."""
        if self._tls:
            context = trusting(self._authority)
            return http.client.HTTPSConnection(self.host, self.port, timeout=_TIMEOUT, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=_TIMEOUT)


@dataclass(frozen=True, slots=True)
class _Lot:
    """Rows that were encoded together."""

    body: bytes
    rows: int

    def halves(self) -> tuple[_Lot, _Lot]:
        """Of at least two rows."""
        block = msgspec.json.decode(self.body, type=Block)
        return _lot(block.part(0, self.rows // 2)), _lot(block.part(self.rows // 2, self.rows))


class _Batch(msgspec.Struct):
    """`PredictionBatch` of lots as they are."""

    served: Served
    blocks: list[msgspec.Raw]
    dropped: int


@dataclass(slots=True)
class _Unsent:
    """Lots that go together, until the collector has answered."""

    lots: list[_Lot]
    dropped: int

    @property
    def rows(self) -> int:
        return sum(lot.rows for lot in self.lots)


@dataclass(frozen=True, slots=True)
class _CollectorResponse:
    """What came back, as far as it matters."""

    status: int
    later: float | None
    """What Retry-After says."""
    stored: Stored | None
    """None where nothing was stored, or where it is no answer of a collector."""
    problem: str
    """The collector's sentence, which never repeats what it was sent."""


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
        self._address = address
        self._token = token
        self._served = served
        self._pod = pod
        self.window: Callable[[], CountedSpan | None] | None = None
        """Gives what was counted since it was asked before, or nothing. To be set before `start`."""
        self._window_seconds = window_seconds
        self._changed = threading.Condition()
        self._lots: deque[_Lot] = deque()
        self._rows, self._bytes = 0, 0
        """Of the lots that wait."""
        self._most_bytes = BATCH_BYTES
        self._batch: _Unsent | None = None
        self._windows: deque[ProfileWindow] = deque()
        self._sequence = 0
        self._lost = 0
        """Dropped rows of which the collector does not know yet."""
        self._end: float | None = None
        """By the monotonic clock: when everything must have been sent."""
        self._connection: http.client.HTTPConnection | None = None
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
        for start in range(0, rows, LOT_ROWS):
            lot = _lot(block if rows <= LOT_ROWS else block.part(start, start + LOT_ROWS))
            with self._changed:
                if self._bytes + len(lot.body) > MOST_BYTES:
                    self._drop(lot.rows)
                    continue
                self._lots.append(lot)
                self._rows += lot.rows
                self._bytes += len(lot.body)
                if self._enough:
                    self._changed.notify()

    def lose(self, rows: int) -> None:
        """Rows that were to be sent and never came here: the collector is told as of those that found no room."""
        with self._changed:
            self._drop(rows)

    def refuse(self, reason: Unstored, rows: int, problem: str) -> None:
        """Rows that will never be stored; the log tells of each reason once a minute."""
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
        if self._lots or self._batch or self._windows:
            log.error("the collector did not take everything", extra={"fields": {"rows": self._waiting}})

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
                self._attempted(self._cut)
            sent = self._send_all()
            if self._end is not None and (sent or time.monotonic() >= self._end):
                return
            if not sent:
                self._rest()

    def _attempted(self, step: Callable[[], bool]) -> bool:
        """Whether it succeeded. A fault of ours is said, and the thread goes on: nothing else sends the rest."""
        try:
            return step()
        except Exception as error:
            # Its text may quote rows, so only its type is told.
            self._disconnect()
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
        """Whether nothing is left that should have been sent. What keeps a window here keeps no row here."""
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

    def _next_batch(self) -> _Unsent | None:
        """The one that was not acknowledged yet, or a new one: of lots, or only of rows that were lost."""
        with self._changed:
            if self._batch is None and (self._lots or self._lost):
                self._batch = _Unsent(list(self._taken()), self._lost)
                self._lost = 0
        return self._batch

    def _taken(self) -> Iterator[_Lot]:
        """As many lots as go together, at least one."""
        rows, size = 0, 0
        while self._lots and (not rows or rows + self._lots[0].rows <= BATCH_ROWS):
            lot = self._lots[0]
            if rows and size + len(lot.body) > self._most_bytes:
                return
            self._lots.popleft()
            self._rows -= lot.rows
            self._bytes -= len(lot.body)
            rows, size = rows + lot.rows, size + len(lot.body)
            yield lot

    def _sent_batch(self, batch: _Unsent) -> bool:
        """Whether the collector has spoken its last word about it."""
        body = msgspec.json.encode(_Batch(self._served, [msgspec.Raw(lot.body) for lot in batch.lots], batch.dropped))
        answer = self._answer(PREDICTIONS_PATH, body)
        if answer is None:
            return False
        if answer.status == _TOO_LARGE and batch.rows > 1:
            self._most_bytes = max(1, min(self._most_bytes, len(body) // 2))
            self._put_half_back(batch)
            return True
        if answer.stored is not None:
            refused = self._refuse_some(answer.stored)
            self.sent += batch.rows - refused
        else:
            reason = Unstored.TOO_LARGE if answer.status == _TOO_LARGE else Unstored.BATCH
            self.refuse(reason, batch.rows, answer.problem)
        self._batch = None
        return True

    def _refuse_some(self, stored: Stored) -> int:
        """Count the rows that were not understood."""
        problems = {_reason(row): str(row.get("problem", ""))[:_LONGEST_PROBLEM] for row in reversed(stored.refused)}
        for reason, rows in Counter(map(_reason, stored.refused)).items():
            self.refuse(reason, rows, problems[reason])
        return len(stored.refused)

    def _put_half_back(self, batch: _Unsent) -> None:
        """The batch keeps the older half of its rows."""
        lots = list(batch.lots[0].halves()) if len(batch.lots) == 1 else batch.lots
        middle = len(lots) // 2
        batch.lots = lots[:middle]
        with self._changed:
            self._lots.extendleft(reversed(lots[middle:]))
            self._rows += sum(lot.rows for lot in lots[middle:])
            self._bytes += sum(len(lot.body) for lot in lots[middle:])

    def _answer(self, path: str, body: bytes) -> _CollectorResponse | None:
        """The collector's last word about it, or None: then the same is to be sent again."""
        try:
            answer = self._post(self._address.path + path, body)
        except (OSError, http.client.HTTPException) as error:
            self._disconnect()
            self._trouble(type(error).__name__)
            return None
        if answer.stored is not None:
            self._pause = _FIRST_PAUSE
            return answer
        if answer.status in _NEVER:
            self.failures += 1
            return answer
        self._trouble(answer.problem)
        if answer.later is not None:
            self._pause = min(answer.later, _LONGEST_PAUSE)
        return None

    def _post(self, path: str, body: bytes) -> _CollectorResponse:
        """One request. A connection that has ended while nothing was sent is no trouble: a new one takes its place."""
        reused = self._connection is not None
        try:
            return self._asked(path, body)
        except _BROKEN:
            self._disconnect()
            if not reused:
                raise
            return self._asked(path, body)

    def _asked(self, path: str, body: bytes) -> _CollectorResponse:
        if self._connection is None:
            self._connection = self._address.connect()
        headers = {"content-type": "application/json"}
        if self._token is not None:
            # The kubelet writes a new token before the old one ends: the file is read every time.
            headers["authorization"] = f"Bearer {self._token.read_text().strip()}"
        whole = False
        # Whoever finds a body too large may answer before its end, and read no further.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.request("POST", path, body, headers)
            whole = True
        response = self._connection.getresponse()
        said = response.read(_LONGEST_ANSWER)
        if not (whole and response.isclosed()):
            self._disconnect()
        return _answer(response.status, response.headers.get("retry-after", ""), said)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

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


def _answer(status: int, later: str, body: bytes) -> _CollectorResponse:
    stored, problem = None, f"status {status}"
    try:
        if 200 <= status < 300:
            stored = msgspec.json.decode(body, type=Stored)
        elif isinstance(said := msgspec.json.decode(body, type=dict[str, Any]).get("error"), str):
            problem += f": {said[:_LONGEST_PROBLEM]}"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem += ", in words that are not a collector's"
    return _CollectorResponse(status, float(later) if later.isascii() and later.isdigit() else None, stored, problem)


def _lot(block: Block) -> _Lot:
    return _Lot(msgspec.json.encode(block), len(block.ids))


def _reason(row: dict[str, Any]) -> Unstored:
    """As the collector says it; another version may know other reasons."""
    try:
        return Unstored(row.get("reason", Unstored.OTHER))
    except ValueError:
        return Unstored.OTHER
