"""The latest readings of the pods that are being judged: a short memory per ModelDeployment, in this process alone.

Losing it in a restart is fine. What the pods had counted when users could first meet them stands in the traffic record,
and if that is longer ago than the judge looks back, counting begins with the first reading afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from viridian.api.samples import PodSample, PodTarget, ScrapeFailure
from viridian.controller.keys import Key
from viridian.ports.pods import Pods

Reading = PodSample | ScrapeFailure

MOST = 2000
"""Readings kept of one pod, whatever window and interval ask for. Where there are more, older ones are thinned out."""
SHARED = timedelta(seconds=0.5)
"""Passes that follow each other faster may share a reading."""


class Samples:
    """Reads pods and keeps their counters for as long as the judge looks back."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._rings: dict[Key, dict[str, list[Reading]]] = {}
        self._scraped: dict[Key, datetime] = {}

    async def read(
        self, key: Key, targets: Sequence[PodTarget], *, now: datetime, interval: timedelta, span: timedelta
    ) -> Mapping[str, Sequence[Reading]]:
        """Readings by pod uid, oldest first, reaching back over `span` and to the one before.

        Passes that come faster than half the interval share a scrape, unless a pod was never read; with an interval of
        zero none do. Without targets nothing is kept: the next trial starts with an empty memory.
        """
        if not targets:
            self.forget(key)
            return {}
        rings = self._rings.setdefault(key, {})
        recent = now - self._scraped.get(key, datetime.min.replace(tzinfo=now.tzinfo)) < min(interval / 2, SHARED)
        if not (recent and all(target.uid in rings for target in targets)):
            lengths = {uid: len(ring) for uid, ring in rings.items()}
            for uid, reading in (await self._pods.scrape(targets)).items():
                ring = rings.setdefault(uid, [])
                # While it was on its way, a stream may have brought a later one.
                if len(ring) == lengths.get(uid, 0) or not _is_overtaken(reading, ring):
                    ring.append(reading)
            self._scraped[key] = now
        self._rings[key] = {target.uid: _kept(rings[target.uid], now, span) for target in targets}
        return self.known(key)

    def add(self, key: Key, sample: PodSample) -> bool:
        """Keep a sample that has come by itself; False where it says nothing new.

        A pod is known by its first reading. One that has counted less than before was overtaken by a reading, or its
        process is another one: the next reading shows which.
        """
        ring = self._rings.get(key, {}).get(sample.uid)
        if not ring or _is_overtaken(sample, ring):
            return False
        if len(ring) >= 2 * MOST:  # between two readings that are far apart
            ring.pop()
        ring.append(sample)
        return True

    def known(self, key: Key) -> Mapping[str, Sequence[Reading]]:
        """What was read and has come so far, as `read` gives it."""
        return {uid: tuple(ring) for uid, ring in self._rings.get(key, {}).items()}

    def read_again(self, key: Key) -> None:
        """The next pass reads all pods, however short ago the latest one did."""
        self._scraped.pop(key, None)

    def forget(self, key: Key) -> None:
        self._rings.pop(key, None)
        self._scraped.pop(key, None)

    def __len__(self) -> int:
        return sum(len(ring) for rings in self._rings.values() for ring in rings.values())


def _is_overtaken(reading: Reading, ring: Sequence[Reading]) -> bool:
    """Whether something newer of the same process is known."""
    if reading.at <= ring[-1].at:
        return True
    newest = next((known for known in reversed(ring) if isinstance(known, PodSample)), None)
    if newest is None or not isinstance(reading, PodSample) or reading.process != newest.process:
        return False
    return reading.total < newest.total


def _kept(ring: list[Reading], now: datetime, span: timedelta) -> list[Reading]:
    """What was read within the span, and the sample before it: that is where counting starts."""
    since = now - span
    older = [reading for reading in ring if reading.at <= since and isinstance(reading, PodSample)]
    young = [*older[-1:], *(reading for reading in ring if reading.at > since)]
    return young if len(young) <= MOST else _thinned(young, span / (MOST // 4))


def _thinned(ring: list[Reading], apart: timedelta) -> list[Reading]:
    """The newer half as it is; before that, readings which are so far apart that the whole span has room."""
    newer, kept = ring[-MOST // 2 :], ring[:1]
    for reading in ring[1 : -MOST // 2]:
        if reading.at - kept[-1].at >= apart:
            kept.append(reading)
    return [*kept, *newer]
