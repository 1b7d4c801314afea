"""One pass over one object: observe, decide, act, tell.

Every error becomes an ending that the queue understands, so a pass never raises:

    ClusterConflict      the world changed under our eyes      look again at once
    ClusterUnavailable   nothing is known about the outcome    back off, but never for long
    ClusterRefused       the same write will be refused again  say so in the conditions, back off
    no end               something is not bounded in time      cut it, count it as an error, back off
    anything else        a mistake of ours                     log it with the key, count it, back off

A registry that did not take a write is no error of the pass: everything else is done, it is said, and the pass is
repeated with back-off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from viridian.controller.act import Actor, Done
from viridian.controller.keys import Key
from viridian.controller.kinds import Kind
from viridian.controller.queue import Ending, Gone, Retry, Settled
from viridian.controller.status import StatusWriter
from viridian.plan.plan import Event, Plan
from viridian.ports.cluster import Cluster, ClusterConflict, ClusterError, ClusterRefused, ClusterUnavailable, Object

log = logging.getLogger("viridian.reconcile")

LONGEST_OUTAGE_WAIT = 15.0
"""Seconds between attempts while API server or registry do not answer: a revert may be waiting."""
LONGEST_PASS = 300.0
"""Seconds that a pass may take. Every call in it is bounded on its own, so a longer one waits for nothing."""
SOONEST = 0.05
"""Seconds until the next pass at least, whatever a plan asks for: one key must not keep a core busy."""


class Outcome(StrEnum):
    """How a pass ended, for the metrics."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    GONE = "gone"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    REGISTRY_FAILED = "registry_failed"
    ERROR = "error"


class Observer(Protocol):
    """Is told about passes and the statuses they lead to, for the metrics."""

    def reconciled(self, key: Key, outcome: Outcome, seconds: float) -> None: ...

    def seen(self, key: Key, status: Mapping[str, Any]) -> None: ...

    def forget(self, key: Key) -> None: ...


@dataclass(frozen=True, slots=True)
class _Due:
    """When a plan was made, by the clock that it speaks of and by the loop's own."""

    now: datetime
    loop_time: float

    def seconds_until(self, wake: datetime) -> float:
        """What is left of the time that the plan wants to wait, after what acting on it took."""
        return (wake - self.now) / timedelta(seconds=1) - (asyncio.get_running_loop().time() - self.loop_time)


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Makes passes; called by the queue's workers."""

    cluster: Cluster
    kinds: Mapping[str, Kind[Any]]
    actor: Actor
    statuses: StatusWriter
    observer: Observer
    resync: Callable[[], float]
    """Seconds until the key is looked at again in any case; with jitter."""
    registry_written: Callable[[Key, frozenset[str]], None]
    """Is told which registered models this key's pass wrote to."""
    forget: Callable[[Key], None]
    """Is told that the key's object is gone."""

    async def __call__(self, key: Key) -> Ending:
        started = asyncio.get_running_loop().time()
        ending, outcome = await self._safely(key)
        self.observer.reconciled(key, outcome, asyncio.get_running_loop().time() - started)
        return ending

    async def _safely(self, key: Key) -> tuple[Ending, Outcome]:
        try:
            async with asyncio.timeout(LONGEST_PASS) as bound:
                return await self._pass(key)
        except ClusterConflict as error:
            log.debug("conflict: %s", error, extra={"key": str(key)})
            return Retry(at_once=True), Outcome.CONFLICT
        except ClusterUnavailable as error:
            log.warning("the API server is unavailable: %s", error, extra={"key": str(key)})
            return Retry(at_least=error.retry_after or 0.0, at_most=LONGEST_OUTAGE_WAIT), Outcome.UNAVAILABLE
        except ClusterError as error:
            log.error("the API server refuses: %s", error, extra={"key": str(key)})
            return Retry(), Outcome.REFUSED
        except Exception:
            what = f"a pass was cut after {LONGEST_PASS:g} s" if bound.expired() else "a mistake in the operator"
            log.exception(what, extra={"key": str(key)})
            return Retry(), Outcome.ERROR

    async def _pass(self, key: Key) -> tuple[Ending, Outcome]:
        manifest = await self.cluster.get(key.reference)
        if manifest is None:
            self._forget(key)
            return Gone(), Outcome.GONE
        if manifest["metadata"].get("deletionTimestamp"):
            # Its children are the garbage collector's: making one again now would leave an orphan.
            return Settled(), Outcome.UNCHANGED
        kind = self.kinds[key.kind]
        observed = await kind.observe(key, manifest)
        due = _Due(observed.now, asyncio.get_running_loop().time())
        plan = kind.decide(observed)
        told: list[Event] = []
        try:
            done = await self.actor.perform(key, plan.actions, tell=told.append)
        except ClusterError as error:
            await self._record(key, manifest, told)
            if not isinstance(error, ClusterRefused):
                raise
            plan = kind.refused(observed, str(error))
            await self._tell(key, manifest, plan)
            log.warning("the API server refuses: %s", error, extra={"key": str(key)})
            return Retry(at_most=self._after(plan, due)), Outcome.REFUSED
        await self._record(key, manifest, told)
        if done.models:
            self.registry_written(key, done.models)
        acted = bool(plan.actions)
        if done.registry_error is not None:
            plan = kind.unregistered(observed, done.registry_error)
        changed = await self._tell(key, manifest, plan) or acted
        _report(key, plan, done, changed)
        if done.registry_failures:
            return Retry(at_most=self._patience(plan, due)), Outcome.REGISTRY_FAILED
        return Settled(self._after(plan, due)), Outcome.CHANGED if changed else Outcome.UNCHANGED

    async def _tell(self, key: Key, manifest: Object, plan: Plan) -> bool:
        """Write the status if it says something new, then the events about that; whether it was written."""
        if plan.status is None:
            return False
        changed = await self.statuses.write(key, manifest, plan.status)
        self.observer.seen(key, plan.status)
        await self._record(key, manifest, plan.news)
        return changed

    async def _record(self, key: Key, manifest: Object, events: Iterable[Event]) -> None:
        for event in events:
            try:
                await self.cluster.record_event(
                    manifest, kind=event.type, reason=event.reason, message=event.message[:1000]
                )
            except ClusterError as error:
                log.warning("event %s not recorded: %s", event.reason, error, extra={"key": str(key)})

    def _after(self, plan: Plan, due: _Due) -> float:
        """Seconds until the next pass: when the plan wants it, at the latest when the resync is due."""
        resync = self.resync()
        return resync if plan.wake is None else max(SOONEST, min(resync, due.seconds_until(plan.wake)))

    def _patience(self, plan: Plan, due: _Due) -> float:
        """Seconds to back off at most after the registry took not all of a plan.

        One that wants the next pass at once wants it because of what it did, which is what failed.
        """
        at_once = plan.wake is not None and plan.wake <= due.now
        return LONGEST_OUTAGE_WAIT if at_once else self._after(plan, due)

    def _forget(self, key: Key) -> None:
        for part in (self.statuses, self.observer, self.kinds[key.kind]):
            part.forget(key)
        self.forget(key)


def _report(key: Key, plan: Plan, done: Done, changed: bool) -> None:
    for failure in done.registry_failures:
        log.warning("the registry was not told: %s", failure, extra={"key": str(key)})
    if changed:
        log.info(
            plan.summary or "changed",
            extra={"key": str(key), "actions": len(plan.actions), "notes": list(plan.notes)},
        )
