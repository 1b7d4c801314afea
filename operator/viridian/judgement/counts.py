"""What a slot's pods answered within a window, added up from readings of their counters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from viridian.api.samples import CodeClass, PodSample


@dataclass(frozen=True, slots=True)
class Counts:
    """Answers in a window: all, those with 5xx, and how many took at most each bound in seconds (the last one: all)."""

    requests: float = 0.0
    errors: float = 0.0
    latency: tuple[tuple[float, float], ...] = ()

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.requests + other.requests, self.errors + other.errors, _add(self.latency, other.latency))

    @property
    def timed(self) -> float:
        return self.latency[-1][1] if self.latency else 0.0

    def slower_than(self, seconds: float) -> float:
        """Answers that took longer, interpolated within the bucket that the limit falls into."""
        below, floor = 0.0, 0.0
        for bound, count in self.latency:
            if seconds < bound:
                if bound == float("inf"):
                    return self.timed - below
                share = (seconds - floor) / (bound - floor)
                return self.timed - (below + share * (count - below))
            below, floor = count, bound
        return self.timed - below

    def quantile(self, share: float) -> float | None:
        """Seconds within which that share of the answers came, interpolated; None without answers."""
        if self.timed <= 0:
            return None
        rank, below, floor = share * self.timed, 0.0, 0.0
        for bound, count in self.latency:
            if count >= rank and count > below:
                if bound == float("inf"):
                    return floor
                return floor + (bound - floor) * (rank - below) / (count - below)
            below, floor = count, bound
        return floor


def counted(
    readings: Iterable[Sequence[PodSample]], since: datetime, until: datetime, slack: timedelta = timedelta()
) -> Counts:
    """The sum over pods of what each counted after `since`, as known at `until`.

    Each pod's readings come in order of time. Counting starts at the newest reading at `since` or before, if that is
    no older than `slack`, else at the first one after: requests between two readings cannot be separated,
    and an old one would make long past answers speak for the present. So a first reading counts nothing by itself. A
    counter that fell belongs to a process that restarted in between, and counts from zero.
    """
    total = Counts()
    for pod in readings:
        total += _of_pod([reading for reading in pod if since - slack <= reading.at <= until], since)
    return total


def _of_pod(readings: Sequence[PodSample], since: datetime) -> Counts:
    before = [reading for reading in readings if reading.at <= since]
    counting = [*before[-1:], *(reading for reading in readings if reading.at > since)]
    if not counting:
        return Counts()
    total = Counts()
    start: PodSample | None = counting[0]
    for earlier, later in pairwise(counting):
        if later.total < earlier.total:
            total += _between(start, earlier)
            start = None
    return total + _between(start, counting[-1])


def _between(start: PodSample | None, end: PodSample) -> Counts:
    """What one process counted between two readings, or since it began."""
    return _absolute(end) if start is None else _absolute(end) + _negative(_absolute(start))


def _absolute(reading: PodSample) -> Counts:
    return Counts(
        reading.total,
        reading.requests[CodeClass.SERVER_ERROR],
        tuple((bucket.bound, bucket.count) for bucket in reading.latency),
    )


def _negative(counts: Counts) -> Counts:
    return Counts(-counts.requests, -counts.errors, tuple((bound, -count) for bound, count in counts.latency))


def _add(
    left: tuple[tuple[float, float], ...], right: tuple[tuple[float, float], ...]
) -> tuple[tuple[float, float], ...]:
    if not left or not right:
        return left or right
    if [bound for bound, _ in left] != [bound for bound, _ in right]:
        # Two runtimes with different buckets: only what all of them can tell is kept.
        shared = {bound for bound, _ in left} & {bound for bound, _ in right}
        left = tuple(pair for pair in left if pair[0] in shared)
        right = tuple(pair for pair in right if pair[0] in shared)
    return tuple((bound, a + b) for (bound, a), (_, b) in zip(left, right, strict=True))
