"""What the collector may store of each ModelDeployment, and how its traffic was split. It takes rows of no other.

The rules are sent again now and then: a collector may have lost its database, and an operator that has just begun does
not know what was sent.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from viridian.api.feedback import RetentionRules, TrafficSplit
from viridian.controller.keys import Key
from viridian.ports.collector import Collector, FeedbackError
from viridian.rollout.traffic.split_log import SplitRecord

log = logging.getLogger("viridian.collector_rules")

SEND_EVERY: Final = timedelta(minutes=5)
RETRY_AFTER: Final = timedelta(seconds=60)


class CollectorRules:
    """Sends rules, and remembers what was sent when."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._sent: dict[Key, tuple[RetentionRules, datetime]] = {}
        """The rules that were sent last, and when to send them again."""
        self._logged: dict[Key, SplitRecord] = {}
        """The newest split that was sent."""

    async def send(self, key: Key, rules: RetentionRules, now: datetime) -> datetime:
        """Send the rules where they are new or due; returns when they are due again. Never raises."""
        sent, due = self._sent.get(key, (None, now))
        if sent == rules and now < due:
            return due
        self._sent[key] = rules, now + RETRY_AFTER
        try:
            await self._collector.keep(key.namespace, key.name, rules)
            self._sent[key] = rules, now + SEND_EVERY
        except FeedbackError as error:
            log.warning("the collector did not take the rules: %s", error, extra={"key": str(key)})
        return self._sent[key][1]

    async def log_splits(self, key: Key, splits: Sequence[SplitRecord], now: datetime) -> datetime | None:
        """Send how the traffic was split, where that is new; returns when to try again. Never raises."""
        if not splits or self._logged.get(key) == splits[-1]:
            return None
        known = [
            TrafficSplit(time=one.at.timestamp(), champion=one.champion, challenger=one.other, share=one.share / 100)
            for one in splits
            if one.at is not None
        ]
        try:
            await self._collector.log_splits(key.namespace, key.name, known)
        except FeedbackError as error:
            log.warning("the collector did not take the splits: %s", error, extra={"key": str(key)})
            return now + RETRY_AFTER
        self._logged[key] = splits[-1]
        return None

    def has_sent(self, key: Key) -> bool:
        return key in self._sent

    def forget(self, key: Key) -> None:
        """The rules are another installation's to send from now on."""
        self._sent.pop(key, None)
        self._logged.pop(key, None)

    async def close(self, key: Key) -> None:
        """Nothing more is to be stored; sent once, by the operator that has sent the rules. Never raises."""
        self._logged.pop(key, None)
        if self._sent.pop(key, None) is None:
            return
        try:
            await self._collector.close(key.namespace, key.name)
        except FeedbackError as error:
            log.warning("the collector still takes rows: %s", error, extra={"key": str(key)})
