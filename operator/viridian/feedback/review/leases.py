"""Which person is labelling which prediction, so that no two people label the same one at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

LEASE_SECONDS: Final = 300.0
_MAX_LEASES: Final = 10_000
"""Per namespace; beyond that the oldest are given up."""


class Leases:
    """For each prediction that a person is labelling: the person, and until when it is theirs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, OrderedDict[str, tuple[str, float]]] = {}
        """By namespace, those that were taken last at the end."""

    def take(self, namespace: str, prediction_id: str, who: str) -> bool:
        """Whether this person has the prediction now, for some minutes."""
        now = self._clock()
        with self._lock:
            held = self._held.setdefault(namespace, OrderedDict())
            holder, until = held.get(prediction_id, (who, 0.0))
            if holder != who and until > now:
                return False
            held[prediction_id] = (who, now + LEASE_SECONDS)
            held.move_to_end(prediction_id)
            while len(held) > _MAX_LEASES or next(iter(held.values()))[1] <= now:
                held.popitem(last=False)
            return True
