"""The work queue: at most one pass per key at a time, bursts coalesced, one timer per key, back-off and its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_time import run_virtually
from viridian.controller.backoff import Backoff
from viridian.controller.keys import Key
from viridian.controller.queue import Ending, Gone, Retry, Settled, WorkQueue
from viridian.core.urgency import Urgency

A = Key("ModelDeployment", "ml", "a")
B = Key("ModelDeployment", "ml", "b")


@dataclass
class Counting:
    """A QueueObserver that remembers."""

    adds: int = 0
    retries: int = 0
    waits: list[float] = field(default_factory=list)
    works: list[float] = field(default_factory=list)

    def added(self) -> None:
        self.adds += 1

    def waited(self, seconds: float, urgency: Urgency) -> None:
        self.waits.append(seconds)

    def worked(self, seconds: float) -> None:
        self.works.append(seconds)

    def retried(self) -> None:
        self.retries += 1


Handle = Callable[[Key], Awaitable[Ending]]


@asynccontextmanager
async def at_work(handle: Handle, workers: int = 1, observer: Counting | None = None) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(handle, backoff=Backoff(random=lambda: 1.0, first=1.0, cap=60.0), observer=observer or Counting())
    task = asyncio.create_task(queue.work(workers))
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.wait([task])


class Passes:
    """Records each pass: key, when it began, and gives the endings in turn (the last one for good)."""

    def __init__(self, *endings: Ending, takes: float = 0.0) -> None:
        self.endings = list(endings) or [Settled()]
        self.takes = takes
        self.log: list[tuple[float, Key]] = []

    async def __call__(self, key: Key) -> Ending:
        self.log.append((asyncio.get_running_loop().time(), key))
        if self.takes:
            await asyncio.sleep(self.takes)
        return self.endings.pop(0) if len(self.endings) > 1 else self.endings[0]

    def times(self, key: Key = A) -> list[float]:
        return [at for at, seen in self.log if seen == key]


def test_a_burst_of_twenty_changes_is_two_passes() -> None:
    async def main() -> None:
        passes = Passes(takes=1.0)
        async with at_work(passes) as queue:
            for _ in range(20):
                queue.add(A)
                await asyncio.sleep(0.01)
            await asyncio.sleep(10)
        assert passes.times() == [0.0, 1.0]

    run_virtually(main())


def test_a_look_says_nothing_of_what_had_a_pass_since_it_began() -> None:
    async def main() -> None:
        async with at_work(Passes()) as queue:
            first = queue.begin_look()
            queue.add(A)
            await asyncio.sleep(1)
            second = queue.begin_look()
            queue.add(B)
            await asyncio.sleep(1)
            assert [queue.rests(A, first), queue.rests(B, first)] == [False, False]
            assert [queue.rests(A, second), queue.rests(B, second)] == [True, False]
            assert not queue.settle(A, first, Settled(5.0))
            assert queue.settle(A, second, Settled(5.0))
            assert queue.rings_within(A, 5.0)

    run_virtually(main())


def test_a_key_woken_during_its_pass_is_looked_at_again_by_one_worker_only() -> None:
    async def main() -> None:
        running: Counter[Key] = Counter()
        most: Counter[Key] = Counter()

        async def handle(key: Key) -> Ending:
            running[key] += 1
            most[key] = max(most[key], running[key])
            await asyncio.sleep(1)
            running[key] -= 1
            return Settled()

        async with at_work(handle, workers=4) as queue:
            for _ in range(8):
                queue.add(A)
                queue.add(B)
                await asyncio.sleep(0.4)
            await asyncio.sleep(10)
        assert most == {A: 1, B: 1}

    run_virtually(main())


def test_different_keys_are_worked_on_at_the_same_time() -> None:
    async def main() -> None:
        passes = Passes(takes=1.0)
        async with at_work(passes, workers=2) as queue:
            queue.add(A)
            queue.add(B)
            await asyncio.sleep(5)
        assert passes.log == [(0.0, A), (0.0, B)]

    run_virtually(main())


def test_no_queue_waits_behind_another() -> None:
    """Policies wait for MLflow and the collector; a revert must not wait for policies."""

    async def main() -> None:
        async def hang(key: Key) -> Ending:
            await asyncio.sleep(3600)
            return Settled()

        passes = Passes()
        async with at_work(hang, workers=2) as policies, at_work(passes, workers=2) as models:
            for name in "abcd":
                policies.add(Key("RetrainPolicy", "ml", name))
            await asyncio.sleep(1)
            models.add(A)
            await asyncio.sleep(1)
            assert passes.times() == [1.0]
            assert policies.standstill_seconds == 2.0, "policies do stand still"

    run_virtually(main())


def test_of_two_timers_the_earlier_one_rings_and_the_later_one_does_not() -> None:
    async def main() -> None:
        passes = Passes()
        async with at_work(passes) as queue:
            queue.add_after(A, 30)
            queue.add_after(A, 10)
            queue.add_after(A, 20)
            await asyncio.sleep(100)
        assert passes.times() == [10.0]

    run_virtually(main())


def test_events_do_not_multiply_the_chain_of_wakes() -> None:
    """Every pass asks to be woken in 60 s; ten events must not leave eleven chains."""

    async def main() -> None:
        passes = Passes(Settled(after=60))
        async with at_work(passes) as queue:
            for _ in range(10):
                queue.add(A)
                await asyncio.sleep(1)
            before = len(passes.log)
            await asyncio.sleep(600)
        assert before == 10
        assert len(passes.log) - before == 10

    run_virtually(main())


def test_failures_back_off_up_to_the_cap_and_success_starts_anew() -> None:
    async def main() -> None:
        passes = Passes(*[Retry()] * 9, Settled(), Retry(), Settled())
        observer = Counting()
        async with at_work(passes, observer=observer) as queue:
            queue.add(A)
            await asyncio.sleep(1000)
            queue.add(A)
            await asyncio.sleep(1000)
        gaps = [later - earlier for earlier, later in zip(passes.times(), passes.times()[1:], strict=False)]
        assert gaps[:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert gaps[10] == 1
        assert observer.retries == 10

    run_virtually(main())


def test_what_the_server_asks_for_is_waited_for() -> None:
    async def main() -> None:
        passes = Passes(Retry(at_least=17.0), Settled())
        async with at_work(passes) as queue:
            queue.add(A)
            await asyncio.sleep(100)
        assert passes.times() == [0.0, 17.0]

    run_virtually(main())


def test_a_conflict_is_looked_at_again_at_once_but_not_endlessly() -> None:
    async def main() -> None:
        passes = Passes(Retry(at_once=True), Retry(at_once=True), Retry(at_once=True), Settled())
        async with at_work(passes) as queue:
            queue.add(A)
            await asyncio.sleep(100)
        assert passes.times() == [0.0, 0.0, 2.0, 6.0]

    run_virtually(main())


def test_nothing_is_kept_about_a_key_that_is_gone() -> None:
    async def main() -> None:
        passes = Passes(Settled(after=50), Retry(), Gone(), Retry(), Settled())
        async with at_work(passes) as queue:
            queue.add(A)
            await asyncio.sleep(55)
            assert queue.known() == frozenset()
            queue.add(A)
            await asyncio.sleep(5)
        assert passes.times() == [0.0, 50.0, 51.0, 55.0, 56.0], "the failures before it was gone do not count"

    run_virtually(main())


def test_an_event_overtakes_the_back_off() -> None:
    async def main() -> None:
        passes = Passes(Retry(at_least=300), Settled())
        async with at_work(passes) as queue:
            queue.add(A)
            await asyncio.sleep(5)
            queue.add(A)
            await asyncio.sleep(1000)
        assert passes.times() == [0.0, 5.0]

    run_virtually(main())


def test_a_pass_that_is_cut_is_made_again_by_the_next_workers() -> None:
    """As when an operator loses the leadership and leads again: also where the key was woken during the pass."""

    async def main() -> None:
        passes = Passes(takes=10.0)
        queue = WorkQueue(passes, backoff=Backoff(random=lambda: 1.0), observer=Counting())
        for woken in (False, True):
            queue.add(A)
            working = asyncio.create_task(queue.work(1))
            await asyncio.sleep(5)
            if woken:
                queue.add(A)
            working.cancel()
            await asyncio.wait([working])
            assert queue.depth == 1
        working = asyncio.create_task(queue.work(1))
        await asyncio.sleep(15)
        assert [key for _, key in passes.log] == [A, A, A]
        assert queue.depth == 0
        working.cancel()

    run_virtually(main())


def test_the_figures_for_the_metrics() -> None:
    async def main() -> None:
        passes = Passes(takes=10.0)
        observer = Counting()
        async with at_work(passes, observer=observer) as queue:
            queue.add(A)
            queue.add(B)
            await asyncio.sleep(4)
            assert (queue.depth, queue.longest_running_seconds, queue.unfinished_seconds) == (1, 4.0, 4.0)
            assert queue.standstill_seconds == 4.0
            await asyncio.sleep(7)
            assert (queue.depth, queue.longest_running_seconds, queue.standstill_seconds) == (0, 1.0, 0.0)
            await asyncio.sleep(20)
            assert (queue.depth, queue.longest_running_seconds, queue.unfinished_seconds) == (0, 0.0, 0.0)
        assert observer.adds == 2
        assert observer.waits == [0.0, 10.0]
        assert observer.works == [10.0, 10.0]

    run_virtually(main())


def test_an_idle_hour_is_no_standstill() -> None:
    async def main() -> None:
        async with at_work(Passes(takes=1.0)) as queue:
            await asyncio.sleep(3600)
            queue.add(A)
            queue.add(B)
            await asyncio.sleep(0.5)
            assert queue.standstill_seconds == 0.5

    run_virtually(main())


@given(failures=st.integers(1, 5000), random=st.floats(0, 1, exclude_max=True))
def test_a_delay_is_at_least_half_of_its_step_and_never_above_the_cap(failures: int, random: float) -> None:
    delay = Backoff(random=lambda: random, first=0.25, cap=300).delay(failures)
    assert min(300.0, 0.25 * 2 ** min(failures - 1, 20)) / 2 <= delay <= 300


@given(st.lists(st.tuples(st.sampled_from(["add", "later", "wait"]), st.sampled_from([A, B]), st.floats(0, 5))))
def test_no_wake_up_is_ever_lost(moves: list[tuple[str, Key, float]]) -> None:
    """Whatever the order: after each wake-up a pass over that key begins, at most one per key at a time."""

    async def main() -> None:
        due: dict[Key, float] = {}
        active: set[Key] = set()

        async def handle(key: Key) -> Ending:
            assert key not in active
            active.add(key)
            if due.get(key, 0.0) <= asyncio.get_running_loop().time():
                due.pop(key, None)
            await asyncio.sleep(0.7)
            active.discard(key)
            return Settled()

        loop = asyncio.get_running_loop()
        async with at_work(handle, workers=2) as queue:
            for move, key, seconds in moves:
                if move == "wait":
                    await asyncio.sleep(seconds)
                elif move == "add":
                    queue.add(key)
                    due[key] = loop.time()
                else:
                    queue.add_after(key, seconds)
            await asyncio.sleep(60)
            assert due == {}
            assert queue.known() == frozenset()

    run_virtually(main())
