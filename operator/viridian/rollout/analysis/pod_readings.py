"""The readings of some pods within their exposure, and what they add up to between two moments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from viridian.api.samples import PodSample, PodTarget, ScrapeFailure
from viridian.judgement.canary import Bound, tally
from viridian.judgement.counts import Counts, Course, counted
from viridian.judgement.detector import Memory, Tally
from viridian.rollout.analysis.source import Look
from viridian.rollout.traffic import exposure as exposures
from viridian.rollout.traffic.exposure import Exposure

_STALE_AFTER: Final = timedelta(seconds=5)
"""A reading older than this (or than three intervals) says nothing about now."""
MOST_MOMENTS: Final = 60
"""Moments of the window that are looked at as the possible beginning of a breach."""
MOST_EARLIER: Final = 100
"""Moments before the window that are: a version with twice the bad answers of its bound needs about 60 bad ones."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Each pod's samples within the exposure, and why the newest attempt to read one failed."""

    look: Look
    pods: list[list[PodSample]]
    failure: str | None

    @property
    def fresh(self) -> timedelta:
        """As old as the newest reading may be."""
        return max(_STALE_AFTER, 3 * self.look.interval)

    @property
    def slack(self) -> timedelta:
        """A window need not be exact to the second: a reading that is a little older may stand for its beginning."""
        return max(self.fresh, self.look.window / 10)

    @property
    def blind(self) -> bool:
        return not any(pod[-1].at >= self.look.now - self.fresh for pod in self.pods)

    def between(self, since: datetime, until: datetime) -> Counts:
        return counted(self.pods, since, until, self.slack)

    def whole(self) -> Counts:
        """Everything since the exposure began."""
        first = min((pod[0].at for pod in self.pods), default=self.look.now)
        return self.between(first, self.look.now)

    def courses(self, bound: Bound) -> Courses:
        return Courses([Course(pod, partial(tally, bound)) for pod in self.pods], self.slack)


@dataclass(frozen=True, slots=True)
class Courses:
    """What all pods counted, as one bound sees it."""

    pods: list[Course]
    slack: timedelta

    def since(self, moment: datetime | None, until: datetime) -> Tally:
        """Between two moments; without a first one since the exposure began."""
        return sum((pod.since(moment, until, self.slack) for pod in self.pods), start=Tally())

    def memory(self, look: Look, at: datetime) -> Memory:
        """What is known of the whole trial at that time."""
        recent = tuple((number, self.since(moment, at)) for number, moment in moments(look, at))
        return Memory(self.since(None, at), recent, self._earlier(look, at))

    def _earlier(self, look: Look, at: datetime) -> tuple[Tally, ...]:
        """Since the moments before the window at which bad answers were new.

        Of that time the readings in between are not kept. So a pod counts from its latest reading before the moment,
        however old: since then it has had no other bad answers.
        """
        began, apart, opened = grid(look, at)
        new = {math.ceil((time - began) / apart) for pod in self.pods for time in pod.new_bad(opened)}
        starts = (began + number * apart for number in sorted(new)[-MOST_EARLIER:])
        return tuple(
            sum((pod.since(moment, at, None) for pod in self.pods), start=Tally())
            for moment in starts
            if moment < opened
        )


def readings_of(look: Look, targets: Sequence[PodTarget], exposure: Exposure | None) -> Readings:
    """What was read of these pods since users could meet them."""
    samples, failure = [], None
    for target in targets:
        results = look.results.get(target.uid, ())
        read = [result for result in results if isinstance(result, PodSample)]
        samples.append(exposures.evidence(exposure, read))
        if results and isinstance(results[-1], ScrapeFailure):
            failure = results[-1].message
    return Readings(look, [pod for pod in samples if pod], failure)


def moments(look: Look, at: datetime) -> Iterator[tuple[int, datetime]]:
    """The moments of the window at which a bet starts, numbered from the beginning of the trial.

    One a look; fewer where the window holds many looks.
    """
    began, apart, opened = grid(look, at)
    numbers = range(max(0, math.ceil((opened - began) / apart)), math.ceil((at - began) / apart))
    return ((number, began + number * apart) for number in numbers)


def grid(look: Look, at: datetime) -> tuple[datetime, timedelta, datetime]:
    """When the trial began, how far its moments are apart, and when the window opened."""
    opened, exposure = at - look.window, look.subject.exposure
    began = exposure.since if exposure is not None and exposure.since is not None else opened
    return began, look.interval * max(1, math.ceil(look.window / look.interval / MOST_MOMENTS)), opened
