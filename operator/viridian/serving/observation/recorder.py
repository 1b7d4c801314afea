"""Rows that were answered are counted and sent to the collector.

None of it is on the request path.
A request costs one append. Rows are handed over in portions to one thread, which does all that takes time; when it
falls behind, rows are let go and counted as lost. What waits is handed over by time as well, and when the server ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from viridian.api.profile import Numbers, Profile
from viridian.api.samples import PREDICTED_CLASSES_METRIC, PREDICTED_VALUES_METRIC
from viridian.judgement.merging import merge_profiles, merge_sketches
from viridian.serving.data.batch import Batch
from viridian.serving.data.outputs import Output
from viridian.serving.logs import log
from viridian.serving.observation.live_profile import LiveProfile, PredictedRows
from viridian.serving.rate_limit import Rate

COUNTED_ROWS: Final = 512
SENT_ROWS: Final = 1024
"""Rows of a portion. What a portion costs beside its rows is as much as a hundred of them."""
PORTION_SECONDS: Final = 1.0
"""A quiet model is up to date all the same."""
MOST_ROWS: Final = 65_536
"""That may wait for the thread."""
COUNTED_PER_SECOND: Final = 200.0
"""Requests. Beyond that a sample is counted: more of them make no figure any better, and cost everybody else time."""
_SHORTEST: Final = 0.001


@dataclass(frozen=True, slots=True)
class CountedSpan:
    """What was counted in a span of time, half open, in seconds since 1970."""

    start: float
    end: float
    profile: Profile


class _Portion:
    """Answers that wait to be handed over."""

    def __init__(self) -> None:
        self._answered: list[PredictedRows] = []
        self._rows = 0

    def add(self, answered: PredictedRows) -> int:
        """One more; how many rows wait now."""
        self._answered.append(answered)
        self._rows += answered.batch.rows
        return self._rows

    def taken(self) -> list[PredictedRows]:
        """All of them, once."""
        answered, self._answered, self._rows = self._answered, [], 0
        return answered


class Recorder:
    """`profile` counts, `sink` takes rows for the collector; either may be missing. `add` belongs to the event loop.

    `unsent` is given the number of rows that the sink never got, though it should have.
    """

    def __init__(
        self,
        profile: LiveProfile | None,
        sink: Callable[[Sequence[PredictedRows]], None] | None = None,
        unsent: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._live = profile
        self._sink = sink
        self._unsent = unsent
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="record")
        self._rate = Rate(COUNTED_PER_SECOND, time.monotonic)
        self._to_count, self._to_send = _Portion(), _Portion()
        self._timer: asyncio.TimerHandle | None = None
        # Rows, written by the loop and by the thread, each its own. Those handed over and not done wait for the thread.
        self._handed, self._done = 0, 0
        self._crowded, self._spoilt = 0, 0
        # The rest belongs to the thread.
        self._whole = profile.take() if profile else None
        self._window = self._whole
        self._since = time.time()
        self._began = time.monotonic()
        self._prediction = self._whole.prediction if self._whole else None

    def add(self, batch: Batch, outputs: Sequence[Output], prediction: str = "") -> None:
        """Rows that were answered just now. Never waits, never raises."""
        counted = self._live is not None and self._rate.allows()
        if not counted and self._sink is None:
            return
        answered = PredictedRows(batch, outputs, prediction, time.time())
        if counted and self._to_count.add(answered) >= COUNTED_ROWS:
            self._hand_over(self._to_count.taken(), self._not_counted)
        if self._sink is not None and self._to_send.add(answered) >= SENT_ROWS:
            self._hand_over(self._to_send.taken(), self._not_sent)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PORTION_SECONDS, self.flush)

    def flush(self) -> None:
        """Hand over what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._hand_over(self._to_count.taken(), self._not_counted)
        self._hand_over(self._to_send.taken(), self._not_sent)

    def _hand_over(
        self, portion: list[PredictedRows], work: Callable[[list[PredictedRows]], list[PredictedRows]]
    ) -> None:
        rows = _rows(portion)
        if self._handed - self._done > MOST_ROWS:
            self._crowded += rows
            if work == self._not_sent:
                self._unsent(rows)
        elif rows:
            self._handed += rows
            self._pool.submit(self._record, portion, rows, work)

    @property
    def lost(self) -> int:
        """Rows that were not counted or not sent: the thread could not keep up, or a fault of ours came between."""
        return self._crowded + self._spoilt

    async def profile(self) -> Profile | None:
        """Everything that was counted since the start; None where nothing is counted."""
        self.flush()
        return await asyncio.wrap_future(self._pool.submit(self._pull))

    def window(self) -> Future[CountedSpan | None]:
        """What was counted since this was asked before; None where there was nothing. May be called on any thread."""
        return self._pool.submit(self._cut)

    async def settled(self) -> None:
        """Counts and sends everything that waits."""
        self.flush()
        await asyncio.wrap_future(self._pool.submit(lambda: None))

    def close(self) -> None:
        """Nothing more comes."""
        self._pool.shutdown(wait=False)

    def families(self, names: Sequence[str], values: Sequence[str]) -> Iterable[Metric]:
        """The predictions on the bins of the profile, as Prometheus takes them."""
        lost = CounterMetricFamily(
            "viridian_unrecorded_rows", "Answered rows that were not counted or not sent.", labels=names
        )
        lost.add_metric(values, self.lost)
        yield lost
        sketch = self._prediction
        if isinstance(sketch, Numbers):
            bounds = [*map(str, sketch.edges), "+Inf"]
            below, buckets = 0, []
            for bound, count in zip(bounds, sketch.counts, strict=True):
                below += count
                buckets.append((bound, float(below)))
            histogram = HistogramMetricFamily(
                PREDICTED_VALUES_METRIC, "Predictions on the bins of the reference profile.", labels=names
            )
            histogram.add_metric(values, buckets, sketch.mean * sketch.finite)
            yield histogram
        elif sketch is not None:
            classes = CounterMetricFamily(PREDICTED_CLASSES_METRIC, "Predicted classes.", labels=[*names, "class"])
            for name, count in zip(sketch.names, sketch.counts, strict=True):
                classes.add_metric([*values, name], count)
            yield classes

    def _record(
        self, portion: list[PredictedRows], rows: int, work: Callable[[list[PredictedRows]], list[PredictedRows]]
    ) -> None:
        self._spoilt += _rows(work(portion))
        self._done += rows

    def _not_counted(self, portion: list[PredictedRows]) -> list[PredictedRows]:
        return [] if _attempted(self._count, portion) else portion

    def _not_sent(self, portion: list[PredictedRows]) -> list[PredictedRows]:
        """Those that the sink did not take. When they fail together, each is tried alone."""
        if self._sink is None or _attempted(self._sink, portion):
            return []
        failed = [one for one in portion if len(portion) == 1 or not _attempted(self._sink, [one])]
        if failed:
            self._unsent(_rows(failed))
        return failed

    def _count(self, portion: Sequence[PredictedRows]) -> None:
        if self._live is not None and self._whole is not None:
            self._live.add(portion)
            self._prediction = merge_sketches(self._whole.prediction, self._live.prediction)

    def _pull(self) -> Profile | None:
        if self._live is None or self._whole is None or self._window is None:
            return None
        taken = self._live.take()
        self._whole = merge_profiles((self._whole, taken))
        self._window = merge_profiles((self._window, taken))
        return self._whole

    def _cut(self) -> CountedSpan | None:
        self._pull()
        start, self._since = self._since, time.time()
        took, self._began = time.monotonic() - self._began, time.monotonic()
        if self._window is None or self._live is None or not self._window.rows:
            return None
        if start >= self._since:
            # The clock was put back meanwhile. A span that ends before it starts would not be stored.
            start = self._since - max(took, _SHORTEST)
        span = CountedSpan(start, self._since, self._window)
        self._window = self._live.take()
        return span


def _rows(portion: Sequence[PredictedRows]) -> int:
    return sum(one.batch.rows for one in portion)


def _attempted(work: Callable[[Sequence[PredictedRows]], None], portion: Sequence[PredictedRows]) -> bool:
    """Whether it went well. A fault of ours ends neither the counting nor the sending."""
    try:
        work(portion)
    except Exception as error:
        # Its text may quote rows, so only its type is logged.
        log.error("rows were not recorded", extra={"fields": {"exception": type(error).__name__}})
        return False
    return True
