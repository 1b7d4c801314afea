"""Rollouts while autoscalers are at work, told whole: nobody fights over the pods, and users always have enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from tests.support.churn import Churn
from tests.support.memory_autoscalers import MemoryAutoscalers
from tests.support.memory_gateway import TRAFFIC, RoutedWorld
from tests.support.operator_world import OperatorWorld
from tests.unit.properties.kills import Scenario, killed_at_writes
from tests.unit.properties.test_killed_at_every_write import SHORT
from viridian.api.names import SLOT_LABEL
from viridian.ports.cluster import Object

SCALED = {"replicas": 2, "autoscaling": {"maxReplicas": 10}}
BY_SERVICE: Object = {"server": SCALED, "rollout": {**SHORT, "maxSurge": 10}}
BY_GATEWAY: Object = {**BY_SERVICE, "traffic": TRAFFIC}
BY_OTHERS: Object = {
    **BY_GATEWAY,
    "server": {"replicas": 2, "autoscaling": {"maxReplicas": 10, "scaler": "External"}},
}


class ScaledWorld(OperatorWorld):
    """Pods come and go by one Service."""

    def __init__(self) -> None:
        super().__init__()
        self.scalers = scalers_in(self)


class ScaledRoutedWorld(RoutedWorld):
    """A gateway splits the traffic."""

    def __init__(self) -> None:
        super().__init__()
        self.scalers = scalers_in(self)


def scalers_in(world: OperatorWorld) -> MemoryAutoscalers:
    scalers = MemoryAutoscalers(world.cluster)
    world.cluster.more_controllers.append(scalers.step)
    return scalers


def scalers_of(churn: Churn) -> MemoryAutoscalers:
    assert isinstance(churn.world, ScaledWorld | ScaledRoutedWorld)
    return churn.world.scalers


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(ScaledWorld()) as world:
        yield Churn(world)


@pytest.fixture
def routed() -> Iterator[Churn]:
    with closing(ScaledRoutedWorld()) as world:
        yield Churn(world)


def pods(churn: Churn, role: str) -> int:
    """The pods that the slot of the champion, of the challenger or of the fallback is to have."""
    found = churn.cluster.find("Deployment", f"churn-{churn.status[role]['slot']}")
    assert found is not None
    return int(found["spec"]["replicas"])


def autoscaler(churn: Churn, role: str) -> tuple[int, int] | None:
    found = churn.cluster.find("HorizontalPodAutoscaler", f"churn-{churn.status[role]['slot']}")
    return (found["spec"]["minReplicas"], found["spec"]["maxReplicas"]) if found is not None else None


def under_load(load: int, spec: Object, churn: Churn) -> None:
    """A champion that serves, with as many pods as its users need."""
    scalers_of(churn).load = load
    churn.publish()
    churn.apply(**spec)
    assert churn.world.run(30, until=lambda: churn.serves("1"))
    churn.world.run(5)
    assert pods(churn, "champion") == load


def on_trial(churn: Churn, weight: int) -> bool:
    challenger: Any = churn.status.get("challenger") or {}
    return bool(challenger.get("weight") == weight)


def test_the_champion_follows_its_load_and_nobody_fights(churn: Churn) -> None:
    under_load(6, BY_SERVICE, churn)
    assert autoscaler(churn, "champion") == (2, 10)
    for load, expected in ((9, 9), (30, 10), (3, 3), (1, 2)):
        scalers_of(churn).load = load
        churn.cluster.run_controllers()
        before = len(churn.cluster.writes)
        churn.world.run(5)
        assert pods(churn, "champion") == expected
        written = {call.kind for call in churn.cluster.writes[before:]}
        assert written <= {"ModelDeployment"}, "only the status tells of it"
    churn.world.rest(resyncs=1)


def test_by_pods_the_autoscaler_rests_at_full_size_while_a_challenger_is_on_trial(churn: Churn) -> None:
    under_load(6, BY_SERVICE, churn)
    churn.publish()
    assert churn.world.run(60, until=lambda: on_trial(churn, 50))
    assert (pods(churn, "champion"), pods(churn, "challenger")) == (6, 6)
    assert autoscaler(churn, "champion") == (6, 6)
    assert autoscaler(churn, "challenger") == (6, 6)
    assert churn.world.run(60, until=lambda: churn.champion == "2")
    assert churn.world.run(5, until=lambda: autoscaler(churn, "champion") == (2, 10))
    assert pods(churn, "champion") == 6


def test_by_a_gateway_the_floors_are_raised_before_traffic_moves(routed: Churn) -> None:
    under_load(6, BY_GATEWAY, routed)
    seen: list[tuple[int, int]] = []

    def look(call: Any) -> None:
        if call.kind == "HTTPRoute" and call.mutating:
            ready = [len(routed.cluster.ready_pods({SLOT_LABEL: slot})) for slot in ("blue", "green")]
            seen.append((ready[0], ready[1]))

    routed.publish()
    routed.cluster.before_call = look
    assert routed.world.run(60, until=lambda: on_trial(routed, 50))
    assert autoscaler(routed, "champion") == (6, 10)
    assert autoscaler(routed, "challenger") == (3, 10)
    scalers_of(routed).load = 16
    routed.world.run(1)
    assert (pods(routed, "champion"), pods(routed, "challenger")) == (8, 8)
    assert routed.world.run(60, until=lambda: routed.champion == "2")
    # The write that gave all users to the challenger found it as large as the champion was.
    assert seen[-1][1] >= 8
    assert min(blue for blue, _ in seen) >= 6


def test_a_revert_finds_the_champion_at_full_size(routed: Churn) -> None:
    under_load(6, BY_GATEWAY, routed)
    routed.publish(errors=0.3)
    assert routed.world.run(60, until=lambda: on_trial(routed, 50))
    assert pods(routed, "champion") == 6
    before = len(routed.cluster.worlds)
    assert routed.world.run(60, until=lambda: routed.rejected == ["2"])
    least = min(
        int(found["spec"]["replicas"])
        for world in routed.cluster.worlds[before:]
        if (found := world.find("Deployment", "churn-blue")) is not None
    )
    assert least >= 6
    routed.world.run(30)
    routed.world.rest(resyncs=1)


def test_a_rollback_in_probation_finds_the_fallback_as_large_as_the_champion(churn: Churn) -> None:
    under_load(6, BY_SERVICE, churn)
    version = churn.publish()
    assert churn.world.run(60, until=lambda: churn.champion == version)
    churn.world.run(1)
    assert pods(churn, "fallback") == 6
    scalers_of(churn).load = 8
    churn.world.run(1)
    assert (pods(churn, "champion"), pods(churn, "fallback")) == (8, 8)
    churn.annotate("rollback", churn.revision(version))
    assert churn.world.run(10, until=lambda: churn.champion == "1")
    assert pods(churn, "champion") == 8
    churn.world.run(60)
    assert pods(churn, "champion") == 8


def test_a_rollback_after_probation_brings_the_fallback_to_the_size_of_the_champion(churn: Churn) -> None:
    under_load(6, BY_SERVICE, churn)
    version = churn.publish()
    assert churn.world.run(60, until=lambda: churn.champion == version)
    churn.world.run(30)
    assert pods(churn, "fallback") == 1
    assert autoscaler(churn, "fallback") == (1, 1)
    churn.annotate("rollback", churn.revision(version))
    assert churn.world.run(10, until=lambda: churn.champion == "1")
    churn.world.settle_now()
    assert pods(churn, "champion") == 6


@pytest.mark.parametrize(("spec", "make"), [(BY_SERVICE, ScaledWorld), (BY_GATEWAY, ScaledRoutedWorld)])
def test_a_drill_takes_no_pod_from_the_champion(spec: Object, make: Callable[[], OperatorWorld]) -> None:
    with closing(make()) as world:
        churn = Churn(world)
        under_load(6, {**spec, "drill": {"cron": "0 4 * * 3", "mode": "Live", "duration": "15s"}}, churn)
        version = churn.publish()
        assert world.run(60, until=lambda: churn.champion == version)
        world.run(30)
        churn.annotate("drill", churn.revision(version))
        world.pods.lost = 0.0
        began = len(world.cluster.worlds)
        assert world.run(60, until=lambda: churn.status.get("drill", {}).get("outcome") == "Passed")
        champion, fallback = (f"churn-{churn.status[role]['slot']}" for role in ("champion", "fallback"))
        sizes = [[one.find("Deployment", name) or {} for name in (champion, fallback)] for one in world.cluster.worlds]
        assert min(one["spec"]["replicas"] for one, _ in sizes[began:]) == 6
        assert max(one["spec"]["replicas"] for _, one in sizes[began:]) == 6
        assert world.pods.lost == 0.0
        world.run(30)
        assert (pods(churn, "champion"), pods(churn, "fallback")) == (6, 1)
        world.rest(resyncs=1)


@pytest.mark.parametrize("spec", [BY_SERVICE, BY_GATEWAY], ids=["by pods", "by a gateway"])
def test_no_pods_at_all_and_back(spec: Object) -> None:
    with closing(ScaledRoutedWorld()) as world:
        churn = Churn(world)
        under_load(6, spec, churn)
        churn.apply(**{**spec, "server": {**SCALED, "replicas": 0}})
        world.run(10)
        assert pods(churn, "champion") == 0
        assert churn.cluster.all("HorizontalPodAutoscaler") == []
        world.rest(resyncs=1)
        churn.apply(**spec)
        assert world.run(30, until=lambda: pods(churn, "champion") == 6)
        world.run(30)
        world.rest(resyncs=1)


def test_without_autoscaling_the_autoscalers_go_and_the_number_is_exact(churn: Churn) -> None:
    under_load(6, BY_SERVICE, churn)
    churn.apply(server={"replicas": 2}, rollout=SHORT)
    churn.world.run(10)
    assert churn.cluster.all("HorizontalPodAutoscaler") == []
    assert pods(churn, "champion") == 2
    churn.world.rest(resyncs=1)


def test_somebody_elses_autoscaler_of_that_name_is_left_alone(churn: Churn) -> None:
    """As `kubectl autoscale deployment churn-blue` makes one."""
    churn.cluster.create(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "churn-blue", "namespace": "default"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "churn-blue"},
                "minReplicas": 2,
                "maxReplicas": 4,
            },
        }
    )
    churn.publish()
    churn.apply(**BY_SERVICE)
    churn.world.run(30)
    assert "the HorizontalPodAutoscaler churn-blue exists" in churn.condition("Stalled")["message"]
    found = churn.cluster.find("HorizontalPodAutoscaler", "churn-blue")
    assert found is not None
    assert found["spec"]["maxReplicas"] == 4
    assert churn.champion == "1"


def test_a_scaler_of_other_people_is_respected_through_a_promotion(routed: Churn) -> None:
    scalers = scalers_of(routed)
    scalers.others = {"churn-blue": (2, 10), "churn-green": (1, 10)}
    under_load(6, BY_OTHERS, routed)
    assert routed.cluster.all("HorizontalPodAutoscaler") == []
    routed.publish()
    assert routed.world.run(60, until=lambda: on_trial(routed, 50))
    assert pods(routed, "challenger") == 3
    scalers.load = 14
    routed.world.run(1)
    assert (pods(routed, "champion"), pods(routed, "challenger")) == (7, 7)
    assert routed.world.run(60, until=lambda: routed.serves("2"))
    routed.world.run(30)
    assert (pods(routed, "champion"), pods(routed, "fallback")) == (10, 2)
    routed.world.rest(resyncs=1)


def wishes(churn: Churn) -> None:
    """A to B to A to C in mid-rollout, while the load goes up and down."""
    scalers = scalers_of(churn)
    for load, version in ((7, "2"), (9, "1"), (3, "2")):
        churn.point(version)
        met = None if version == "1" else version
        assert churn.world.run(60, until=partial(is_met, churn, met))
        scalers.load = load
    churn.point("3")
    assert churn.world.run(90, until=lambda: churn.serves("3"))


def is_met(churn: Churn, version: str | None) -> bool:
    """Whether users meet this version beside the champion; None: whether they meet no other."""
    challenger: Any = churn.status.get("challenger") or {}
    return churn.challenger == version and (version is None or challenger["weight"] > 0)


def three_versions(spec: Object, churn: Churn) -> None:
    under_load(6, spec, churn)
    for _ in range(2):
        churn.world.registry.add_version("churn")


SCENARIOS: tuple[tuple[str, Object, Callable[[], OperatorWorld]], ...] = (
    ("by pods", BY_SERVICE, ScaledWorld),
    ("by a gateway", BY_GATEWAY, ScaledRoutedWorld),
)


@pytest.mark.parametrize(("name", "spec", "make"), SCENARIOS, ids=[name for name, *_ in SCENARIOS])
def test_killed_again_and_again_while_wishes_and_load_change(
    name: str, spec: Object, make: Callable[[], OperatorWorld]
) -> None:
    scenario = Scenario(name, partial(three_versions, spec), wishes, make=make)
    # Every third: the same rollouts without an autoscaler are killed at each write elsewhere.
    killed_at_writes(scenario, least=11, every=3)
