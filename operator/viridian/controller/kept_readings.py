"""What is kept of the readings of one pod: all of the span that the judge looks back over, and a little of before.

Of before those are kept at which bad answers were new, since a bet on a break starts there. In between a pod had good
answers only, and what it had counted by a kept reading speaks no more against the pod than what it had counted later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from viridian.api.samples import PodSample, ScrapeFailure
from viridian.rollout.analysis.pod_readings import MOST_EARLIER

Reading = PodSample | ScrapeFailure
BadAnswers = Callable[[PodSample], tuple[float, ...]]
"""The bad answers of each metric by a reading."""

MOST: Final = 2000
"""Readings kept of one pod, whatever window and interval ask for. Where there are more, older ones are thinned out."""
MOST_BEFORE: Final = MOST_EARLIER
"""Readings kept of before the span."""


class KeptReadings:
    """The readings of one pod, oldest first."""

    def __init__(self) -> None:
        self._before: list[tuple[PodSample, tuple[float, ...]]] = []
        self._within: list[Reading] = []
        self._newest_before: PodSample | None = None

    def __len__(self) -> int:
        return len(self._before) + len(self._within)

    def __iter__(self) -> Iterator[Reading]:
        yield from (reading for reading, _ in self._before)
        yield from self._within

    def add(self, reading: Reading) -> None:
        if len(self._within) >= 2 * MOST:  # between two times at which readings age
            self._within.pop()
        self._within.append(reading)

    def has_overtaken(self, reading: Reading) -> bool:
        """Whether something newer of the same process is known."""
        if reading.at <= self._within[-1].at:
            return True
        newest = next((known for known in reversed(self._within) if isinstance(known, PodSample)), None)
        if newest is None or not isinstance(reading, PodSample) or reading.process != newest.process:
            return False
        return reading.total < newest.total

    def age(self, since: datetime, span: timedelta, bad: BadAnswers | None) -> None:
        """Keep what was read since, and the sample before it, where counting starts; of older ones what `bad` shows."""
        older = [reading for reading in self._within if reading.at <= since and isinstance(reading, PodSample)]
        within = [*older[-1:], *(reading for reading in self._within if reading.at > since)]
        self._within = within if len(within) <= MOST else _thinned(within, span / (MOST // 4))
        if bad is not None:
            for reading in older[:-1]:
                self._leaves(reading, bad)

    def too_many_since(self) -> datetime | None:
        """From when on there are as many readings of before the span as are kept; None where there are fewer."""
        return self._before[-MOST_BEFORE][0].at if len(self._before) > MOST_BEFORE else None

    def forget_before(self, moment: datetime) -> None:
        """Drop what was counted before a moment, except the latest reading: it shows what had been counted by then."""
        while len(self._before) > 1 and self._before[1][0].at <= moment:
            del self._before[0]

    def _leaves(self, reading: PodSample, bad: BadAnswers) -> None:
        before, shown = self._newest_before, bad(reading)
        restarted = before is not None and reading.total < before.total
        if before is not None and restarted and self._before[-1][0] is not before:
            self._before.append((before, bad(before)))
        if not self._before or restarted or shown != self._before[-1][1]:
            self._before.append((reading, shown))
        self._newest_before = reading


def _thinned(readings: list[Reading], apart: timedelta) -> list[Reading]:
    """The newer half as it is; before that, readings which are so far apart that the whole span has room."""
    newer, kept = readings[-MOST // 2 :], readings[:1]
    for reading in readings[1 : -MOST // 2]:
        if reading.at - kept[-1].at >= apart:
            kept.append(reading)
    return [*kept, *newer]
