"""One pass over one object: observe, decide, act, tell.

A write that the API server does not take is no error of the pass: everything else is done, conditions and Events say
what stands in the way, and the object is tried again on its own time (`viridian.controller.attempts`). The next look
comes when the plan wants it, as ever: the judge is not slowed. So it is with a registry that did not take a write.

Every error becomes an ending that the queue understands, so a pass never raises:

    ClusterConflict      the world changed under our eyes      look again at once
    ClusterUnavailable   the world cannot be read              back off, but never for long
    ClusterRefused       the world may not be read             the same
    no end               something is not bounded in time      cut it, count it as an error, back off
    anything else        a mistake of ours                     log it with the key, count it, back off

After a few mistakes in a row nobody judges any more what users meet: then the loop fails closed, and the kind says how.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol

from viridian.api import reasons
from viridian.controller.act import Actor, Done
from viridian.controller.former_status import has_former_manager
from viridian.controller.keys import Key
from viridian.controller.preconditions import one_pass
from viridian.controller.queue import Ending, Gone, Retry, Settled
from viridian.controller.reconcilable import Input, Reconcilable
from viridian.controller.status import Standing, StatusWriter, Written
from viridian.controller.status_parts import Status
from viridian.core.obstacles import NO_OBSTACLES, Obstacle, Obstacles, from_cluster, from_registry
from viridian.core.plan import Event, EventType, Plan
from viridian.core.selectors import EVERYTHING, Selector
from viridian.core.urgency import Urgency
from viridian.ports.cluster import Cluster, ClusterConflict, ClusterError, ClusterUnavailable, Object

log = logging.getLogger("viridian.reconcile")

LONGEST_OUTAGE_WAIT = 15.0
"""Seconds between attempts while API server or registry do not answer, or not as asked: a revert may be waiting."""
LONGEST_PASS = 300.0
"""Seconds that a pass may take. Every call in it is bounded on its own, so a longer one waits for nothing."""
MISTAKES_IN_A_ROW = 3
"""So many passes over an object may fail by a mistake before users are taken from what cannot be judged."""
SOONEST = 0.05
"""Seconds until the next pass at least, whatever a plan asks for: one key must not keep a core busy."""


class PassResult(StrEnum):
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
    """Observes passes and the statuses they lead to, for the metrics."""

    def reconciled(self, key: Key, outcome: PassResult, seconds: float) -> None: ...

    def seen(self, key: Key, status: Mapping[str, Any], manifest: Object) -> None: ...

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
class AtRest:
    """What a pass that has nothing to write would come to."""

    ending: Settled
    standing: Standing | None
    """The status, where there is one."""
    status: Status
    manifest: Object


@dataclass(frozen=True, slots=True)
class Reconciler(Generic[Input]):
    """Makes passes over one concern of the objects of one kind; called by its queue's workers."""

    cluster: Cluster
    subject: Reconcilable[Input]
    actor: Actor
    statuses: StatusWriter
    observer: Observer
    registry_written: Callable[[frozenset[str]], None]
    """Called with the registered models that a pass wrote to."""
    forget: Callable[[Key], None]
    """Called when the key's object is gone."""
    selector: Selector = EVERYTHING
    """What this operator serves: an object without these labels is another one's."""
    mistakes: dict[Key, int] = field(default_factory=dict)
    """How many passes in a row have failed by a mistake."""

    async def __call__(self, key: Key) -> Ending:
        started = asyncio.get_running_loop().time()
        with one_pass():
            ending, outcome = await self._safely(key)
        if outcome is not PassResult.ERROR:
            self.mistakes.pop(key, None)
        self.observer.reconciled(key, outcome, asyncio.get_running_loop().time() - started)
        return ending

    async def at_rest(self, key: Key, manifest: Object, subject: Reconcilable[Input]) -> AtRest | None:
        """What a pass would come to, where it writes nothing, by what the subject observes; None where it may write.

        Nothing is changed or remembered. Raises NotListed where the subject cannot observe enough.
        """
        if self._has_unfinished(key, manifest):
            return None
        observed = await subject.observe(key, manifest)
        due = _Due(observed.now, asyncio.get_running_loop().time())
        plan = subject.decide(observed, NO_OBSTACLES)
        if plan.actions or plan.news or plan.urgency is Urgency.AT_STAKE:
            return None
        standing = None
        if plan.status is not None:
            standing = self.statuses.standing(key, manifest, plan.status)
            if standing is None:
                return None
        return AtRest(self._settled(self._after(plan, due), plan), standing, plan.status or {}, manifest)

    def remember(self, key: Key, found: AtRest) -> None:
        """Take note of what a pass would have found."""
        if found.standing is not None:
            self.statuses.remember(key, found.standing)
            self.observer.seen(key, self.statuses.part.of(found.status), found.manifest)

    def _has_unfinished(self, key: Key, manifest: Object) -> bool:
        """Whether something is left to do that no plan shows: an earlier write, or one that belongs to no plan."""
        return (
            bool(manifest["metadata"].get("deletionTimestamp"))
            or has_former_manager(manifest)
            or key in self.mistakes
            or self.actor.attempts.has_any(key)
            or self.statuses.is_unfinished(key)
        )

    async def _safely(self, key: Key) -> tuple[Ending, PassResult]:
        try:
            async with asyncio.timeout(LONGEST_PASS) as bound:
                return await self._pass(key)
        except ClusterConflict as error:
            log.debug("conflict: %s", error, extra={"key": str(key)})
            return Retry(at_once=True, at_most=LONGEST_OUTAGE_WAIT), PassResult.CONFLICT
        except ClusterUnavailable as error:
            log.warning("the API server is unavailable: %s", error, extra={"key": str(key)})
            return Retry(at_least=error.retry_after or 0.0, at_most=LONGEST_OUTAGE_WAIT), PassResult.UNAVAILABLE
        except ClusterError as error:
            log.error("the API server refuses: %s", error, extra={"key": str(key)})
            return Retry(at_most=LONGEST_OUTAGE_WAIT), PassResult.REFUSED
        except Exception:
            what = f"a pass was cut after {LONGEST_PASS:g} s" if bound.expired() else "a mistake in the operator"
            log.exception(what, extra={"key": str(key)})
            self.mistakes[key] = self.mistakes.get(key, 0) + 1
            if self.mistakes[key] >= MISTAKES_IN_A_ROW:
                await self._fail_closed(key, f"{self.mistakes[key]} passes in a row have failed")
            return Retry(at_most=LONGEST_OUTAGE_WAIT), PassResult.ERROR

    async def _fail_closed(self, key: Key, why: str) -> None:
        """Once it is not known what users meet, they are taken back; a mistake in that is one more to log."""
        try:
            with one_pass():
                async with asyncio.timeout(LONGEST_OUTAGE_WAIT):
                    manifest = await self.cluster.get(key.reference)
                    if manifest is None or manifest["metadata"].get("deletionTimestamp"):
                        return
                    plan = await self.subject.fail_closed(key, manifest, why)
                    if plan is not None:
                        await self._act(key, manifest, plan)
                        log.error("failed closed: %s", plan.summary, extra={"key": str(key)})
        except Exception:
            log.exception("failing closed does not work", extra={"key": str(key)})

    async def _pass(self, key: Key) -> tuple[Ending, PassResult]:
        manifest = await self.cluster.get(key.reference)
        if manifest is None or not self.selector.matches(manifest["metadata"].get("labels")):
            await self._forget(key)
            return Gone(), PassResult.GONE
        if manifest["metadata"].get("deletionTimestamp"):
            # Its children are the garbage collector's: making one again now would leave an orphan.
            return Settled(), PassResult.UNCHANGED
        if await self.statuses.take_over(key, manifest):
            return Settled(SOONEST), PassResult.CHANGED
        known = self.actor.attempts.obstacles(key)
        observed = await self.subject.observe(key, self.statuses.as_reported(key, manifest))
        due = _Due(observed.now, asyncio.get_running_loop().time())
        plan = self.subject.decide(observed, known)
        try:
            done = await self._act(key, manifest, plan)
            if done.obstacles != known:
                plan = self.subject.decide(observed, done.obstacles)
            written = await self._tell(key, manifest, plan)
        except ClusterConflict as error:
            log.debug("conflict: %s", error, extra={"key": str(key)})
            return Retry(at_once=True, at_most=self._after(plan, due), urgency=plan.urgency), PassResult.CONFLICT
        changed = written is Written.CHANGED or done.written
        if changed:
            more = {"key": str(key), "actions": len(plan.actions), "notes": list(plan.notes)}
            log.info(plan.summary or "changed", extra=more)
        _report_obstacles(key, known, done.obstacles)
        return self._ending(key, plan, due, done), _outcome(done, written, changed)

    async def _act(self, key: Key, manifest: Object, plan: Plan) -> Done:
        """Perform the plan, and tell of what was done whatever becomes of the rest."""
        events = self.actor.attempts.late_events(key)
        try:
            done = await self.actor.perform(key, plan.actions, tell=events.append)
        finally:
            await self._record(key, manifest, events)
        if done.models:
            self.registry_written(done.models)
        return done

    async def _tell(self, key: Key, manifest: Object, plan: Plan) -> Written:
        """Write the status if it says something new, then the events about that."""
        if plan.status is None:
            return Written.UNCHANGED
        written = await self.statuses.write(key, manifest, plan.status)
        self.observer.seen(key, self.statuses.part.of(plan.status), manifest)
        if (new := self.statuses.to_tell(key)) is not None:
            log.warning("the status is not written: %s", new.message, extra={"key": str(key)})
            await self._record(key, manifest, [_unwritten(new)])
        if written is not Written.NOT or self.statuses.is_reported(key):
            await self._record(key, manifest, plan.news)
        return written

    async def _record(self, key: Key, manifest: Object, events: Iterable[Event]) -> None:
        for event in events:
            try:
                await self.cluster.record_event(
                    manifest, kind=event.type, reason=event.reason, message=event.message[:1000]
                )
            except ClusterConflict:
                # The name of an Event is made up, so only its namespace can be in the way: it is going, or gone.
                log.debug("event %s not recorded: its namespace is going", event.reason, extra={"key": str(key)})
            except ClusterError as error:
                log.warning("event %s not recorded: %s", event.reason, error, extra={"key": str(key)})

    def _ending(self, key: Key, plan: Plan, due: _Due, done: Done) -> Ending:
        """When to look again: as the plan wants, and as soon as something that was not taken is to be tried again."""
        if done.void:
            return Settled(SOONEST, plan.urgency)
        tries = [left for left in (self.actor.attempts.next_try(key), self.statuses.next_try(key)) if left is not None]
        retry = max(SOONEST, min(tries)) if tries else None
        if from_registry(done.obstacles) is not None:
            patience = self._patience(plan, due)
            return Retry(at_most=patience if retry is None else min(patience, retry), urgency=plan.urgency)
        if retry is None:
            return self._settled(self._after(plan, due), plan)
        # A plan that wants the next look at once wants it because of what it did, and that was not taken.
        at_once = plan.wake is not None and plan.wake <= due.now
        return self._settled(retry if at_once else min(retry, self._after(plan, due)), plan)

    @staticmethod
    def _settled(after: float, plan: Plan) -> Settled:
        return Settled(after if after < math.inf else None, plan.urgency)

    @staticmethod
    def _after(plan: Plan, due: _Due) -> float:
        """Seconds until the plan wants the next pass; infinite where it wants none."""
        return math.inf if plan.wake is None else max(SOONEST, due.seconds_until(plan.wake))

    def _patience(self, plan: Plan, due: _Due) -> float:
        """Seconds to back off at most after the registry took not all of a plan.

        One that wants the next pass at once wants it because of what it did, which is what failed.
        """
        at_once = plan.wake is not None and plan.wake <= due.now
        return LONGEST_OUTAGE_WAIT if at_once else self._after(plan, due)

    async def _forget(self, key: Key) -> None:
        for part in (self.statuses, self.actor.attempts, self.actor.shadow_orders, self.observer):
            part.forget(key)
        self.mistakes.pop(key, None)
        self.forget(key)
        await self.subject.forget(key)


def _report_obstacles(key: Key, before: Obstacles, after: Obstacles) -> None:
    """Once when it appears and once when it is over: it may stand for days."""
    for target, obstacle in after.items():
        if target not in before or before[target].refused != obstacle.refused:
            log.warning("not written: %s", obstacle.message, extra={"key": str(key)})
    for target in before.keys() - after.keys():
        log.info("no longer in the way of %s %s", *target, extra={"key": str(key)})


def _outcome(done: Done, written: Written, changed: bool) -> PassResult:
    obstacles = from_cluster(done.obstacles)
    if any(obstacle.refused for obstacle in obstacles.values()):
        return PassResult.REFUSED
    if obstacles or written is Written.NOT:
        return PassResult.UNAVAILABLE
    if done.obstacles:
        return PassResult.REGISTRY_FAILED
    return PassResult.CHANGED if changed else PassResult.UNCHANGED


def _unwritten(obstacle: Obstacle) -> Event:
    message = (
        f"the status cannot be written, so it may show what was true before: {obstacle.message}. Rollouts and runs go "
        "on; let the operator write the status"
    )
    return Event(EventType.WARNING, reasons.EVENT_STATUS_NOT_WRITTEN, message)
