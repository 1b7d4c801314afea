"""Candidates before one Lease in memory, in virtual time: taking, keeping, losing and giving up the leadership."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.memory_lease import MemoryLease, StoredLease
from tests.support.virtual_time import run_virtually
from viridian.api.lease import LeaseRecord
from viridian.controller.leadership import Alone, LeaderElector
from viridian.core.election import Timings
from viridian.ports.cluster import ClusterUnavailable


class Process:
    """One operator, as far as leadership is concerned; must be made on a running loop."""

    def __init__(self, stored: StoredLease, identity: str, timings: Timings | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.lease = MemoryLease(stored)
        self.leadership = LeaderElector(self.lease, identity, timings or Timings(), clock=loop.time)
        self.works = False
        self.terms = 0
        self.task = asyncio.create_task(self.leadership.run(self._lead, self._stand_by))

    def kill(self) -> None:
        self.task.cancel()

    async def end(self) -> None:
        """As on SIGTERM."""
        self.task.cancel()
        await asyncio.wait([self.task])
        await self._stand_by()
        await self.leadership.release()

    def _lead(self) -> None:
        self.works = True
        self.terms += 1

    async def _stand_by(self) -> None:
        self.works = False


async def until(condition: Callable[[], bool], most: float = 30.0) -> float:
    """Seconds until the condition held."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(most):
        while not condition():  # noqa: ASYNC110 - it happens in tasks of the code under test
            await asyncio.sleep(0.01)
    return loop.time() - began


async def a_leader() -> tuple[StoredLease, Process]:
    stored = StoredLease()
    one = Process(stored, "one")
    await until(lambda: one.works)
    return stored, one


async def a_leader_and_another() -> tuple[StoredLease, Process, Process]:
    """One works, the other stands by."""
    stored, one = await a_leader()
    return stored, one, Process(stored, "other")


def holder(stored: StoredLease) -> str:
    return stored.record.holder if stored.record else ""


def test_a_free_lease_is_taken_at_once_and_by_one_alone() -> None:
    async def main() -> None:
        stored = StoredLease()
        one, other = Process(stored, "one"), Process(stored, "other")
        assert await until(lambda: one.works or other.works) < 0.1
        await asyncio.sleep(60)
        assert (one.works, other.works) in ((True, False), (False, True))
        assert one.terms + other.terms == 1

    run_virtually(main())


def test_a_killed_leader_is_replaced_once_its_lease_has_run_out() -> None:
    async def main() -> None:
        _, one, other = await a_leader_and_another()
        await asyncio.sleep(10.2)
        one.kill()
        assert 3.4 <= await until(lambda: other.works) <= 4.1

    run_virtually(main())


def test_the_same_identity_starts_again_at_once() -> None:
    async def main() -> None:
        stored, one = await a_leader()
        one.kill()
        again = Process(stored, "one")
        assert await until(lambda: again.works) < 0.1

    run_virtually(main())


def test_a_leader_that_ends_hands_over_at_once() -> None:
    async def main() -> None:
        stored, one, other = await a_leader_and_another()
        await asyncio.sleep(1)
        await one.end()
        assert await until(lambda: other.works) < 0.1
        assert holder(stored) == "other"

    run_virtually(main())


def test_a_renewal_under_way_does_not_keep_it_from_handing_over() -> None:
    """It was stored, and the leader ended before it heard of that."""

    async def main() -> None:
        stored, one, other = await a_leader_and_another()
        await asyncio.sleep(1)
        one.task.cancel()
        await asyncio.wait([one.task])
        assert stored.record is not None
        stored.put(replace(stored.record, renewed="later"))
        await one.end()
        assert await until(lambda: other.works) < 0.1

    run_virtually(main())


@pytest.mark.parametrize("way", ["hangs", "fails"])
def test_a_leader_that_is_cut_off_stops_before_another_one_begins(way: str) -> None:
    async def main() -> None:
        _, one, other = await a_leader_and_another()
        await asyncio.sleep(5)
        if way == "hangs":
            one.lease.cut_off = True
        else:
            one.lease.refused = ClusterUnavailable("no route")
        stopped = await until(lambda: not one.works)
        assert not one.leadership.may_write()
        assert 1.9 <= stopped <= 2.6
        assert not other.works
        assert 0.8 <= await until(lambda: other.works) <= 2.1

    run_virtually(main())


def test_it_stands_by_when_it_is_back() -> None:
    async def main() -> None:
        _, one, other = await a_leader_and_another()
        one.lease.refused = ClusterUnavailable("no route")
        await until(lambda: other.works)
        one.lease.refused = None
        await asyncio.sleep(60)
        assert other.works
        assert not one.works

    run_virtually(main())


def test_an_api_server_that_was_away_costs_no_restart() -> None:
    async def main() -> None:
        _, one = await a_leader()
        one.lease.refused = ClusterUnavailable("no route")
        await until(lambda: not one.works)
        await asyncio.sleep(100)
        one.lease.refused = None
        assert await until(lambda: one.works) < 1.0
        assert not one.task.done()

    run_virtually(main())


def test_a_leader_that_slept_writes_nothing_when_it_wakes() -> None:
    """Its timers are late, but its clock is not."""

    async def main() -> None:
        stored = StoredLease()
        loop = asyncio.get_running_loop()
        asleep = 0.0
        candidate = LeaderElector(MemoryLease(stored), "one", Timings(), clock=lambda: loop.time() + asleep)
        leads = asyncio.Event()

        async def stand_by() -> None:
            leads.clear()

        running = asyncio.create_task(candidate.run(leads.set, stand_by))
        await leads.wait()
        asleep = 3.0
        assert not candidate.may_write()
        running.cancel()

    run_virtually(main())


def test_a_renewal_that_fails_once_changes_nothing() -> None:
    async def main() -> None:
        _, one, other = await a_leader_and_another()
        for _ in range(20):
            one.lease.cut_off = True
            await asyncio.sleep(0.7)
            one.lease.cut_off = False
            await asyncio.sleep(1.5)
        assert one.works
        assert (one.terms, other.terms) == (1, 0)

    run_virtually(main())


def test_who_edits_or_deletes_the_lease_gets_an_answer_and_no_second_leader() -> None:
    async def main() -> None:
        stored, one = await a_leader()
        assert stored.record is not None
        stored.put(stored.record)
        await asyncio.sleep(5)
        assert one.works
        stored.put(LeaseRecord("somebody", 4, "x", "x", 0))
        await until(lambda: not one.works)
        assert 3.9 <= await until(lambda: one.works) <= 4.2
        stored.put(None)
        await asyncio.sleep(5)
        assert holder(stored) == "one"

    run_virtually(main())


def test_timings_for_slow_api_servers() -> None:
    async def main() -> None:
        stored = StoredLease()
        one = Process(stored, "one", Timings(60))
        await until(lambda: one.works)
        one.lease.cut_off = True
        assert 30 <= await until(lambda: not one.works, most=100) <= 38

    run_virtually(main())


def test_who_is_alone_leads_at_once_and_for_ever() -> None:
    async def main() -> None:
        leads = asyncio.Event()
        alone = Alone()

        async def never() -> None:
            raise AssertionError

        running = asyncio.create_task(alone.run(leads.set, never))
        await leads.wait()
        assert alone.may_write()
        await alone.release()
        running.cancel()

    run_virtually(main())
