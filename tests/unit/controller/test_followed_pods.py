"""Which streams are open: one for each pod that is judged, within bounds, opened again with patience."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.support.virtual_time import run_virtually
from tests.unit.controller.world import KEY
from viridian.api.answer_stream import StreamOrder
from viridian.api.samples import Identity, PodTarget
from viridian.controller.followed_pods import MAX_STREAMS, MAX_STREAMS_EACH, ORDER_SECONDS, FollowedPods
from viridian.ports.answer_streams import StreamEnd, Took

A = PodTarget(uid="a", ip="10.0.0.1", identity=Identity())
B = PodTarget(uid="b", ip="10.0.0.2", identity=Identity())


class Streams:
    """Streams that last for so long and end so."""

    def __init__(self, end: StreamEnd = StreamEnd.OVER, seconds: float = ORDER_SECONDS) -> None:
        self.end, self.seconds = end, seconds
        self.open: list[str] = []
        self.orders: list[StreamOrder] = []

    async def follow(self, target: PodTarget, order: StreamOrder, took: Took) -> StreamEnd:
        self.orders.append(order)
        self.open.append(target.uid)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.open.remove(target.uid)
        return self.end


def followed(streams: Streams) -> FollowedPods:
    return FollowedPods(streams, lambda *_: None)


def test_each_pod_has_one_stream_which_is_opened_again() -> None:
    async def main() -> None:
        streams = Streams()
        pods = followed(streams)
        for _ in range(3):
            pods.follow(KEY, (A, B), 0.25)
            await asyncio.sleep(1)
        assert streams.open == ["a", "b"]
        assert streams.orders == [StreamOrder(for_seconds=ORDER_SECONDS, slow_seconds=0.25)] * 2
        await asyncio.sleep(ORDER_SECONDS)
        assert sorted(streams.open) == ["a", "b"]
        assert len(streams.orders) == 4
        pods.close()

    run_virtually(main())


def test_another_process_and_another_bound_are_another_stream() -> None:
    async def main() -> None:
        streams = Streams()
        pods = followed(streams)
        for target, slow in ((A, None), (A, 0.25), (replace(A, process="later"), 0.25)):
            pods.follow(KEY, (target,), slow)
            await asyncio.sleep(1)
            assert streams.open == ["a"]
        assert len(streams.orders) == 3
        pods.close()

    run_virtually(main())


def test_pods_that_are_not_judged_any_more_are_let_go() -> None:
    async def main() -> None:
        streams = Streams()
        pods = followed(streams)
        pods.follow(KEY, (A, B), None)
        await asyncio.sleep(1)
        pods.follow(KEY, (B,), None)
        await asyncio.sleep(1)
        assert streams.open == ["b"]
        pods.forget(KEY)
        await asyncio.sleep(1)
        assert (streams.open, len(pods)) == ([], 0)

    run_virtually(main())


def test_a_stream_that_ended_by_a_mistake_is_opened_with_the_next_look() -> None:
    class Mistaken(Streams):
        async def follow(self, target: PodTarget, order: StreamOrder, took: Took) -> StreamEnd:
            if not self.orders:
                self.orders.append(order)
                raise RuntimeError("a mistake of the port")
            return await super().follow(target, order, took)

    async def main() -> None:
        streams = Mistaken()
        pods = followed(streams)
        for _ in range(2):
            pods.follow(KEY, (A,), None)
            await asyncio.sleep(1)
        assert streams.open == ["a"]
        pods.close()

    run_virtually(main())


def test_a_runtime_without_streams_is_hardly_asked() -> None:
    async def main() -> None:
        streams = Streams(StreamEnd.REFUSED, seconds=0.01)
        pods = followed(streams)
        pods.follow(KEY, (A,), None)
        await asyncio.sleep(600)
        assert len(streams.orders) <= 11
        pods.close()

    run_virtually(main())


def test_a_pod_that_cannot_be_reached_is_asked_again_ever_more_seldom() -> None:
    async def main() -> None:
        streams = Streams(StreamEnd.BROKEN, seconds=0.01)
        pods = followed(streams)
        pods.follow(KEY, (A,), None)
        await asyncio.sleep(4)
        assert len(streams.orders) == 3
        await asyncio.sleep(596)
        assert len(streams.orders) <= 26
        pods.close()

    run_virtually(main())


def test_open_streams_are_bounded_for_each_model_and_in_all() -> None:
    async def main() -> None:
        streams = Streams()
        pods = followed(streams)
        many = tuple(replace(A, uid=str(number)) for number in range(2 * MAX_STREAMS_EACH))
        for number in range(2 * MAX_STREAMS // MAX_STREAMS_EACH):
            pods.follow(KEY._replace(name=f"model-{number}"), many, None)
            assert len(pods) == min(MAX_STREAMS, (number + 1) * MAX_STREAMS_EACH)
        pods.close()
        assert len(pods) == 0

    run_virtually(main())
