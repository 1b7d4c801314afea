"""Leases of copies: given in time, taken back when nobody wants them, and tried again where a pod did not take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from tests.support.clock_loop import ClockLoop
from tests.support.memory_cluster import ManualClock
from tests.unit.controller.world import KEY
from viridian.api.samples import Identity, PodTarget
from viridian.api.shadow import ShadowOrder
from viridian.controller.shadow_orders import ShadowOrders
from viridian.core.plan import CopyRequests
from viridian.ports.pods import Pods

ONE = PodTarget(uid="one", ip="10.0.0.1", identity=Identity())
TWO = PodTarget(uid="two", ip="10.0.0.2", identity=Identity())
ORDER = ShadowOrder(target="http://churn-preview:8080", revision="b", share=20, seconds=30)


class OrderedPods:
    """Remembers the orders; `down` pods take none."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, ShadowOrder | None]] = []
        self.down: set[str] = set()

    async def copy_requests(self, targets: Sequence[PodTarget], order: ShadowOrder | None) -> frozenset[str]:
        self.orders += [(target.uid, order) for target in targets]
        return frozenset(target.uid for target in targets) - self.down

    def asked(self) -> list[tuple[str, ShadowOrder | None]]:
        """Those since the last time that this was asked."""
        orders, self.orders = self.orders, []
        return orders


def test_orders_follow_the_plans() -> None:
    clock, pods = ManualClock(), OrderedPods()
    loop, orders = ClockLoop(clock), ShadowOrders(cast(Pods, pods))

    def keep(*targets: PodTarget, order: ShadowOrder = ORDER, after: float = 0.0) -> Any:
        clock.advance(after)
        loop.run(orders.keep(KEY, CopyRequests(targets, order) if targets else None))
        return pods.asked()

    assert keep(ONE) == [("one", ORDER)]
    assert keep(ONE, after=9) == []
    assert keep(ONE, TWO) == [("two", ORDER)], "a pod that has come up later"
    assert keep(ONE, TWO, after=1) == [("one", ORDER)], "a third of its lease is over"
    more = ShadowOrder(target=ORDER.target, revision="b", share=50, seconds=30)
    assert keep(ONE, TWO, order=more) == [("one", more), ("two", more)]
    restarted = PodTarget(uid="one", ip="10.0.0.1", identity=Identity(), process="another")
    assert keep(restarted, TWO, order=more) == [("one", more)], "its process forgot the order"
    assert keep(TWO, order=more) == [("one", None)]
    assert keep() == [("two", None)]
    assert keep() == []
    pods.down = {"one"}
    assert keep(ONE) == keep(ONE) == [("one", ORDER)], "tried again with each look"
    orders.forget(KEY)
    assert keep() == []
    loop.finish()
