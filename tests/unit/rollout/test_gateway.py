"""A route of the Gateway API: what it says, when its split is in effect, and what waits for that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.snapshots import NOW, SETTINGS, slot, snapshot, spec
from tests.unit.rollout.cases import (
    BLUE,
    FIRST_STEP,
    GREEN,
    KNOWN,
    ONE_STEADY,
    TWO_KNOWN,
    TWO_STEADY,
    V2,
    move_of,
    on_trial,
    said_of,
)
from tests.unit.rollout.plans import applied, condition, order
from viridian.api import reasons
from viridian.api.child_kinds import child_kind
from viridian.api.names import ROUTE_ANNOTATION, Slot
from viridian.api.samples import Idle
from viridian.core.intent import covers, with_intent_hash
from viridian.core.obstacles import Obstacle
from viridian.core.plan import Apply, CloseConnections
from viridian.rollout.decide import decide
from viridian.rollout.fail_closed import give_back
from viridian.rollout.input import RolloutInput
from viridian.rollout.slots import desired_slots
from viridian.rollout.state import read
from viridian.rollout.traffic.gateway import GatewayTraffic, frame_in, frame_of, parents_of
from viridian.rollout.traffic.provider import LiveObjects
from viridian.rollout.traffic.record import Traffic
from viridian.rollout.traffic.service import SERVICE

TRAFFIC = {
    "provider": "Gateway",
    "gateway": {
        "parentRefs": [{"name": "public", "namespace": "infra", "sectionName": "https"}],
        "hostnames": ["churn.example.com"],
        "pathPrefix": "/v2/models/churn",
        "timeout": "1m30s",
        "testers": {"header": "x-canary", "value": "always"},
    },
}
WITH_GATEWAY = replace(SETTINGS, gateway_api=True)
ROUTED = spec(traffic=TRAFFIC)
OK = ("Accepted", "ResolvedRefs")


def provider_of(whole: Any = ROUTED) -> GatewayTraffic:
    return GatewayTraffic(frame_of(whole.traffic.gateway))


def stored(traffic: Traffic, generation: int = 3, *, whole: Any = ROUTED, **status: Any) -> dict[Any, Any]:
    """The provider's objects as the API server has them, by kind and name; `status` is that of the route."""
    made = [with_intent_hash(one) for one in provider_of(whole).objects(snapshot(), 8080, traffic)]
    found: dict[Any, Any] = {(one["kind"], one["metadata"]["name"]): one for one in made}
    for target, one in found.items():
        one["metadata"] |= {"uid": f"uid-of-{target}", "generation": generation, "resourceVersion": "7"}
    found["HTTPRoute", "churn"]["status"] = status
    return found


def answer(*true: str, generation: int = 3, parent: Any = None, **false: str) -> dict[str, Any]:
    """What a controller says of the route: conditions that are True, and others with their reasons."""
    said = [{"type": one, "status": "True", "reason": one, "observedGeneration": generation} for one in true]
    said += [
        {"type": one, "status": "False", "reason": why, "observedGeneration": generation} for one, why in false.items()
    ]
    reference = parent or {"name": "public", "namespace": "infra", "sectionName": "https"}
    return {"parentRef": reference, "controllerName": "example.com/gateway", "conditions": said}


TAKEN_OVER = answer(*OK)
BEHIND = answer(*OK, generation=2)


def routed(
    traffic: Traffic, *, parents: Any = (TAKEN_OVER,), programmed: str | None = "True", **more: Any
) -> RolloutInput:
    """A snapshot whose traffic goes through the gateway."""
    objects = stored(traffic, parents=list(parents))
    live = objects.pop(("Service", "churn"))
    if programmed is not None:
        conditions = [{"type": "Programmed", "status": programmed, "reason": "AddressNotAssigned", "message": "none"}]
        objects["Gateway", "infra/public"] = {"status": {"conditions": conditions}}
    shown = snapshot(**{"of": ROUTED, "known": KNOWN, "wanted": "2", "traffic": traffic, **more})
    return replace(shown, settings=WITH_GATEWAY, live=live, gateway_objects=objects)


def on_trial_world(trial: Any = FIRST_STEP, **more: Any) -> RolloutInput:
    slots = (slot(BLUE, "1", 2), slot(GREEN, "2", 1))
    return routed(on_trial(trial), **{"slots": slots, **more})


# ---- what the route says


def test_the_route_of_a_trial() -> None:
    route = stored(on_trial(replace(FIRST_STEP, weight=7)))["HTTPRoute", "churn"]
    assert route["spec"]["parentRefs"] == [
        {
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "name": "public",
            "namespace": "infra",
            "sectionName": "https",
        }
    ]
    assert route["spec"]["hostnames"] == ["churn.example.com"]
    of_users, of_testers = route["spec"]["rules"]
    assert [(ref["name"], ref["weight"], ref["port"]) for ref in of_users["backendRefs"]] == [
        ("churn-blue", 93, 8080),
        ("churn-green", 7, 8080),
    ]
    assert [ref["name"] for ref in of_testers["backendRefs"]] == ["churn-green"]
    assert of_testers["matches"][0]["headers"] == [{"type": "Exact", "name": "x-canary", "value": "always"}]
    assert of_users["matches"][0]["path"] == {"type": "PathPrefix", "value": "/v2/models/churn"}
    assert of_users["timeouts"] == {"request": "90s"}


def test_without_a_trial_testers_go_where_all_go() -> None:
    (rule,) = stored(TWO_STEADY)["HTTPRoute", "churn"]["spec"]["rules"]
    assert {ref["name"]: ref["weight"] for ref in rule["backendRefs"]} == {"churn-blue": 0, "churn-green": 100}


def test_the_live_service_leads_to_the_champion_and_has_a_copy_of_the_record() -> None:
    traffic = on_trial(FIRST_STEP)
    live = stored(traffic)["Service", "churn"]
    assert live["spec"]["selector"]["viridian.dev/slot"] == "blue"
    assert SERVICE.read("churn", {("Service", "churn"): live}) == traffic
    assert live["metadata"]["annotations"][ROUTE_ANNOTATION] == "churn"


@pytest.mark.parametrize(("weight", "pods"), [(1, (4, 1)), (25, (4, 1)), (26, (4, 2)), (100, (4, 4))])
def test_a_challenger_has_as_large_a_share_of_pods_as_of_requests(weight: int, pods: tuple[int, int]) -> None:
    split = provider_of().replicas(weight, 4, 0)
    assert (split.champion, split.challenger) == pods


@pytest.mark.parametrize(
    "add",
    [
        lambda spec: spec["rules"].append({"backendRefs": []}),
        lambda spec: spec["rules"][0].update(filters=[{"type": "RequestMirror"}]),
        lambda spec: spec["rules"][0]["backendRefs"].append({"name": "mine"}),
        lambda spec: spec["rules"][0]["backendRefs"][0].update(weight=50),
        lambda spec: spec["rules"][0]["matches"][0].update(headers=[{"name": "a", "value": "b"}]),
        lambda spec: spec.update(parentRefs=[]),
    ],
    ids=["a rule", "a filter", "a backend", "a weight", "a match", "no parents"],
)
def test_a_foreign_edit_is_seen(add: Any) -> None:
    row, intent = child_kind("HTTPRoute"), stored(ONE_STEADY)["HTTPRoute", "churn"]
    edited = stored(ONE_STEADY)["HTTPRoute", "churn"]
    assert covers(edited, intent, row)
    add(edited["spec"])
    assert not covers(edited, intent, row)


def test_an_edit_is_put_right_and_told_once_with_its_writer_and_its_fields() -> None:
    shown = routed(ONE_STEADY, wanted="1", slots=(slot(BLUE, "1"),))
    route: Any = shown.gateway_objects["HTTPRoute", "churn"]
    route["spec"] |= {"rules": [], "hostnames": ["mine.example.com"]}
    own, other = (
        {"manager": name, "time": at}
        for name, at in (("viridian", "2026-01-01T00:00:00Z"), ("argocd", "2026-01-02T00:00:00Z"))
    )
    late = {"manager": "envoy-gateway", "time": "2026-01-03T00:00:00Z", "subresource": "status"}
    route["metadata"]["managedFields"] = [other, own, late]
    (write,) = decide(shown, NOW).actions
    assert isinstance(write, Apply)
    (event,) = write.tells
    assert (event.type, event.reason) == ("Warning", reasons.EVENT_ROUTE_EDITED)
    assert event.message.startswith("argocd has changed spec.hostnames, spec.rules of the HTTPRoute churn")


def test_an_edit_is_told_with_the_move_that_overwrites_it() -> None:
    shown = on_trial_world(replace(FIRST_STEP, weight=0, since=None))
    route: Any = shown.gateway_objects["HTTPRoute", "churn"]
    route["spec"]["rules"][0]["backendRefs"][0]["weight"] = 1
    (write,) = [one for one in decide(shown, NOW).actions if isinstance(one, Apply) and one.target == shown.decisive]
    assert reasons.EVENT_ROUTE_EDITED in {event.reason for event in write.tells}


def test_a_change_of_the_spec_is_no_edit_by_others() -> None:
    gateway: Any = TRAFFIC["gateway"]
    other = spec(traffic={**TRAFFIC, "gateway": {**gateway, "hostnames": ["other.example.com"]}})
    shown = replace(routed(ONE_STEADY, wanted="1", slots=(slot(BLUE, "1"),)), spec=other)
    assert [one.tells for one in decide(shown, NOW).actions if isinstance(one, Apply)] == [()]


# ---- when it is in effect


@pytest.mark.parametrize(
    ("parents", "programmed", "says", "serves"),
    [
        ((TAKEN_OVER,), "True", "", True),
        ((TAKEN_OVER,), None, "", True),
        ((BEHIND,), "True", "has not taken over the newest split", True),
        ((), "True", "no controller has answered for the Gateway infra/public", False),
        ((answer("ResolvedRefs", Accepted="NotAllowedByListeners"),), "True", "Accepted is not True", False),
        ((answer("Accepted", ResolvedRefs="BackendNotFound"),), "True", "(BackendNotFound: )", False),
        ((answer("Accepted"),), "True", "has not taken over", True),
        ((TAKEN_OVER,), "False", "is not programmed (AddressNotAssigned: none)", False),
        ((answer(*OK, parent={"name": "other", "namespace": "infra"}),), "True", "no controller has answered", False),
        ((BEHIND, TAKEN_OVER), "True", "", True),
    ],
)
def test_when_a_split_is_in_effect(parents: Any, programmed: str | None, says: str, serves: bool) -> None:
    shown = routed(ONE_STEADY, parents=parents, programmed=programmed)
    found = provider_of().unsettled("churn", shown.traffic_objects)
    assert (found.message if found is not None else "").find(says) >= 0
    assert found is None if not says else (found is not None and found.serves is serves)


def test_every_one_of_several_gateways_must_have_taken_it_over() -> None:
    two = {**TRAFFIC, "gateway": {"parentRefs": [{"name": "a"}, {"name": "b"}]}}
    whole = spec(traffic=two)
    first, second = (answer(*OK, parent={"name": name}) for name in "ab")
    objects: LiveObjects = stored(ONE_STEADY, whole=whole, parents=[first])
    found = provider_of(whole).unsettled("churn", objects)
    assert found is not None
    assert found.serves
    assert "default/b" in found.message
    both: LiveObjects = stored(ONE_STEADY, whole=whole, parents=[first, second])
    assert provider_of(whole).unsettled("churn", both) is None
    assert parents_of(frame_of(whole.traffic.gateway), "default") == (("default", "a"), ("default", "b"))  # type: ignore[arg-type]


# ---- what waits for that


def test_a_weight_is_written_and_counts_once_the_gateway_has_taken_it_over() -> None:
    entered = replace(FIRST_STEP, weight=0, since=None)
    written = move_of(on_trial_world(entered)).traffic
    assert written is not None
    assert written.trial is not None
    assert (written.trial.weight, written.trial.since) == (25, None)
    waiting = on_trial_world(written.trial, parents=(BEHIND,))
    assert "the route to be taken over: the Gateway infra/public has not" in said_of(waiting, move_of(waiting))
    begun = move_of(on_trial_world(written.trial)).traffic
    assert begun is not None
    assert begun.trial is not None
    assert (begun.trial.weight, begun.trial.since) == (25, NOW)


def test_a_gateway_that_does_not_answer_is_not_held_against_the_challenger() -> None:
    blind = replace(FIRST_STEP, blind_since=FIRST_STEP.since)
    move = move_of(on_trial_world(blind, parents=(BEHIND,)))
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert move.traffic.trial.blind_since is None
    assert move.reason == reasons.ROUTE_NOT_READY


def test_nobody_is_asked_to_connect_anew_for_a_weight() -> None:
    assert move_of(on_trial_world(replace(FIRST_STEP, weight=0, since=None))).close is None


def test_a_slot_that_lost_the_traffic_keeps_its_pods_until_the_gateway_knows() -> None:
    lost = replace(TWO_STEADY, since=None)
    for parents, kept in (((TAKEN_OVER,), False), ((BEHIND,), True)):
        shown = routed(lost, parents=parents, slots=(slot(BLUE, "1", 2), slot(GREEN, "2")), known=TWO_KNOWN)
        state = read(shown, ROUTED, NOW)
        assert (BLUE not in desired_slots(state, move_of(shown))) is kept


def test_a_challenger_gets_the_other_slot_once_the_gateway_knows_of_the_champion() -> None:
    shown = routed(ONE_STEADY, parents=(BEHIND,), slots=(slot(BLUE, "1"),))
    assert move_of(shown).challenger is None
    assert move_of(routed(ONE_STEADY, slots=(slot(BLUE, "1"),))).challenger == V2


def test_ready_says_whether_the_gateway_serves() -> None:
    for parents, ready in (((TAKEN_OVER,), "True"), ((BEHIND,), "True"), ((), "False")):
        plan = decide(routed(ONE_STEADY, wanted="1", parents=parents, slots=(slot(BLUE, "1"),)), NOW)
        status, reason = condition(plan, "Ready")
        assert status == ready
        assert (reason == reasons.ROUTE_NOT_READY) is (ready == "False")
        reconciling = condition(plan, "Reconciling")
        assert (reconciling == ("True", reasons.ROUTE_NOT_READY)) is (parents != (TAKEN_OVER,))


# ---- coming and going


def test_a_settled_route_asks_for_nothing() -> None:
    assert order(decide(routed(ONE_STEADY, wanted="1", slots=(slot(BLUE, "1"),)), NOW)) == []


def test_a_model_moves_to_a_gateway_and_keeps_its_record() -> None:
    shown = replace(
        snapshot(of=ROUTED, traffic=ONE_STEADY, known=KNOWN, slots=(slot(BLUE, "1"),)), settings=WITH_GATEWAY
    )
    plan = decide(shown, NOW)
    assert order(plan) == ["apply HTTPRoute churn", "apply Service churn-blue", "apply Service churn-green"]
    assert provider_of().read("churn", {("HTTPRoute", "churn"): applied(plan, "HTTPRoute", "churn")}) == ONE_STEADY


def test_no_model_moves_while_a_challenger_is_on_trial() -> None:
    shown = snapshot(of=ROUTED, traffic=on_trial(FIRST_STEP), slots=(slot(BLUE, "1", 3), slot(GREEN, "2", 1)))
    assert replace(shown, settings=WITH_GATEWAY).provider is SERVICE


def test_a_model_leaves_its_gateway_once_its_service_has_the_record() -> None:
    shown = routed(ONE_STEADY, wanted="1", slots=(slot(BLUE, "1"),))
    left = replace(shown, spec=spec())
    assert order(decide(left, NOW))[-1] == "delete HTTPRoute churn"
    behind = stored(TWO_STEADY)["Service", "churn"]
    assert "delete HTTPRoute churn" not in order(decide(replace(left, live=behind), NOW))
    assert order(decide(replace(left, gateway_objects={}), NOW)) == ["apply Service churn"]


def test_while_the_route_is_there_it_alone_decides() -> None:
    shown = replace(routed(on_trial(FIRST_STEP), slots=(slot(BLUE, "1", 2), slot(GREEN, "2", 1))), spec=spec())
    assert shown.decisive == ("HTTPRoute", "churn")
    assert shown.traffic == on_trial(FIRST_STEP)


def test_an_operator_without_the_gateway_api_serves_by_the_service_and_says_so() -> None:
    shown = snapshot(of=ROUTED, traffic=ONE_STEADY, known=KNOWN, slots=(slot(BLUE, "1"),))
    plan = decide(shown, NOW)
    assert order(plan) == []
    assert condition(plan, "Stalled") == ("True", reasons.GATEWAY_API_OFF)
    assert condition(plan, "Ready")[0] == "True"


def test_an_operator_that_may_not_read_the_route_touches_nothing() -> None:
    shown = routed(ONE_STEADY, slots=(slot(BLUE, "1"),))
    plan = decide(replace(shown, settings=SETTINGS, gateway_objects={}), NOW)
    assert plan.actions == ()
    assert condition(plan, "Stalled") == ("True", reasons.GATEWAY_API_OFF)


def test_a_refused_route_leaves_the_copy_of_its_record_as_it_was() -> None:
    shown = on_trial_world(replace(FIRST_STEP, weight=0, since=None))
    assert order(decide(shown, NOW))[:2] == ["apply HTTPRoute churn", "apply Service churn"]
    refused = {shown.decisive: Obstacle("HTTPRoute", "churn", "a policy says no", refused=True)}
    assert order(decide(replace(shown, obstacles=refused), NOW)) == ["apply HTTPRoute churn"]


def test_the_way_back_where_nothing_can_be_decided_goes_through_the_route() -> None:
    for whole in (ROUTED, None):
        plan = give_back(replace(on_trial_world(), spec=whole), NOW, "why")
        assert plan is not None
        rules = applied(plan, "HTTPRoute", "churn")["spec"]["rules"]
        assert {ref["name"]: ref["weight"] for ref in rules[0]["backendRefs"]} == {"churn-blue": 100, "churn-green": 0}
        closing = [(one.idle, one.forward) for one in plan.actions if isinstance(one, CloseConnections)]
        assert closing == [(Idle.KEEP, True)]


def test_the_frame_of_a_route_that_is_there_is_its_own() -> None:
    route = stored(ONE_STEADY)["HTTPRoute", "churn"]
    again = GatewayTraffic(frame_in(route)).objects(snapshot(), 8080, TWO_STEADY)[0]
    assert again["spec"] == stored(TWO_STEADY)["HTTPRoute", "churn"]["spec"]
    assert GatewayTraffic(frame_in({})).receiving("churn", {}) == frozenset[Slot]()


def test_a_shadow_step_sends_copies_to_the_challenger_and_users_to_the_champion() -> None:
    (of_users, of_testers) = stored(on_trial(replace(FIRST_STEP, weight=0, shadow=20)))["HTTPRoute", "churn"]["spec"][
        "rules"
    ]
    (mirror,) = of_users["filters"]
    assert mirror["type"] == "RequestMirror"
    assert (mirror["requestMirror"]["backendRef"]["name"], mirror["requestMirror"]["percent"]) == ("churn-green", 20)
    assert {ref["name"]: ref["weight"] for ref in of_users["backendRefs"]} == {"churn-blue": 100, "churn-green": 0}
    assert of_testers["filters"] == []


def test_copies_end_with_their_step() -> None:
    route = stored(on_trial(replace(FIRST_STEP, weight=0, shadow=20)))["HTTPRoute", "churn"]
    for traffic in (on_trial(FIRST_STEP), ONE_STEADY):
        assert stored(traffic)["HTTPRoute", "churn"]["spec"]["rules"][0]["filters"] == []
        again = GatewayTraffic(frame_in(route)).objects(snapshot(), 8080, traffic)[0]
        assert again["spec"]["rules"][0]["filters"] == []
