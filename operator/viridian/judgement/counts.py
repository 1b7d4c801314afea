"""What a slot's pods answered within a window, added up from readings of their counters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from viridian.api.samples import CodeClass, PodSample
from viridian.judgement.detector import Tally


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

    def slower_than(self, seconds: float, beyond: float | None = None) -> float:
        """Answers that took longer; `beyond` is the part of those in the bucket that the limit falls into.

        Without it they are taken to be spread evenly.
        """
        below, floor = 0.0, 0.0
        for bound, count in self.latency:
            if seconds < bound:
                if bound == float("inf"):
                    return self.timed - below
                within = (seconds - floor) / (bound - floor) if beyond is None else 1 - beyond
                return self.timed - (below + within * (count - below))
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


class Course:
    """What one pod counted, reading by reading, as `tally` sees it: `counted` for many moments at little cost."""

    def __init__(self, readings: Sequence[PodSample], tally: Callable[[Counts], Tally]) -> None:
        self._readings, self._tally = readings, tally
        self._times = [reading.at for reading in readings]
        self._counted: dict[int, Tally] = {}
        self._before = _before_restarts(readings, tally)

    def since(self, moment: datetime | None, until: datetime, slack: timedelta | None) -> Tally:
        """What was counted between two moments; without a first one since the first reading.

        Without slack a reading of any age stands for the first moment.
        """
        end = bisect_right(self._times, until) - 1
        start = 0 if moment is None else bisect_right(self._times, moment) - 1
        if moment is not None and (start < 0 or (slack is not None and self._times[start] < moment - slack)):
            start += 1
        return self._by(end) - self._by(start) if start < end else Tally()

    def new_bad(self, until: datetime) -> Iterator[datetime]:
        """The times of readings that showed more bad answers than the ones before, up to some moment."""
        numbers = range(bisect_right(self._times, until))
        return (self._times[number] for number in numbers[1:] if self._by(number).bad > self._by(number - 1).bad)

    def _by(self, number: int) -> Tally:
        if number not in self._counted:
            self._counted[number] = self._before[number] + self._tally(absolute(self._readings[number]))
        return self._counted[number]


def _before_restarts(readings: Sequence[PodSample], tally: Callable[[Counts], Tally]) -> list[Tally]:
    """For each reading, what the processes before its own had counted."""
    totals, before = [reading.total for reading in readings], [Tally()]
    for number, (earlier, later) in enumerate(pairwise(totals)):
        restarted = later < earlier
        before.append(before[-1] + tally(absolute(readings[number])) if restarted else before[-1])
    return before


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
    return absolute(end) if start is None else absolute(end) + _negative(absolute(start))


def absolute(reading: PodSample) -> Counts:
    """All that a process has counted by a reading."""
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
