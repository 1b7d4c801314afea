"""What other controllers were found to break in mid-canary (kserve#5983), as promises that hold in every state.

1. No split is written that sends users to a slot without a ready pod, or all users to a slot below its full size.
2. A slot that users may still meet keeps the pods that its share needs, until a split without it is in effect.
3. No request is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from tests.support.churn import Churn
from tests.support.cluster.deployments import NEVER_READY, is_ready, slow
from tests.support.memory_cluster import World
from tests.support.memory_gateway import TRAFFIC, RoutedWorld
from tests.support.operator_world import OperatorWorld
from viridian.api.names import SLOT_LABEL, Slot, slot_deployment

REPLICAS = 3
ROLLOUT = {
    "steps": [{"weight": 25, "duration": "5s"}, {"weight": 50, "duration": "5s"}],
    "probation": "10s",
    "progressDeadline": "40s",
}
Split = Mapping[Slot, int]
"""The share of the users' requests that each slot may get, in percent."""


def broken_promises(worlds: Sequence[World]) -> list[str]:
    """A sentence for each state that breaks one."""
    return [*_too_early(worlds), *_too_few(worlds)]


def _too_early(worlds: Sequence[World]) -> Iterator[str]:
    for before, now in pairwise(worlds):
        for slot, share in _written(now).items():
            ready = _ready(now, slot)
            if share <= _written(before).get(slot, 0):
                continue
            if ready == 0 or (share == 100 and ready < REPLICAS):
                yield f"{share} % for {slot}, which has {ready} ready pods, after: {now.cause}"


def _too_few(worlds: Sequence[World]) -> Iterator[str]:
    met: Split = {}
    for now in worlds:
        met = _in_effect(now, met)
        for slot, share in met.items():
            deployment = now.find("Deployment", slot_deployment("churn", slot))
            pods, needed = deployment["spec"]["replicas"] if deployment else 0, math.ceil(REPLICAS * share / 100)
            if pods < needed:
                yield f"{slot} has {share} % of the users and {pods} of {needed} pods, after: {now.cause}"


def _written(world: World) -> Split:
    """The split as the objects say it; empty where a Service selects both slots, whose ready pods make the shares."""
    route, live = world.find("HTTPRoute", "churn"), world.find("Service", "churn")
    if route is not None:
        weights = {ref["name"]: ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]}
        return {slot: weight for slot in Slot if (weight := weights.get(slot_deployment("churn", slot)))}
    selected = live["spec"]["selector"].get(SLOT_LABEL) if live is not None else None
    return {slot: 100 for slot in Slot if slot == selected}


def _in_effect(world: World, before: Split) -> Split:
    """The split that users meet. A gateway goes on with the one before until it has taken over the newest.

    Beside a challenger that a Service selects as well, the champion owes its full size, as if it were alone.
    """
    route = world.find("HTTPRoute", "churn")
    if route is None:
        return _written(world) or before
    seen = [c for one in route.get("status", {}).get("parents", []) for c in one["conditions"]]
    taken_over = bool(seen) and all(c["observedGeneration"] == route["metadata"]["generation"] for c in seen)
    return _written(world) if taken_over else before


def _ready(world: World, slot: Slot) -> int:
    pods = [content for reference, content in world.objects.items() if reference.kind == "Pod"]
    return sum(is_ready(pod) for pod in pods if pod["metadata"]["labels"].get(SLOT_LABEL) == slot)


@pytest.fixture(params=[OperatorWorld, RoutedWorld], ids=["Service", "Gateway"])
def canary(request: pytest.FixtureRequest) -> Iterator[Churn]:
    """Version 1 serves all users with three pods."""
    with closing(request.param()) as world:
        churn = Churn(world)
        traffic: dict[str, Any] = {"traffic": TRAFFIC} if isinstance(world, RoutedWorld) else {}
        churn.publish()
        churn.apply(rollout=ROLLOUT, server={"replicas": REPLICAS}, **traffic)
        assert world.run(60, until=lambda: churn.serves("1"))
        world.run(5)
        world.pods.lost = 0.0
        yield churn


def promises_kept(churn: Churn) -> None:
    churn.world.run(20)
    assert broken_promises(churn.cluster.worlds) == []
    assert churn.world.pods.lost == 0.0


def publish_as(churn: Churn, fate: Any, **behaviour: Any) -> str:
    churn.cluster.readiness["churn-green"] = fate
    return churn.publish(**behaviour)


def promoted(churn: Churn) -> None:
    publish_as(churn, slow(0))
    assert churn.world.run(90, until=lambda: churn.serves("2"))


def promoted_with_pods_that_come_late(churn: Churn) -> None:
    """At each step, and before the promotion, the pods that are added take twenty seconds."""
    publish_as(churn, slow(20))
    assert churn.world.run(200, until=lambda: churn.serves("2"))


def ready_no_more_before_the_promotion(churn: Churn) -> None:
    """The first pods serve their share; those that the promotion needs never come."""
    publish_as(churn, slow(0))
    assert churn.world.run(60, until=lambda: churn.status.get("challenger", {}).get("weight", 0) > 0)
    pods = churn.cluster.all("Pod", {SLOT_LABEL: "green"})
    churn.cluster.readiness["churn-green"] = NEVER_READY
    churn.cluster.readiness.update({pod["metadata"]["name"]: slow(0) for pod in pods})
    churn.world.run(90)
    assert churn.champion == "1"


def reverted(churn: Churn) -> None:
    publish_as(churn, slow(0), errors=0.3)
    assert churn.world.run(90, until=lambda: churn.rejected == ["2"])


def superseded(churn: Churn) -> None:
    publish_as(churn, slow(5))
    assert churn.world.run(60, until=lambda: churn.status.get("challenger", {}).get("weight", 0) > 0)
    churn.publish()
    assert churn.world.run(200, until=lambda: churn.serves("3"))


STORIES = (promoted_with_pods_that_come_late, ready_no_more_before_the_promotion, reverted, superseded)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_promises_of_a_canary(canary: Churn, story: Callable[[Churn], None]) -> None:
    story(canary)
    promises_kept(canary)


def test_a_gateway_whose_controller_is_down_for_half_a_minute() -> None:
    """Its proxies go on with the split and the pods that they had, so these stay until it has seen the newest split."""
    with closing(RoutedWorld()) as world:
        churn = Churn(world)
        churn.publish()
        churn.apply(rollout=ROLLOUT, server={"replicas": REPLICAS}, traffic=TRAFFIC)
        assert world.run(60, until=lambda: churn.serves("1"))
        world.pods.lost = 0.0
        churn.publish()
        assert world.run(60, until=lambda: churn.status.get("challenger", {}).get("weight", 0) > 0)
        world.gateway.frozen = True
        world.run(30)
        assert broken_promises(churn.cluster.worlds) == []
        world.gateway.frozen = False
        assert world.run(120, until=lambda: churn.serves("2"))
        promises_kept(churn)


def test_the_promises_are_seen_to_be_broken(canary: Churn) -> None:
    """A person scales the champion down and moves the traffic by hand: both are found."""
    promoted(canary)
    canary.world.run(15)
    canary.cluster.edit("Deployment", "churn-green", lambda found: found["spec"].update(replicas=1))
    assert any("of the users and 1 of 3 pods" in one for one in broken_promises(canary.cluster.worlds))
    by_gateway = canary.cluster.find("HTTPRoute", "churn") is not None

    def moved(found: dict[str, Any]) -> None:
        if by_gateway:
            for ref, weight in zip(found["spec"]["rules"][0]["backendRefs"], (100, 0), strict=True):
                ref["weight"] = weight
        else:
            found["spec"]["selector"][SLOT_LABEL] = "blue"

    canary.cluster.edit("HTTPRoute" if by_gateway else "Service", "churn", moved)
    assert any(one.startswith("100 % for blue") for one in broken_promises(canary.cluster.worlds))
