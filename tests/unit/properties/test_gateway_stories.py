"""Rollouts through a gateway, told whole: with an operator that dies at every write, and a gateway that comes late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.churn import Churn
from tests.support.memory_gateway import TRAFFIC, RoutedWorld
from tests.support.operator_world import OperatorWorld
from tests.unit.properties.kills import Scenario, killed_at_writes
from tests.unit.properties.test_killed_at_every_write import SHORT, first_champion, promote

SHADOW = {**SHORT, "steps": [{"shadow": 50, "duration": "5s", "minRequests": 20}, {"weight": 50, "duration": "3s"}]}
ROUTED = {"traffic": TRAFFIC, "rollout": SHORT}


def by_gateway(churn: Churn) -> None:
    churn.publish()
    churn.apply(**ROUTED)
    assert churn.world.run(30, until=lambda: churn.serves("1"))


def to_the_gateway(churn: Churn) -> None:
    churn.apply(**ROUTED)
    assert churn.world.run(30, until=lambda: churn.cluster.find("HTTPRoute", "churn") is not None)
    churn.world.run(5)


def to_the_service(churn: Churn) -> None:
    churn.apply(rollout=SHORT)
    assert churn.world.run(30, until=lambda: churn.cluster.find("HTTPRoute", "churn") is None)


def revert(churn: Churn) -> None:
    churn.publish(errors=0.3)
    assert churn.world.run(60, until=lambda: churn.rejected == ["2"])


def shadowed(churn: Churn) -> None:
    churn.publish()
    churn.apply(traffic=TRAFFIC, rollout=SHADOW)
    assert churn.world.run(30, until=lambda: churn.serves("1"))


def edited_by_others(churn: Churn) -> None:
    churn.cluster.edit(
        "HTTPRoute", "churn", lambda route: route["spec"].update(rules=[], hostnames=["mine.example.com"])
    )
    promote(churn)


SCENARIOS = (
    Scenario("promotion", by_gateway, promote, make=RoutedWorld),
    Scenario("revert", by_gateway, revert, make=RoutedWorld),
    Scenario("copies before weights", shadowed, promote, make=RoutedWorld),
    Scenario("revert by copies alone", shadowed, revert, make=RoutedWorld),
    Scenario("promotion after a foreign edit", by_gateway, edited_by_others, make=RoutedWorld),
    Scenario("move to the gateway", first_champion, to_the_gateway, make=RoutedWorld),
    Scenario("move to the Service", by_gateway, to_the_service, make=RoutedWorld),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_at_every_write(scenario: Scenario) -> None:
    killed_at_writes(scenario, least=3)


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(RoutedWorld()) as world:
        yield Churn(world)


def gateway_of(world: OperatorWorld) -> RoutedWorld:
    assert isinstance(world, RoutedWorld)
    return world


def test_no_request_is_lost_in_promotions_and_reverts(churn: Churn) -> None:
    world = gateway_of(churn.world)
    by_gateway(churn)
    world.pods.lost = 0.0  # before there was a champion, there was nobody to ask
    promote(churn)
    world.run(30)
    churn.publish(errors=0.3)
    assert world.run(60, until=lambda: churn.rejected == ["3"])
    world.run(30)
    world.rest(resyncs=1)
    assert world.pods.lost == 0.0


def test_while_the_gateway_is_down_the_trial_waits_and_no_pod_goes(churn: Churn) -> None:
    world = gateway_of(churn.world)
    by_gateway(churn)
    world.gateway.frozen = True
    world.pods.lost = 0.0
    churn.publish()
    world.run(120)
    assert churn.status["challenger"]["waitingReason"] == "Route"
    assert world.gateway.split == {"churn-blue": 100, "churn-green": 0}
    assert churn.condition("Ready")["status"] == "True"
    world.gateway.frozen = False
    assert world.run(60, until=lambda: churn.serves("2"))
    assert world.pods.lost == 0.0


def test_a_promotion_that_the_gateway_has_not_heard_of_costs_the_former_champion_no_pod(churn: Churn) -> None:
    world = gateway_of(churn.world)
    by_gateway(churn)
    world.pods.lost = 0.0
    churn.publish()

    def promoted() -> bool:
        world.gateway.frozen = churn.champion == "2"
        return world.gateway.frozen

    assert world.run(60, until=promoted)
    world.run(300)
    assert world.pods.lost == 0.0
    world.gateway.frozen = False
    assert world.run(60, until=lambda: churn.serves("2"))
    world.run(30)
    world.rest(resyncs=1)


def test_a_foreign_edit_of_the_route_is_put_right(churn: Churn) -> None:
    by_gateway(churn)
    before = churn.cluster.find("HTTPRoute", "churn")
    assert before is not None
    churn.cluster.edit(
        "HTTPRoute", "churn", lambda route: route["spec"].update(rules=[], hostnames=["mine.example.com"])
    )
    churn.world.run(5)
    after = churn.cluster.find("HTTPRoute", "churn")
    assert after is not None
    assert after["spec"] == before["spec"]
    churn.world.rest(resyncs=1)
    (told,) = [note for _, reason, note in churn.cluster.events() if reason == "RouteEdited"]
    assert told.startswith("kubectl-edit has changed spec.hostnames, spec.rules of the HTTPRoute churn")


def test_somebody_elses_route_of_that_name_is_left_alone(churn: Churn) -> None:
    churn.publish()
    churn.cluster.create(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "churn", "namespace": "default"},
            "spec": {"parentRefs": [{"name": "mine"}], "rules": [{}]},
        }
    )
    churn.apply(**ROUTED)
    churn.world.run(30)
    assert "the HTTPRoute churn exists" in churn.condition("Stalled")["message"]
    route = churn.cluster.find("HTTPRoute", "churn")
    assert route is not None
    assert route["spec"]["parentRefs"] == [{"name": "mine"}]


def test_a_bad_version_is_rejected_by_its_answers_to_copies_and_no_user_meets_it(churn: Churn) -> None:
    world = gateway_of(churn.world)
    shadowed(churn)
    shares: list[int] = []
    world.cluster.more_controllers.append(lambda: shares.append(world.gateway.split["churn-green"]))
    world.pods.lost = 0.0
    churn.publish(errors=0.3)
    assert world.run(60, until=lambda: churn.rejected == ["2"])
    world.run(10)
    assert set(shares) == {0}
    assert world.gateway.copies == {}
    assert world.pods.lost == 0.0


def test_a_sound_version_passes_its_copies_and_then_meets_users(churn: Churn) -> None:
    world = gateway_of(churn.world)
    shadowed(churn)
    churn.publish()
    assert world.run(60, until=lambda: world.gateway.copies == {"churn-green": 50})
    assert churn.status["challenger"]["step"]["name"] == "shadow-50%"
    assert world.gateway.split == {"churn-blue": 100, "churn-green": 0}
    assert world.run(60, until=lambda: world.gateway.split["churn-green"] == 50)
    assert world.gateway.copies == {}
    assert world.run(60, until=lambda: churn.serves("2"))
    world.run(30)
    world.rest(resyncs=1)
