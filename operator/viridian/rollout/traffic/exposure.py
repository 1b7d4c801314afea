"""Since when users can meet a revision's pods, and what each pod had counted by then.

Only what comes after is evidence: counters run over a process's whole life, in which it may have been looked at through
the preview Service, been on trial before, or been the champion with a bad hour. The exposure is a part of the traffic
record, so it is written together with the traffic, and outlives the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Final

import msgspec

from viridian.api.samples import Bucket, CodeClass, PodSample
from viridian.core.times import parse_time

MOST_PODS = 100
"""Baselines in a record, which is an annotation. What the pods beyond answer counts from their first reading."""

Count = Annotated[float, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class CounterBaseline:
    """A pod as it was when its answers began to count."""

    # Which process counted; another one has counted from zero since.
    process: str = ""
    requests: Count = 0
    errors: Count = 0
    # Requests of each bucket by its upper bound, as far as there were any, and of all buckets together.
    latency: tuple[tuple[float, float], ...] = ()
    timed: Count = 0
    # Requests that it had answered when the present step began.
    before_step: Count = 0
    restarts: Annotated[int, msgspec.Meta(ge=0)] = 0
    # It could not be read then, so its first reading will be its baseline.
    unread: bool = False
    # When that was; None where it was read when the exposure began.
    at: datetime | None = None

    def as_sample(self, like: PodSample, at: datetime) -> PodSample:
        """The reading that would have shown this, with the buckets of a later one."""
        within = [sum(count for bound, count in self.latency if bound <= bucket.bound) for bucket in like.latency]
        buckets = [Bucket(bound=b.bound, count=n) for b, n in zip(like.latency, within, strict=True)]
        if buckets:
            buckets[-1] = replace(buckets[-1], count=self.timed)
        answered = {CodeClass.SUCCESS: self.requests - self.errors, CodeClass.SERVER_ERROR: self.errors}
        requests = {code: answered.get(code, 0.0) for code in CodeClass}
        return replace(like, at=at, requests=requests, latency=tuple(buckets), duration_sum=0.0)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Since when users can meet the pods of a revision, and the baselines of those that were there."""

    since: datetime | None = None
    pods: Mapping[str, CounterBaseline] = field(default_factory=dict)
    # There were more pods than baselines: one that is not among them may be older than the exposure.
    partial: bool = False
    # Requests of this trial that were answered before this exposure began.
    earlier: Count = 0


@dataclass(frozen=True, slots=True)
class Counting:
    """A pod that counts answers: its process, its restarts, and its newest reading where there is one."""

    uid: str
    process: str
    restarts: int
    reading: PodSample | None = None


def begun(pods: Iterable[Counting], now: datetime, most: int = MOST_PODS) -> Exposure:
    """From now on users can meet these pods."""
    there = list(pods)
    known = {pod.uid: _baseline(pod, pod.restarts) for pod in there[:most]}
    return Exposure(now, known, partial=len(there) > most)


def in_next_step(exposure: Exposure, pods: Iterable[Counting]) -> Exposure:
    """The same exposure, with the requests of a new step beginning to count."""
    known: dict[str, CounterBaseline] = {}
    for pod in pods:
        before = exposure.pods.get(pod.uid)
        if (before is None and exposure.partial) or len(known) == MOST_PODS:
            continue
        known[pod.uid] = _in_next_step(before or CounterBaseline(), pod)
    return replace(exposure, pods=known, partial=exposure.partial or len(known) == MOST_PODS)


def _in_next_step(before: CounterBaseline, pod: Counting) -> CounterBaseline:
    """Of a process that began within the exposure everything speaks, but only the rest is of the new step."""
    if pod.reading is None or (before.unread and before.process == pod.process):
        return _baseline(pod, before.restarts)
    same = before if before.process == pod.process else CounterBaseline(pod.process, restarts=before.restarts)
    return replace(same, before_step=_number(pod.reading.total))


def with_first_readings(exposure: Exposure, pods: Iterable[Counting]) -> Exposure:
    """The same exposure, with baselines for those that could not be read when it began."""
    first = {
        pod.uid: replace(_baseline(pod, known.restarts), at=pod.reading.at)
        for pod in pods
        if (known := exposure.pods.get(pod.uid)) is not None
        and known.unread
        and known.process == pod.process
        and pod.reading is not None
    }
    return replace(exposure, pods={**exposure.pods, **first}) if first else exposure


def evidence(exposure: Exposure | None, readings: Sequence[PodSample]) -> list[PodSample]:
    """The readings of one pod from within its exposure, headed by what had been counted when it began.

    A process that began within the exposure had counted nothing then. Where it is not known what had been counted, the
    first reading is the head.
    """
    known = exposure.pods.get(readings[0].uid) if exposure is not None and readings else None
    since = ((known and known.at) or exposure.since) if exposure is not None else None
    within = [reading for reading in readings if since is None or reading.at > since]
    if exposure is None or since is None or not within or (known is None and exposure.partial):
        return within
    first = within[0]
    if known is not None and known.process == first.process and first.total >= known.requests:
        return within if known.unread else [known.as_sample(first, since), *within]
    start = parse_time(first.process) or since
    return [CounterBaseline().as_sample(first, min(max(start, since), first.at)), *within]


def answered(exposure: Exposure, pods: Iterable[Counting]) -> int:
    """Requests of users that these pods have answered in the trial; those of a process that has ended are lost."""
    readings = [pod.reading for pod in pods if pod.reading is not None]
    return int(exposure.earlier + sum(_answered_since(exposure, newest, _at_the_start) for newest in readings))


def answered_in_step(exposure: Exposure, newest: PodSample) -> float:
    """Requests of the present step that a pod has answered; those of a process that has ended since are lost."""
    return _answered_since(exposure, newest, _before_the_step)


def failed(exposure: Exposure, pods: Iterable[Counting]) -> int:
    """Those of them that were answered with an error of the server."""
    found = 0.0
    for pod in pods:
        known, newest = exposure.pods.get(pod.uid), pod.reading
        if newest is None or (known is None and exposure.partial) or (known is not None and known.unread):
            continue
        same = known is not None and known.process == newest.process
        before = known.errors if known is not None and same else 0.0
        found += max(0.0, newest.requests[CodeClass.SERVER_ERROR] - before)
    return int(found)


_at_the_start: Final = attrgetter("requests")
_before_the_step: Final = attrgetter("before_step")


def _answered_since(exposure: Exposure, newest: PodSample, counter: Callable[[CounterBaseline], float]) -> float:
    known = exposure.pods.get(newest.uid)
    if known is None:
        return 0.0 if exposure.partial else newest.total
    before = counter(known)
    if known.process != newest.process or newest.total < before:
        return newest.total
    return 0.0 if known.unread else newest.total - before


def restarts_within(exposure: Exposure | None, uid: str, restarts: int) -> int:
    """How often a pod's server was started anew since users can meet it."""
    known = exposure.pods.get(uid) if exposure is not None else None
    if known is None:
        return 0 if exposure is not None and exposure.partial else restarts
    return max(0, restarts - known.restarts)


def _baseline(pod: Counting, restarts: int) -> CounterBaseline:
    if pod.reading is None:
        return CounterBaseline(pod.process, restarts=restarts, unread=True)
    finite = [bucket for bucket in pod.reading.latency if bucket.bound != float("inf")]
    below = [0.0, *(bucket.count for bucket in finite)]
    return CounterBaseline(
        pod.process,
        requests=_number(pod.reading.total),
        errors=_number(pod.reading.requests[CodeClass.SERVER_ERROR]),
        latency=tuple(
            (bucket.bound, _number(bucket.count - lower))
            for bucket, lower in zip(finite, below, strict=False)
            if bucket.count != lower
        ),
        timed=_number(pod.reading.latency[-1].count if pod.reading.latency else 0.0),
        before_step=_number(pod.reading.total),
        restarts=restarts,
    )


def _number(value: float) -> float:
    """Whole numbers as they are written shortest."""
    return int(value) if value == int(value) else value
