"""The latest readings of the pods that are being judged: a short memory per ModelDeployment, in this process alone.

Losing it in a restart is fine. What the pods had counted when users could first meet them stands in the traffic record,
and if that is longer ago than the judge looks back, counting begins with the first reading afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from viridian.api.samples import PodSample, PodTarget
from viridian.controller.kept_readings import BadAnswers, KeptReadings, Reading
from viridian.controller.keys import Key
from viridian.ports.pods import Pods

SHARED = timedelta(seconds=0.5)
"""Passes that follow each other faster may share a reading."""


class Samples:
    """Reads pods and keeps their counters for as long as the judge looks back."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._rings: dict[Key, dict[str, KeptReadings]] = {}
        self._scraped: dict[Key, datetime] = {}

    async def read(
        self,
        key: Key,
        targets: Sequence[PodTarget],
        *,
        now: datetime,
        interval: timedelta,
        span: timedelta,
        bad: BadAnswers | None = None,
    ) -> Mapping[str, Sequence[Reading]]:
        """Readings by pod uid, oldest first, reaching back over `span` and to the one before.

        With `bad` also those of before at which bad answers were new.

        Passes that come faster than half the interval share a scrape, unless a pod was never read; with an interval of
        zero none do. Without targets nothing is kept: the next trial starts with an empty memory.
        """
        if not targets:
            self.forget(key)
            return {}
        if key in self._scraped and now < self._scraped[key]:
            self.forget(key)  # the clock has gone back: by its time nothing was read yet
        rings = self._rings.setdefault(key, {})
        recent = now - self._scraped.get(key, datetime.min.replace(tzinfo=now.tzinfo)) < min(interval / 2, SHARED)
        if not (recent and all(target.uid in rings for target in targets)):
            lengths = {uid: len(ring) for uid, ring in rings.items()}
            for uid, reading in (await self._pods.scrape(targets)).items():
                ring = rings.setdefault(uid, KeptReadings())
                # While it was on its way, a stream may have brought a later one.
                if len(ring) == lengths.get(uid, 0) or not ring.has_overtaken(reading):
                    ring.add(reading)
            self._scraped[key] = now
        self._rings[key] = {target.uid: rings[target.uid] for target in targets}
        for slot in {target.identity.slot for target in targets}:
            alike = [self._rings[key][target.uid] for target in targets if target.identity.slot == slot]
            _age(alike, now - span, span, bad)
        return self.known(key)

    def add(self, key: Key, sample: PodSample) -> bool:
        """Keep a sample that has come by itself; False where it says nothing new.

        A pod is known by its first reading. One that has counted less than before was overtaken by a reading, or its
        process is another one: the next reading shows which.
        """
        ring = self._rings.get(key, {}).get(sample.uid)
        if not ring or ring.has_overtaken(sample):
            return False
        ring.add(sample)
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


def _age(rings: Sequence[KeptReadings], since: datetime, span: timedelta, bad: BadAnswers | None) -> None:
    """All pods of a slot are known from the same moment on: else a bet would begin later with one of them."""
    for ring in rings:
        ring.age(since, span, bad)
    bounded = [moment for ring in rings if (moment := ring.too_many_since()) is not None]
    for ring in rings if bounded else ():
        ring.forget_before(max(bounded))
