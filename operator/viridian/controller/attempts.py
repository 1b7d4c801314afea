"""Writes to the API server, each with its own patience and its own back-off: no object's trouble is another's.

A write that takes longer than a pass waits goes on alone, and its object is left alone until it has ended: a webhook
that hangs must not keep the judge from looking. One that failed is tried again later, sooner where users wait for it,
and at once where something else is wanted of the object.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from viridian.controller.backoff import Backoff
from viridian.controller.keys import Key
from viridian.core.obstacles import Obstacle, Obstacles
from viridian.core.plan import Event, Manifest, Target
from viridian.ports.cluster import ClusterConflict, ClusterError, ClusterRefused, ClusterUnavailable

log = logging.getLogger("viridian.writes")

PATIENCE: Final = 1.0
"""Seconds that a pass waits for one write."""
IMPATIENCE: Final = 0.25
"""The same once a write of the pass was not answered in time."""
PASSING: Final = 5.0
"""Seconds for which a write may fail for want of a response before it is reported."""

LONGEST: Final = 60.0
"""Seconds that a write may take in all. Every call is bounded on its own, so a longer one waits for nothing."""

_Subject = tuple[Target, str]
"""Which object of a key, and on whose behalf: two field managers' notes on one object fail apart."""


_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A write that is to be made."""

    target: Target
    desired: object
    """The desired object: a changed one is tried at once."""
    start: Callable[[], Coroutine[Any, Any, None]]
    manager: str = ""
    wanted: Manifest | None = None
    deletion: bool = False
    urgent: bool = False
    """Users wait for it: it is tried again with every look."""
    tells: tuple[Event, ...] = ()

    @property
    def subject(self) -> _Subject:
        return self.target, self.manager


@dataclass(slots=True)
class _Trouble:
    """A row of failures of one object."""

    attempt: Attempt
    since: float
    refused: bool
    message: str
    failures: int = 0
    retry_at: float = 0.0


@dataclass(slots=True)
class _UnderWay:
    attempt: Attempt
    task: asyncio.Task[None]
    lingers: bool = False
    """A pass has stopped waiting for it."""


class Attempts:
    """Makes writes, and remembers what stands in the way of which object. Losing that costs one attempt each."""

    def __init__(
        self, random: Callable[[], float] = lambda: 1.0, *, look_again: Callable[[Key], None] = lambda _: None
    ) -> None:
        """`look_again(key)`: a write that its pass had stopped waiting for has ended."""
        self._look_again = look_again
        self._urgent = Backoff(random, first=0.5, cap=1.0)
        self._refused = Backoff(random, first=1.0, cap=30.0)
        self._unavailable = Backoff(random, first=0.25, cap=15.0)
        self._troubles: dict[Key, dict[_Subject, _Trouble]] = {}
        self._under_way: dict[Key, dict[_Subject, _UnderWay]] = {}
        self._late: dict[Key, list[Event]] = {}

    async def make(self, key: Key, attempt: Attempt, *, patience: float = PATIENCE) -> bool:
        """Whether the write was done; not so while an earlier one is under way or it is not its time yet.

        Raises ClusterConflict, since what was decided about another state of the world is void.
        """
        if self._is_busy(key, attempt.target) or self._waits(key, attempt):
            return False
        write = _UnderWay(attempt, asyncio.create_task(_bounded(attempt)))
        self._under_way.setdefault(key, {})[attempt.subject] = write
        write.task.add_done_callback(lambda _: self._ended(key, write))
        try:
            await asyncio.wait([write.task], timeout=patience)
        finally:
            write.lingers = not write.task.done()
        if write.lingers:
            self._note(key, attempt, ClusterUnavailable(f"{_named(attempt)}: no answer within {patience:g} s"))
            return False
        return self._settled(key, write)

    def only(self, key: Key, targets: Iterable[tuple[Target, str]]) -> None:
        """Nothing but these, by these managers, is to be written: what stood in the way of others is over."""
        if key not in self._troubles:
            return
        wanted = {*targets, *self._under_way.get(key, ())}
        for subject in self._troubles[key].keys() - wanted:
            self._is_over(key, subject)

    def obstacles(self, key: Key) -> Obstacles:
        """What keeps which object of this key from being written, as of now."""
        now = _now()
        return {
            target: Obstacle(
                kind=target[0],
                name=target[1],
                message=trouble.message,
                refused=trouble.refused,
                lasting=trouble.refused or now - trouble.since >= PASSING,
                wanted=trouble.attempt.wanted,
                deletion=trouble.attempt.deletion,
                waits=self._is_busy(key, target) or now < trouble.retry_at,
            )
            for (target, _), trouble in sorted(self._troubles.get(key, {}).items())
        }

    def next_try(self, key: Key) -> float | None:
        """Seconds until something of this key is tried again; None where nothing waits for that."""
        under_way = self._under_way.get(key, {})
        troubles = self._troubles.get(key, {})
        waiting = [trouble.retry_at for subject, trouble in troubles.items() if subject not in under_way]
        return max(0.0, min(waiting) - _now()) if waiting else None

    def late_events(self, key: Key) -> list[Event]:
        """What writes tell that were done after their pass had stopped waiting; each is given once."""
        return self._late.pop(key, [])

    def has_any(self, key: Key) -> bool:
        """Whether a write of this key is under way, has failed, or ended after its pass."""
        return key in self._troubles or key in self._under_way or key in self._late

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._late.pop(key, None)
        self._troubles.pop(key, None)

    async def close(self) -> None:
        """End the writes that are under way."""
        tasks = [write.task for writes in self._under_way.values() for write in writes.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # ---- inside

    def _is_busy(self, key: Key, target: Target) -> bool:
        """Whether an earlier write of the object is under way: two at a time might arrive in the wrong order."""
        return any(busy == target for busy, _ in self._under_way.get(key, ()))

    def _waits(self, key: Key, attempt: Attempt) -> bool:
        trouble = self._troubles.get(key, {}).get(attempt.subject)
        return trouble is not None and trouble.attempt.desired == attempt.desired and _now() < trouble.retry_at

    def _settled(self, key: Key, write: _UnderWay) -> bool:
        try:
            write.task.result()
        except ClusterConflict:
            self._is_over(key, write.attempt.subject)
            raise
        except ClusterError as error:
            self._note(key, write.attempt, error)
            return False
        self._is_over(key, write.attempt.subject)
        return True

    def _is_over(self, key: Key, subject: _Subject) -> None:
        """The subject has no trouble any more."""
        _removed(self._troubles, key, subject)

    def _ended(self, key: Key, write: _UnderWay) -> None:
        _removed(self._under_way, key, write.attempt.subject)
        if write.task.cancelled():
            return
        # Read in any case: a pass that is cancelled in this very moment reads it no more, and asyncio would complain.
        write.task.exception()
        if not write.lingers:
            return
        try:
            if self._settled(key, write):
                self._late.setdefault(key, []).extend(write.attempt.tells)
        except ClusterConflict as error:
            log.debug("conflict: %s", error, extra={"key": str(key)})
        except Exception:
            log.exception("a mistake in the operator", extra={"key": str(key)})
        self._look_again(key)

    def _note(self, key: Key, attempt: Attempt, error: ClusterError) -> None:
        refused, message = isinstance(error, ClusterRefused), str(error)
        troubles = self._troubles.setdefault(key, {})
        trouble = troubles.get(attempt.subject)
        if trouble is None:
            trouble = _Trouble(attempt, _now(), refused, message)
            troubles[attempt.subject] = trouble
        elif (trouble.refused, _without_numbers(trouble.message)) != (refused, _without_numbers(message)):
            trouble.refused, trouble.message = refused, message
        trouble.attempt, trouble.failures = attempt, trouble.failures + 1
        backoff = self._urgent if attempt.urgent else self._refused if refused else self._unavailable
        asked = error.retry_after or 0.0 if isinstance(error, ClusterUnavailable) else 0.0
        trouble.retry_at = _now() + max(asked, backoff.delay(trouble.failures))


def _removed(by_key: dict[Key, dict[_Subject, _Kept]], key: Key, subject: _Subject) -> None:
    """Remove what is kept of a subject, and the key with its last one."""
    kept = by_key.get(key, {})
    kept.pop(subject, None)
    if not kept:
        by_key.pop(key, None)


async def _bounded(attempt: Attempt) -> None:
    try:
        async with asyncio.timeout(LONGEST):
            await attempt.start()
    except TimeoutError:
        raise ClusterUnavailable(f"{_named(attempt)}: no answer within {LONGEST:g} s") from None


_NUMBER = re.compile(r"\d+")


def _without_numbers(message: str) -> str:
    """Ports and ids in a message may differ each time; a condition must not change with them."""
    return _NUMBER.sub("#", message)


def _named(attempt: Attempt) -> str:
    return " ".join(attempt.target)


def _now() -> float:
    return asyncio.get_running_loop().time()
