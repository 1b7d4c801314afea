"""Calls for what is at stake wait for no call of a background pass."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from tests.support.virtual_time import run_virtually
from tests.unit.controller.test_queue import Counting
from viridian.controller.api_budget import CALLING_FOR, within_budget
from viridian.controller.backoff import Backoff
from viridian.controller.keys import Key
from viridian.controller.queue import Ending, Settled, WorkQueue
from viridian.core.urgency import Urgency
from viridian.ports.cluster import Cluster, ObjectRef

POD = ObjectRef("v1", "Pod", "ml", "a")


class SlowCluster:
    """Answers after a second; knows how many calls were under way at most."""

    def __init__(self) -> None:
        self.under_way = self.most = 0

    async def get(self, reference: ObjectRef) -> Any:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(1)
        self.under_way -= 1


async def _calls(cluster: Cluster, number: int, urgency: Urgency) -> float:
    """Seconds until so many calls at once were answered."""
    CALLING_FOR.set(urgency)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(cluster.get(POD) for _ in range(number)))
    return loop.time() - began


@pytest.mark.parametrize("urgency", [Urgency.IDLE, Urgency.UNSETTLED])
def test_background_calls_share_their_part_and_urgent_ones_call_at_once(urgency: Urgency) -> None:
    async def main() -> None:
        slow = SlowCluster()
        cluster = within_budget(cast(Cluster, slow), background_calls=4)
        background = asyncio.create_task(_calls(cluster, 20, urgency))
        await asyncio.sleep(0.5)
        assert slow.most == 4
        assert await asyncio.create_task(_calls(cluster, 10, Urgency.AT_STAKE)) == 1
        assert await background == 5

    run_virtually(main())


def test_a_pass_calls_as_urgently_as_its_key_is() -> None:
    async def main() -> None:
        heard: list[Urgency] = []

        async def handle(key: Key) -> Ending:
            async def call() -> None:
                heard.append(CALLING_FOR.get())

            await asyncio.gather(call())
            return Settled(urgency=Urgency.AT_STAKE)

        queue = WorkQueue(handle, backoff=Backoff(random=lambda: 1.0), observer=Counting())
        await queue.drain([Key("ModelDeployment", "ml", "a")])
        await queue.drain([Key("ModelDeployment", "ml", "a")])
        assert heard == [Urgency.IDLE, Urgency.AT_STAKE]

    run_virtually(main())
