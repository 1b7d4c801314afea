"""Rollouts through an HTTPRoute on the real API server, with the CRDs of the Gateway API.

No gateway runs: a stand-in says what its controller would say in the status of the route.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from localcluster.gateway_api import definition
from tests.api.operator.conftest import ORDERS, Operator
from tests.support.kube import Kube, Kubectl, Object, Refused, eventually
from tests.support.live_model import LiveModel
from tests.support.operator_process import OperatorProcess
from tests.support.plugin import started
from tests.support.shipped import OPERATOR, ROOT, give_the_operator

GATEWAY_API = "gateway.networking.k8s.io/v1"
TIME = "2026-01-01T00:00:00Z"
TRAFFIC: Object = {
    "provider": "Gateway",
    "gateway": {
        "parentRefs": [{"name": "public"}],
        "hostnames": ["churn.example.com"],
        "timeout": "30s",
        "testers": {"header": "x-canary", "value": "always"},
    },
}


JOINING: Object = {"provider": "Gateway", "gateway": {"join": {"route": "shop", "rule": "predict"}}}
SHOP: Object = {
    "parentRefs": [{"name": "public"}],
    "hostnames": ["shop.example.com"],
    "rules": [
        {"name": "cart", "backendRefs": [{"name": "cart", "port": 80}]},
        {
            "name": "predict",
            "matches": [{"path": {"type": "PathPrefix", "value": "/predict"}}],
            "timeouts": {"request": "5s"},
            "backendRefs": [{"name": "old-model", "port": 80, "weight": 3}],
        },
    ],
}


def condition(type_: str, generation: int, status: str = "True") -> Object:
    said = {"reason": "Said", "message": "by the stand-in", "lastTransitionTime": TIME}
    return {"type": type_, "status": status, "observedGeneration": generation, **said}


class Gateway:
    """What users and a controller would do to the Gateway `public` and to the route."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube, self.namespace = kube, namespace
        self.name, self.rule = "churn", 0
        identity = {
            "apiVersion": GATEWAY_API,
            "kind": "Gateway",
            "metadata": {"name": "public", "namespace": namespace},
        }
        listener = {"name": "http", "protocol": "HTTP", "port": 80}
        kube.create({**identity, "spec": {"gatewayClassName": "stand-in", "listeners": [listener]}})
        kube.merge(identity, {"status": {"conditions": [condition("Programmed", 1)]}}, subresource="status")

    @property
    def route(self) -> Object:
        found = self.kube.get(GATEWAY_API, "HTTPRoute", self.name, self.namespace)
        assert found is not None
        return found

    @property
    def weights(self) -> dict[str, int]:
        return {ref["name"]: ref["weight"] for ref in self.route["spec"]["rules"][self.rule]["backendRefs"]}

    @property
    def edits(self) -> list[Object]:
        """The Events about edits of the route by others."""
        events = self.kube.list("events.k8s.io/v1", "Event", self.namespace)
        return [event for event in events if event["reason"] == "RouteEdited"]

    def take_over(self, accepted: str = "True") -> None:
        route = self.route
        generation = route["metadata"]["generation"]
        answer = {
            "parentRef": route["spec"]["parentRefs"][0],
            "controllerName": "example.com/stand-in",
            "conditions": [condition("Accepted", generation, accepted), condition("ResolvedRefs", generation)],
        }
        self.kube.merge(route, {"status": {"parents": [answer]}}, subresource="status")

    def until_weights(self, **weights: int) -> None:
        wanted = {f"churn-{slot}": weight for slot, weight in weights.items()}
        eventually(lambda: self.weights == wanted, what=f"the route to have the weights {wanted}", timeout=60)


@pytest.fixture
def gateway(shipped: Kube, namespace: str) -> Iterator[Gateway]:
    """The Gateway API is installed, and the operator has the rights that the component gateway-api gives it."""
    kinds = [yaml.safe_load(definition(plural).read_text()) for plural in ("gateways", "httproutes")]
    for kind in kinds:
        shipped.create(kind)
    eventually(lambda: all("Established" in str(shipped.read(kind).get("status")) for kind in kinds), what="the CRDs")
    for plural in ("gateways", "httproutes"):
        path = f"/apis/{GATEWAY_API}/{plural}"
        eventually(lambda path=path: shipped.request("GET", path), what=f"the first list of {plural}")  # type: ignore[misc]
    give_the_rights(shipped, namespace)
    yield Gateway(shipped, namespace)
    for kind in kinds:
        shipped.delete(kind)


def give_the_rights(kube: Kube, namespace: str) -> None:
    """As the component does, for one namespace."""
    component = yaml.safe_load((ROOT / "manifests/components/gateway-api/kustomization.yaml").read_text())
    (patch,) = [one["patch"] for one in component["patches"] if "Role" in one["target"]["kind"]]
    rules = [entry["value"] for entry in yaml.safe_load(patch)]
    give_the_operator(kube, namespace, "gateway-api", rules)


@pytest.fixture
def working(operator: Operator, gateway: Gateway) -> Iterator[OperatorProcess]:
    with operator(ORDERS, "--gateway-api=on") as running:
        running.until_ready()
        yield running
        assert running.stop() == 0, running.log()
        assert "a mistake in the operator" not in running.log()


def planned(kubectl: Kubectl, folder: Path, churn: LiveModel, spec: Object) -> str:
    """What `kubectl viridian plan` prints about an edit to this spec."""
    file = folder / "edited.yaml"
    file.write_text(yaml.safe_dump({**churn.identity, "spec": spec}))
    command, environment = started(kubectl, churn.namespace, "plan", "-f", str(file))
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=True).stdout


@pytest.mark.usefixtures("working")
def test_a_rollout_waits_for_the_gateway_at_each_weight(churn: LiveModel, gateway: Gateway) -> None:
    steps = [{"weight": 10, "duration": "1s"}]
    analysis: Object = {"metrics": []}
    parts = {"traffic": TRAFFIC, "rollout": {"steps": steps, "analysis": analysis, "probation": "0s"}}
    churn.apply("1", **parts)
    gateway.until_weights(blue=100, green=0)
    churn.until(lambda model: model.condition("Ready").get("reason") == "RouteNotReady", "Ready to tell of the route")
    gateway.take_over(accepted="False")
    churn.until(lambda model: "Accepted is not True" in model.condition("Ready").get("message", ""), "the refusal")
    gateway.take_over()
    churn.until(lambda model: model.condition("Ready").get("status") == "True", "Ready")
    settled = gateway.route["metadata"]["resourceVersion"]

    churn.apply("2", **parts)
    eventually(lambda: len(gateway.route["spec"]["rules"]) == 2, what="the rule of the testers", timeout=60)
    assert gateway.weights == {"churn-blue": 100, "churn-green": 0}
    gateway.take_over()
    gateway.until_weights(blue=90, green=10)
    waiting = {"waitingReason": "Route", "weight": 10}
    churn.until(lambda model: waiting.items() <= model.trial.items(), "the trial to wait for the gateway")
    assert gateway.route["metadata"]["resourceVersion"] != settled
    gateway.take_over()
    gateway.until_weights(blue=0, green=100)
    gateway.take_over()
    churn.until_serves("2")

    before = gateway.route
    gateway.kube.merge(before, {"spec": {"hostnames": ["mine.example.com"]}})
    eventually(lambda: gateway.route["spec"] == before["spec"], what="the foreign edit to be put right")
    eventually(lambda: "RouteEdited" in str(gateway.edits), what="the Event about the edit")
    (told,) = gateway.edits
    assert told["type"] == "Warning"
    assert "spec.hostnames of the HTTPRoute churn" in told["note"]
    gateway.take_over()
    churn.until(lambda model: model.condition("Reconciling").get("status") != "True", "rest")

    churn.apply("2", rollout=parts["rollout"])
    gone = ("HTTPRoute", "churn", churn.namespace)
    eventually(lambda: gateway.kube.get(GATEWAY_API, *gone) is None, what="the route to go")
    churn.until(
        lambda model: "viridian.dev/route" not in str(model.kube.get("v1", "Service", "churn", model.namespace)),
        "the Service to take over",
    )
    assert churn.selector()["viridian.dev/slot"] == "green"


def without_backends(spec: Object) -> Object:
    """A route's spec but for where the rule `predict` leads."""
    rules = [{**rule, "backendRefs": []} if rule["name"] == "predict" else rule for rule in spec["rules"]]
    return {**spec, "rules": rules}


@pytest.mark.needs_programs
@pytest.mark.usefixtures("working")
def test_a_rule_of_a_users_route_is_joined_put_right_and_given_back(
    churn: LiveModel, gateway: Gateway, kubectl: Kubectl, tmp_path: Path
) -> None:
    kube, namespace = gateway.kube, churn.namespace
    gateway.name, gateway.rule = "shop", 1
    identity = {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": {"name": "shop", "namespace": namespace}}
    before = kube.create({**identity, "spec": SHOP})
    churn.apply("1", traffic=JOINING)
    churn.until(lambda model: model.condition("RouteJoined").get("reason") == "RouteNotAgreed", "the owner to be asked")
    assert gateway.route["spec"] == before["spec"]

    kube.merge(identity, {"metadata": {"labels": {"adopt.viridian.dev/model-deployment": "churn"}}})
    gateway.until_weights(blue=100, green=0)
    assert without_backends(gateway.route["spec"]) == without_backends(before["spec"])
    gateway.take_over()
    churn.until(lambda model: model.condition("Ready").get("status") == "True", "Ready")
    assert churn.condition("RouteJoined")["status"] == "True"

    kube.merge(identity, {"spec": {"rules": before["spec"]["rules"], "hostnames": ["new.example.com"]}})
    gateway.until_weights(blue=100, green=0)
    eventually(lambda: len(gateway.edits) == 1, what="the Event about the edit")
    assert "the backends of the rule predict of the HTTPRoute shop" in gateway.edits[0]["note"]
    assert gateway.route["spec"]["hostnames"] == ["new.example.com"]
    operator = kube.impersonating(OPERATOR)
    with pytest.raises(Refused, match="no such object controls this one"):
        operator.merge(identity, {"spec": {"hostnames": ["other.example.com"]}})

    spec = dict(kube.read(churn.identity)["spec"])
    assert "RouteJoined is True (Joined): the rule predict" in planned(kubectl, tmp_path, churn, spec)
    del spec["traffic"]
    assert "It would give back the rule predict of the HTTPRoute shop." in planned(kubectl, tmp_path, churn, spec)

    churn.delete()
    eventually(lambda: gateway.route["spec"]["rules"] == before["spec"]["rules"], what="the rule to be given back")
    eventually(lambda: "viridian.dev/joined" not in str(gateway.route["metadata"].get("annotations")), what="no mark")
    assert "viridian.dev/joined" not in gateway.route["metadata"]["labels"]
