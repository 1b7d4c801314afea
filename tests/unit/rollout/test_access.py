"""The NetworkPolicy of a ModelDeployment: everybody asks for predictions, few reach the management port."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.support.access import ACCESS
from tests.support.snapshots import NOW, snapshot, spec
from tests.unit.rollout.cases import TWO_WARM
from tests.unit.rollout.plans import applied, order
from viridian.api.modeldeployment import Runtime
from viridian.core.plan import Apply, Delete
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.render.network_policy import policy

OPERATOR = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "viridian-system"}},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "viridian", "app.kubernetes.io/component": "operator"}},
}
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}
HTTP = {"port": "http", "protocol": "TCP"}
MANAGEMENT = {"port": "management", "protocol": "TCP"}


def settled(**more: Any) -> RolloutInput:
    return snapshot(**(TWO_WARM | more))


def ingress(*containers: dict[str, Any], sidecars: tuple[dict[str, Any], ...] = ()) -> Any:
    template = {"spec": {"containers": list(containers), "initContainers": list(sidecars)}}
    return policy(snapshot(), ACCESS, [template])["spec"]["ingress"]


def container(*ports: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "server", "ports": list(ports), **more}


def test_a_new_model_is_guarded_before_its_pods_are_made() -> None:
    plan = decide(snapshot(), NOW)
    assert order(plan).index("apply NetworkPolicy churn-server") < order(plan).index("apply Deployment churn-blue")
    made = applied(plan, "NetworkPolicy", "churn-server")
    assert made["spec"] == {
        "podSelector": {
            "matchLabels": {"viridian.dev/model-deployment": "churn"},
            "matchExpressions": [{"key": "viridian.dev/slot", "operator": "Exists"}],
        },
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [HTTP]}, {"from": [OPERATOR, PROMETHEUS], "ports": [MANAGEMENT]}],
    }
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("ModelDeployment", "churn-uid", True)


def test_a_newer_operator_adds_the_policy_and_restarts_nothing() -> None:
    plan = decide(replace(settled(), network_policy=None), NOW)
    assert order(plan) == ["apply NetworkPolicy churn-server"]


def test_with_the_policy_there_is_nothing_to_do() -> None:
    assert order(decide(settled(), NOW)) == []


@pytest.mark.parametrize("change", ["another rule", "another peer", "another port", "another selector", "no rules"])
def test_whatever_somebody_changes_in_the_rules_is_put_back(change: str) -> None:
    """Additions too: each of them lets in strangers, or cuts the operator off."""
    shown = settled()
    assert shown.network_policy is not None
    edited = json.loads(json.dumps(shown.network_policy))
    rules = edited["spec"]["ingress"]
    match change:
        case "another rule":
            rules.append({})
        case "another peer":
            rules[1]["from"].append({"namespaceSelector": {}})
        case "another port":
            rules[0]["ports"].append(MANAGEMENT)
        case "another selector":
            edited["spec"]["podSelector"]["matchLabels"]["a"] = "b"
        case _:
            del edited["spec"]["ingress"]
    assert order(decide(replace(shown, network_policy=edited), NOW)) == ["apply NetworkPolicy churn-server"]


def test_without_policies_the_one_that_is_there_goes_and_none_is_made() -> None:
    shown = settled()
    off = replace(shown, settings=replace(shown.settings, access=None))
    (deletion,) = [action for action in decide(off, NOW).actions if isinstance(action, Delete)]
    assert deletion.target == ("NetworkPolicy", "churn-server")
    assert order(decide(replace(off, network_policy=None), NOW)) == []


def test_a_namesake_of_somebody_else_is_never_touched() -> None:
    shown = replace(settled(), network_policy=None, taken=frozenset({("NetworkPolicy", "churn-server")}))
    for settings in (shown.settings, replace(shown.settings, access=None)):
        plan = decide(replace(shown, settings=settings), NOW)
        assert not [action for action in plan.actions if isinstance(action, Apply | Delete)]


def test_other_ports_of_a_server_stay_open() -> None:
    """Of a Custom server that speaks gRPC too, for instance; a port of no name goes by its number."""
    ports = ({"name": "http", "containerPort": 9000}, {"name": "grpc", "containerPort": 9001}, {"containerPort": 9002})
    heartbeat = {"name": "beat", "containerPort": 7000, "protocol": "UDP"}
    rules = ingress(container(*ports, heartbeat, {"name": "management", "containerPort": 9100}))
    assert rules[0]["ports"] == [
        {"port": "beat", "protocol": "UDP"},
        {"port": "grpc", "protocol": "TCP"},
        HTTP,
        {"port": 9002, "protocol": "TCP"},
    ]
    assert rules[1]["ports"] == [MANAGEMENT]


def test_a_server_that_names_no_management_port_is_read_at_8081_and_that_one_is_closed() -> None:
    rules = ingress(container({"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 8081}))
    assert rules[0]["ports"] == [HTTP]
    assert rules[1]["ports"] == [{"port": 8081, "protocol": "TCP"}]


def test_sidecars_that_run_beside_the_server_are_reached_and_init_containers_are_not() -> None:
    proxy = container({"name": "proxy", "containerPort": 15000}, restartPolicy="Always")
    fetch = container({"name": "debug", "containerPort": 6000})
    assert ingress(container(), sidecars=(proxy, fetch))[0]["ports"] == [HTTP, {"port": "proxy", "protocol": "TCP"}]


def test_while_two_revisions_run_the_ports_of_both_are_open() -> None:
    custom = spec(
        server={
            "runtime": Runtime.CUSTOM,
            "template": {
                "spec": {
                    "containers": [{"name": "server", "image": "a:1", "ports": [{"name": "grpc", "containerPort": 1}]}]
                }
            },
        }
    )
    shown = replace(settled(wanted="3"), spec=custom)
    made = applied(decide(shown, NOW), "NetworkPolicy", "churn-server")
    assert made["spec"]["ingress"][0]["ports"] == [{"port": "grpc", "protocol": "TCP"}, HTTP]


@pytest.mark.parametrize(
    "odd",
    [
        {"spec": {}},
        {"spec": {"containers": ["text", {"ports": ["text", {"name": "x"}, {"containerPort": "9"}]}]}},
        {"spec": {"containers": [{"name": "server", "ports": None}], "initContainers": [None]}},
        {"spec": {"containers": [{"name": "server", "ports": 8080}]}},
        {"spec": {"containers": [{"name": "server", "ports": [{"containerPort": 8081, "name": {"a": "b"}}]}]}},
    ],
)
def test_what_the_api_server_would_refuse_is_no_mistake_of_ours(odd: dict[str, Any]) -> None:
    rules = policy(snapshot(), ACCESS, [odd])["spec"]["ingress"]
    assert rules[0]["ports"] == [HTTP]
