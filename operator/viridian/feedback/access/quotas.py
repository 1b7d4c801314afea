"""What a namespace may send and keep, so that none of them fills the collector for the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from viridian.access.token_buckets import TokenBuckets
from viridian.feedback.problems import RETRY_SECONDS, HttpProblem, OverShare


class Quotas:
    """Rows and bytes a second, and bytes on the disk. None of them where the limit is 0."""

    def __init__(self, rows: float, size: float, stored: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = {
            what: TokenBuckets(each_second, clock)
            for what, each_second in (("rows", rows), ("bytes", size))
            if each_second
        }
        self._most_stored = stored
        self._stored: dict[str, int] = {}

    def now_stored(self, stored: Mapping[str, int]) -> None:
        """What the database says, by namespace."""
        self._stored = dict(stored)

    def check_rate(self, namespace: str) -> None:
        """Nothing, or 429 for a namespace that has sent too much; before its body is read."""
        for what, rate in self._rates.items():
            if (wait := rate.wait(namespace)) > 0:
                sentence = f"the namespace sends more {what} a second than it may; send them again later"
                raise HttpProblem(429, sentence, max(RETRY_SECONDS, math.ceil(wait)))

    def check_room(self, namespace: str, size: int = 0) -> int:
        """What the namespace keeps with so many bytes more; 507 where that is more than it may."""
        stored = self._stored.get(namespace, 0) + size
        if self._most_stored and stored > self._most_stored:
            raise OverShare(self._most_stored)
        return stored

    def admit(self, namespace: str, rows: int, size: int) -> None:
        """Nothing, or a problem; what is admitted counts."""
        self.check_rate(namespace)
        self._stored[namespace] = self.check_room(namespace, size)
        for what, rate in self._rates.items():
            rate.take(namespace, rows if what == "rows" else size)
