"""A rule of a user's own HTTPRoute is joined, led, put right and given back, by an operator that dies at any write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.support.churn import Churn
from tests.support.cluster.deployments import slow
from tests.support.memory_gateway import JOINING, SHOP, TRAFFIC, JoiningWorld
from tests.unit.properties.kills import Scenario, killed_at_writes
from tests.unit.properties.test_killed_at_every_write import SHORT, first_champion, promote
from viridian.ports.cluster import Object

JOINED = {"traffic": JOINING, "rollout": SHORT}


def world_of(churn: Churn) -> JoiningWorld:
    assert isinstance(churn.world, JoiningWorld)
    return churn.world


def shop(churn: Churn) -> Object:
    found = churn.cluster.find("HTTPRoute", "shop")
    assert found is not None
    return found


def weights(churn: Churn) -> dict[str, int]:
    return {ref["name"]: ref.get("weight", 1) for ref in shop(churn)["spec"]["rules"][1]["backendRefs"]}


def is_as_before(churn: Churn) -> bool:
    """Nothing on the route tells of the operator any more."""
    route, metadata = shop(churn), shop(churn)["metadata"]
    marked = "viridian.dev/joined" in {**metadata.get("annotations", {}), **metadata["labels"]}
    return bool(route["spec"] == SHOP["spec"] and not marked)


def by_join(churn: Churn) -> None:
    churn.publish()
    churn.apply(**JOINED)
    assert churn.world.run(60, until=lambda: churn.condition("RouteJoined").get("status") == "True")


def to_the_join(churn: Churn) -> None:
    churn.apply(**JOINED)
    assert churn.world.run(60, until=lambda: churn.condition("RouteJoined").get("status") == "True")


def to_the_service(churn: Churn) -> None:
    churn.apply(rollout=SHORT)
    assert churn.world.run(30, until=lambda: is_as_before(churn))


def to_a_route_of_its_own(churn: Churn) -> None:
    churn.apply(traffic=TRAFFIC, rollout=SHORT)
    assert churn.world.run(60, until=lambda: is_as_before(churn) and bool(churn.cluster.find("HTTPRoute", "churn")))


def to_the_other_rule(churn: Churn) -> None:
    churn.apply(traffic={**JOINING, "gateway": {"join": {"route": "shop", "rule": "cart"}}}, rollout=SHORT)

    def moved() -> bool:
        cart, predict = shop(churn)["spec"]["rules"]
        return "churn-blue" in str(cart) and predict == SHOP["spec"]["rules"][1]

    assert churn.world.run(60, until=moved)


def revert(churn: Churn) -> None:
    churn.publish(errors=0.3)
    assert churn.world.run(60, until=lambda: churn.rejected == ["2"])


def edited(churn: Churn) -> None:
    churn.cluster.edit("HTTPRoute", "shop", lambda route: route["spec"]["rules"][1]["backendRefs"].pop())
    promote(churn)


def deleted(churn: Churn) -> None:
    churn.cluster.remove("ModelDeployment", "churn")
    assert churn.world.run(60, until=lambda: is_as_before(churn))


STORIES = (
    Scenario("first version", lambda _: None, by_join, make=JoiningWorld),
    Scenario("promotion", by_join, promote, make=JoiningWorld),
    Scenario("revert", by_join, revert, make=JoiningWorld),
    Scenario("promotion after an edit", by_join, edited, make=JoiningWorld),
    Scenario("move to the rule", first_champion, to_the_join, make=JoiningWorld),
    Scenario("move to the Service", by_join, to_the_service, make=JoiningWorld),
    Scenario("move to a route of its own", by_join, to_a_route_of_its_own, make=JoiningWorld),
    Scenario("move to another rule", by_join, to_the_other_rule, make=JoiningWorld),
)


@pytest.mark.parametrize("scenario", STORIES, ids=lambda scenario: scenario.name)
def test_killed_at_every_write(scenario: Scenario) -> None:
    killed_at_writes(scenario, least=3)


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(JoiningWorld()) as world:
        yield Churn(world)


def test_only_where_the_rule_leads_is_the_operators(churn: Churn) -> None:
    by_join(churn)
    route = shop(churn)
    assert weights(churn) == {"churn-blue": 100, "churn-green": 0}
    cart, predict = route["spec"]["rules"]
    assert cart == SHOP["spec"]["rules"][0]
    assert {key: value for key, value in predict.items() if key != "backendRefs"} == {
        key: value for key, value in SHOP["spec"]["rules"][1].items() if key != "backendRefs"
    }
    assert {key: value for key, value in route["spec"].items() if key != "rules"} == {
        key: value for key, value in SHOP["spec"].items() if key != "rules"
    }
    churn.cluster.edit("HTTPRoute", "shop", lambda found: found["spec"]["rules"][1].update(timeouts={"request": "9s"}))
    promote(churn)
    churn.world.run(30)
    assert weights(churn) == {"churn-blue": 0, "churn-green": 100}
    assert shop(churn)["spec"]["rules"][1]["timeouts"] == {"request": "9s"}
    assert not [reason for _, reason, _ in churn.cluster.events() if reason == "RouteEdited"]
    churn.world.rest(resyncs=1)


def test_no_request_is_lost_in_promotions_and_reverts(churn: Churn) -> None:
    world = world_of(churn)
    by_join(churn)
    world.run(5)
    world.pods.lost = 0.0
    promote(churn)
    world.run(30)
    churn.publish(errors=0.3)
    assert world.run(60, until=lambda: churn.rejected == ["3"])
    world.run(30)
    world.rest(resyncs=1)
    assert world.pods.lost == 0.0


def test_the_rule_is_given_back_when_the_model_is_deleted(churn: Churn) -> None:
    by_join(churn)
    deleted(churn)


def test_the_rule_is_given_back_by_an_operator_that_was_away_when_the_model_was_deleted(churn: Churn) -> None:
    by_join(churn)
    churn.world.restart()
    churn.cluster.remove("ModelDeployment", "churn")
    churn.world.restart()
    assert churn.world.run(200, until=lambda: is_as_before(churn))


def test_the_rule_is_given_back_when_its_route_does_not_agree_any_more(churn: Churn) -> None:
    by_join(churn)
    churn.cluster.edit(
        "HTTPRoute", "shop", lambda route: route["metadata"]["labels"].pop("adopt.viridian.dev/model-deployment")
    )
    assert churn.world.run(60, until=lambda: "viridian.dev/joined" not in str(shop(churn)["metadata"]))
    assert shop(churn)["spec"] == SHOP["spec"]
    churn.world.run(20)
    joined = churn.condition("RouteJoined")
    assert joined["reason"] == "RouteNotAgreed"
    assert "kubectl label httproute shop adopt.viridian.dev/model-deployment=churn" in joined["message"]


def test_a_rule_that_is_renamed_is_given_back(churn: Churn) -> None:
    """Else it would lead to the slots for ever, by the split of that moment."""
    by_join(churn)
    churn.publish()
    assert churn.world.run(60, until=lambda: 0 < weights(churn).get("churn-green", 0) < 100)
    churn.cluster.edit("HTTPRoute", "shop", lambda route: route["spec"]["rules"][1].update(name="renamed"))
    assert churn.world.run(30, until=lambda: "viridian.dev/joined" not in str(shop(churn)["metadata"]))
    cart, renamed = shop(churn)["spec"]["rules"]
    assert (cart, renamed["backendRefs"]) == (SHOP["spec"]["rules"][0], SHOP["spec"]["rules"][1]["backendRefs"])
    churn.world.run(20)
    assert churn.condition("RouteJoined")["reason"] == "RuleNotFound"


def test_the_rule_of_an_object_that_was_made_anew_waits_for_its_pods(churn: Churn) -> None:
    by_join(churn)
    churn.cluster.readiness["churn-blue"] = slow(20)
    churn.cluster.remove("ModelDeployment", "churn")
    churn.apply(**JOINED)
    assert churn.world.run(5, until=lambda: is_as_before(churn))
    assert churn.world.run(60, until=lambda: churn.condition("RouteJoined").get("status") == "True")
    assert weights(churn) == {"churn-blue": 100, "churn-green": 0}


def test_an_edit_at_a_time_far_ahead_contests_nothing(churn: Churn) -> None:
    """It was put right by a clock that was wrong."""
    by_join(churn)

    def edit(route: Object) -> None:
        mark = json.loads(route["metadata"]["annotations"]["viridian.dev/joined"])
        route["metadata"]["annotations"]["viridian.dev/joined"] = json.dumps(
            {**mark, "edits": 3, "editedAt": "2999-01-01T00:00:00Z"}
        )
        route["spec"]["rules"][1]["backendRefs"][0]["weight"] = 1

    churn.cluster.edit("HTTPRoute", "shop", edit)
    assert churn.world.run(5, until=lambda: weights(churn) == {"churn-blue": 100, "churn-green": 0})
    assert churn.status["route"]["edits"] == 1


def test_a_trial_goes_on_by_the_rule_that_the_spec_does_not_name_any_more(churn: Churn) -> None:
    by_join(churn)
    churn.publish()
    assert churn.world.run(60, until=lambda: 0 < weights(churn).get("churn-green", 0) < 100)
    churn.apply(rollout=SHORT)
    churn.world.run(2)
    assert "churn-green" in weights(churn)
    assert churn.world.run(120, until=lambda: churn.serves("2"))
    assert churn.world.run(60, until=lambda: is_as_before(churn))
    churn.world.run(30)
    churn.world.rest(resyncs=1)


def test_an_edit_of_the_backends_is_put_right_and_told_once(churn: Churn) -> None:
    by_join(churn)
    churn.cluster.edit("HTTPRoute", "shop", lambda route: route["spec"]["rules"][1]["backendRefs"][0].update(weight=1))
    assert churn.world.run(5, until=lambda: weights(churn) == {"churn-blue": 100, "churn-green": 0})
    churn.world.run(30)
    (told,) = [note for _, reason, note in churn.cluster.events() if reason == "RouteEdited"]
    assert told.startswith("kubectl-edit has changed the backends of the rule predict of the HTTPRoute shop")
    assert churn.status["route"]["edits"] == 1
    churn.world.rest(resyncs=1)


@pytest.mark.parametrize("replaces", [False, True], ids=["edits the backends", "replaces the route"])
def test_a_tool_that_never_gives_in_makes_no_endless_exchange(churn: Churn, *, replaces: bool) -> None:
    """It writes its own version again whenever it sees another one."""
    by_join(churn)
    world, theirs = world_of(churn), SHOP["spec"]["rules"]
    writes: list[Any] = []

    def write(route: Object) -> None:
        route["spec"]["rules"] = [dict(rule) for rule in theirs]
        if replaces:
            route["metadata"].pop("annotations", None)
            route["metadata"]["labels"].pop("viridian.dev/joined", None)

    def sync() -> None:
        if shop(churn)["spec"]["rules"] != theirs:
            writes.append(world.cluster.edit("HTTPRoute", "shop", write, manager="argocd"))

    world.cluster.more_controllers.append(sync)
    world.run(500)
    assert len(writes) <= 6
    contested = churn.condition("RouteJoined")
    assert contested["reason"] == "RouteContested"
    assert "Let argocd leave the backendRefs of this rule alone" in contested["message"]
    assert len([note for _, reason, note in churn.cluster.events() if reason == "RouteNotJoined"]) == 1
    world.cluster.more_controllers.pop()
    assert world.run(700, until=lambda: churn.condition("RouteJoined")["status"] == "True")
    assert weights(churn) == {"churn-blue": 100, "churn-green": 0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda route: route["metadata"]["labels"].clear(), "RouteNotAgreed"),
        (lambda route: route["spec"]["rules"][1].update(name="other"), "RuleNotFound"),
    ],
)
def test_what_cannot_be_joined_is_left_alone_and_joined_once_it_can(churn: Churn, change: Any, reason: str) -> None:
    churn.cluster.edit("HTTPRoute", "shop", change)
    before = shop(churn)
    churn.publish()
    churn.apply(**JOINED)
    assert churn.world.run(60, until=lambda: churn.condition("RouteJoined").get("reason") == reason)
    churn.world.run(30)
    assert shop(churn)["spec"] == before["spec"]
    assert churn.condition("Ready")["reason"] == "RouteNotReady"
    churn.cluster.edit("HTTPRoute", "shop", lambda route: route.update(spec=SHOP["spec"]))
    churn.cluster.edit("HTTPRoute", "shop", lambda route: route["metadata"].update(labels=SHOP["metadata"]["labels"]))
    assert churn.world.run(60, until=lambda: churn.condition("Ready")["status"] == "True")


def without_the_gateway_api(churn: Churn) -> None:
    """The operator is installed again, without the flag and the rights to routes."""
    churn.world.settings = replace(churn.world.settings, gateway_api=False)
    churn.world.restart()
    assert churn.world.run(60, until=lambda: churn.condition("Stalled").get("reason") == "GatewayApiOff")


def test_without_the_gateway_api_the_object_says_how_to_go_on(churn: Churn) -> None:
    by_join(churn)
    promote(churn)
    before = shop(churn)
    without_the_gateway_api(churn)
    churn.apply(rollout=SHORT)
    churn.world.run(60)
    stalled = churn.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "GatewayApiOff")
    assert "the rule predict of the HTTPRoute shop leads to the slots" in stalled["message"]
    assert stalled["message"].endswith("kubectl -n default annotate service churn viridian.dev/route-")
    assert churn.condition("RouteJoined")["status"] == "Unknown", "nothing is known of it any more"
    assert shop(churn) == before, "it may neither be read nor written"


def test_a_person_who_follows_that_sentence_has_a_model_that_goes_on(churn: Churn) -> None:
    by_join(churn)
    without_the_gateway_api(churn)
    churn.apply(rollout=SHORT)
    backends = [{"group": "", "kind": "Service", "name": "churn", "port": 8080, "weight": 1}]
    churn.cluster.edit("HTTPRoute", "shop", lambda found: found["spec"]["rules"][1].update(backendRefs=backends))
    churn.cluster.edit("Service", "churn", lambda found: found["metadata"]["annotations"].pop("viridian.dev/route"))
    assert churn.world.run(60, until=lambda: not churn.condition("Stalled"))
    assert not churn.condition("RouteJoined")
    promote(churn)
    churn.world.run(60)
    churn.world.rest(resyncs=1)
