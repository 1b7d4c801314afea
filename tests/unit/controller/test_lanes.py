"""Who gets a worker first: the urgent before the idle, namespaces in turns, and nobody never."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_time import run_virtually
from tests.unit.controller.test_queue import Counting
from viridian.controller.backoff import Backoff
from viridian.controller.keys import Key
from viridian.controller.lanes import RESERVED, Lanes, Turns
from viridian.controller.queue import Ending, Settled, WorkQueue
from viridian.core.urgency import Urgency


def key(namespace: str, name: object) -> Key:
    return Key("ModelDeployment", namespace, str(name))


keys = st.builds(key, st.sampled_from("abc"), st.integers(0, 5))
urgencies = st.sampled_from(Urgency)


def test_one_key_of_a_namespace_waits_for_one_of_another_however_many_it_has() -> None:
    turns = Turns()
    for number in range(5000):
        turns.put(key("large", number))
    turns.put(key("small", 0))
    assert [turns.take().namespace for _ in range(2)] == ["large", "small"]


@given(st.lists(st.one_of(keys, st.none()), max_size=60))
def test_while_a_namespace_waits_no_other_has_two_turns(steps: list[Key | None]) -> None:
    """And within a namespace the order is that of the wake-ups. None takes a key."""
    turns = Turns()
    waiting: dict[str, list[Key]] = {}
    passed_by: dict[str, Counter[str]] = {}
    for step in steps:
        if step is not None:
            line = waiting.setdefault(step.namespace, [])
            if step not in line:
                turns.put(step)
                line.append(step)
                passed_by.setdefault(step.namespace, Counter())
        elif waiting:
            taken = turns.take()
            namespace = taken.namespace
            assert waiting[namespace].pop(0) == taken
            del passed_by[namespace]
            for others in passed_by.values():
                others[namespace] += 1
                assert others[namespace] == 1
            if waiting[namespace]:
                passed_by[namespace] = Counter()
            else:
                del waiting[namespace]
        assert len(turns) == sum(map(len, waiting.values()))


@given(st.lists(st.tuples(keys, urgencies), max_size=40))
def test_a_key_waits_in_one_lane_the_most_urgent_that_it_was_put_into(puts: list[tuple[Key, Urgency]]) -> None:
    async def main() -> None:
        lanes, most = Lanes(), dict[Key, Urgency]()
        for one, urgency in puts:
            lanes.put(one, urgency)
            most[one] = min(urgency, most.get(one, urgency))
        assert len(lanes) == len(most) == sum(lanes.depth(urgency) for urgency in Urgency)
        for urgency in Urgency:
            for _ in range(lanes.depth(urgency)):
                taken = lanes.take((urgency,))
                assert taken is not None
                assert most.pop(taken) is urgency
        assert not most

    run_virtually(main())


Wake = tuple[float, Key, Urgency]
times = st.integers(0, 40).map(lambda half: half / 2)
wakes = st.lists(st.tuples(times, keys, urgencies), max_size=40)


class Worked:
    """Passes of one second each; what each found of its key, who was at work, and how long each key waited."""

    def __init__(self, found: dict[Key, Urgency]) -> None:
        self.found = found
        self.at_work = set[Key]()
        self.began: list[tuple[float, Key]] = []

    async def __call__(self, one: Key) -> Ending:
        assert one not in self.at_work, "two workers have one key"
        self.at_work.add(one)
        self.began.append((asyncio.get_running_loop().time(), one))
        await asyncio.sleep(1)
        self.at_work.remove(one)
        return Settled(urgency=self.found.get(one, Urgency.IDLE))


async def run(planned: list[Wake], worked: Worked, workers: int = 1) -> WorkQueue:
    queue = WorkQueue(worked, backoff=Backoff(random=lambda: 1.0), observer=Counting())
    task = asyncio.create_task(queue.work(workers))
    loop = asyncio.get_running_loop()
    for at, one, urgency in planned:
        loop.call_at(at, queue.add, one, urgency)
    await asyncio.sleep(1000)
    task.cancel()
    await asyncio.wait([task])
    return queue


@given(wakes, st.integers(1, 3))
def test_no_key_starves_and_none_is_worked_on_twice_at_once(planned: list[Wake], workers: int) -> None:
    async def main() -> None:
        worked = Worked({one: urgency for _, one, urgency in planned})
        queue = await run(planned, worked, workers)
        assert queue.depth == 0
        for at, one, _ in planned:
            assert any(began >= at for began, seen in worked.began if seen == one), f"{one} was woken and not seen"

    run_virtually(main())


@given(wakes, times)
def test_an_urgent_key_waits_for_no_idle_one(planned: list[Wake], at: float) -> None:
    """However many idle and unsettled ones wait and are worked on."""

    async def main() -> None:
        others = [(when, one, max(urgency, Urgency.UNSETTLED)) for when, one, urgency in planned]
        trial = key("trial", 0)
        worked = Worked({one: urgency for _, one, urgency in others})
        await run([*others, (at, trial, Urgency.AT_STAKE)], worked)
        assert [began for began, one in worked.began if one == trial] == [at]

    run_virtually(main())


def test_idle_keys_are_seen_while_urgent_ones_never_end() -> None:
    async def main() -> None:
        busy = [key("busy", number) for number in range(10 * len(RESERVED))]
        worked = Worked(dict.fromkeys(busy, Urgency.AT_STAKE))
        planned = [(second / 2, one, Urgency.AT_STAKE) for second in range(200) for one in busy]
        idle = key("idle", 0)
        await run([*planned, (5.0, idle, Urgency.IDLE)], worked)
        assert next(began for began, one in worked.began if one == idle) <= 7

    run_virtually(main())


def test_what_a_pass_finds_counts_more_than_what_an_event_suggests() -> None:
    async def main() -> None:
        one = key("a", 0)
        queue = WorkQueue(Worked({one: Urgency.AT_STAKE}), backoff=Backoff(random=lambda: 1.0), observer=Counting())
        queue.add(one)
        assert queue.depth_of(Urgency.IDLE) == 1
        queue.add(one, Urgency.UNSETTLED)
        assert (queue.depth_of(Urgency.IDLE), queue.depth_of(Urgency.UNSETTLED)) == (0, 1)
        await queue.drain()
        queue.add(one)
        assert queue.depth_of(Urgency.AT_STAKE) == 1

    run_virtually(main())
