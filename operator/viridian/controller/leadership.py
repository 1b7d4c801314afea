"""Takes the Lease, renews it, releases it: its holder works, the other operators stand by.

What to do about the Lease is decided in `viridian.core.election`; here are the clock, the calls and the waiting. A
leader that cannot renew is asked to stand by at its deadline, whatever call is under way, and then tries again: an API
server that was away for a moment costs no restart.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, Protocol

from viridian.core import election
from viridian.core.election import Election, Timings
from viridian.ports.cluster import ClusterConflict, ClusterError
from viridian.ports.lease import Lease

log = logging.getLogger("viridian.leadership")

RELEASE_SECONDS: Final = 1.0
"""For giving up the Lease at the end; after that the other one waits until it runs out."""
_CALL_SHARE: Final = 0.25
"""Of the lease: how long one call may take, so that a renewal can be tried again before the deadline."""


def monotonic() -> float:
    """A clock that goes on while the computer sleeps, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def own_identity() -> str:
    """A name that no other process has."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


class Leadership(Protocol):
    """Whether this process leads."""

    def may_write(self) -> bool:
        """Right now. Ask again before each write."""

    async def run(self, lead: Callable[[], None], stand_by: Callable[[], Awaitable[None]]) -> None:
        """Call `lead` and `stand_by` in turn as the leadership comes and goes, until cancelled."""

    async def release(self) -> None:
        """Let another process lead, once this one has stopped working."""


class Alone:
    """There is no other operator, and so no Lease."""

    def may_write(self) -> bool:
        return True

    async def run(self, lead: Callable[[], None], stand_by: Callable[[], Awaitable[None]]) -> None:  # noqa: ARG002
        lead()
        await asyncio.Event().wait()

    async def release(self) -> None:
        """Nothing is held."""


class LeaderElector:
    """Leads while it holds the Lease."""

    def __init__(
        self, lease: Lease, identity: str, timings: Timings, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._lease = lease
        self._timings = timings
        self._clock = clock
        self._election = Election(identity, timings)

    def may_write(self) -> bool:
        return self._election.may_write(self._clock())

    async def run(self, lead: Callable[[], None], stand_by: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._until_claimed()
            log.info("leads", extra={"identity": self._election.identity})
            lead()
            try:
                await self._until_lost()
            finally:
                self._election = election.stepped_down(self._election)
            log.warning("stands by: the Lease could not be renewed in time, or another operator has it")
            await stand_by()

    async def release(self) -> None:
        self._election = election.stepped_down(self._election)
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._give_up()
        except (ClusterError, TimeoutError) as error:
            log.warning("the Lease was not released, so it has to run out: %s", error)

    async def _give_up(self) -> None:
        """A renewal that was cut by the end may have been stored: then the Lease is read once more."""
        try:
            await self._write_released()
        except ClusterConflict:
            self._election = election.saw(self._election, await self._lease.read(), self._clock())
            await self._write_released()

    async def _write_released(self) -> None:
        given_up = election.released(self._election, _now())
        if given_up is not None:
            self._election = election.saw(self._election, await self._lease.write(given_up), self._clock())
            log.info("the Lease is released")

    # ---- standing by

    async def _until_claimed(self) -> None:
        while not self.may_write():
            try:
                await self._until_free()
                await self._claim()
            except ClusterConflict:
                continue
            except (ClusterError, TimeoutError) as error:
                log.warning("the Lease cannot be read or written: %s", error)
                await asyncio.sleep(self._timings.retry)

    async def _until_free(self) -> None:
        """Follow the Lease until its holder has given it up, or has not renewed it for as long as it promised."""
        most = self._patience()
        async with aclosing(self._lease.changes()) as changes:
            while True:
                try:
                    async with asyncio.timeout(most):
                        self._election = election.saw(self._election, await anext(changes), self._clock())
                except TimeoutError:
                    return
                except StopAsyncIteration:
                    await asyncio.sleep(self._timings.retry)
                    return
                most = self._election.free_at - self._clock()
                if most <= 0:
                    return

    # ---- leading

    async def _until_lost(self) -> None:
        while True:
            await asyncio.sleep(min(self._timings.retry, self._left()))
            if not self.may_write():
                return
            try:
                await self._claim()
            except ClusterConflict:
                await self._look()
            except (ClusterError, TimeoutError) as error:
                log.warning("the Lease was not renewed: %s", error)

    async def _look(self) -> None:
        """Somebody has written to the Lease: who has it now?"""
        try:
            async with asyncio.timeout(self._patience()):
                self._election = election.saw(self._election, await self._lease.read(), self._clock())
        except (ClusterError, TimeoutError) as error:
            log.warning("the Lease cannot be read: %s", error)

    async def _claim(self) -> None:
        """Take or renew it, where that may be done now; raises why it was not stored."""
        sent_at = self._clock()
        wanted = election.claim(self._election, sent_at, _now())
        if wanted is None:
            return
        async with asyncio.timeout(self._patience()):
            stored = await self._lease.write(wanted)
        self._election = election.claimed(self._election, stored, sent_at, self._clock())

    def _patience(self) -> float:
        """Seconds that a call may take: while leading, not beyond the deadline."""
        most = self._timings.lease * _CALL_SHARE
        return max(0.0, min(most, self._left())) if self.may_write() else most

    def _left(self) -> float:
        return self._election.may_write_until - self._clock()


def _now() -> str:
    """As a Lease has it, for people."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
