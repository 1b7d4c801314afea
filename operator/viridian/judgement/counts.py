"""What a slot's pods answered within a window, added up from readings of their counters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
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


def counted(readings: Iterable[Sequence[PodSample]], since: datetime, until: datetime) -> Counts:
    """The sum over pods of what each counted after `since`, as known at `until`.

    Each pod's readings come in order of time. The last one before `since` is where counting starts; a pod that was
    first read later counts from its start, since all of its answers may matter. A counter that fell belongs to a
    restarted process and counts from zero again.
    """
    total = Counts()
    for pod in readings:
        total += _of_pod([reading for reading in pod if reading.at <= until], since)
    return total


def _of_pod(readings: Sequence[PodSample], since: datetime) -> Counts:
    before = [reading for reading in readings if reading.at <= since]
    within = [reading for reading in readings if reading.at > since]
    if not within:
        return Counts()
    total, start = Counts(), before[-1] if before else None
    for earlier, later in pairwise([*before[-1:], *within]):
        if later.total < earlier.total:
            total += _between(start, earlier)
            start = None
    return total + _between(start, within[-1])


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
