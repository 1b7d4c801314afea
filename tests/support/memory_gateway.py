"""A gateway in memory: its controller takes HTTPRoutes over, and its proxies split the users' requests by them.

Between the two lies what a test may do to it: `frozen` is a controller that is down, while its proxies go on with the
split and the pods that they had.
"""

from __future__ import annotations

from dataclasses import replace

from tests.support.memory_cluster import MemoryCluster
from tests.support.memory_pods import MemoryPods
from tests.support.operator_world import SETTINGS, OperatorWorld
from viridian.ports.cluster import Object
from viridian.rollout.input import OperatorSettings

GATEWAY_API = "gateway.networking.k8s.io/v1"
TRAFFIC: Object = {
    "provider": "Gateway",
    "gateway": {"parentRefs": [{"name": "public", "namespace": "infra"}], "hostnames": ["churn.example.com"]},
}
"""The part of a spec that asks for this gateway."""


JOINING: Object = {"provider": "Gateway", "gateway": {"join": {"route": "shop", "rule": "predict"}}}
"""The part of a spec that asks for a rule of the user's own route."""
SHOP: Object = {
    "apiVersion": GATEWAY_API,
    "kind": "HTTPRoute",
    "metadata": {
        "name": "shop",
        "namespace": "default",
        "labels": {"adopt.viridian.dev/model-deployment": "churn", "team": "shop"},
    },
    "spec": {
        "parentRefs": [{"name": "public", "namespace": "infra"}],
        "hostnames": ["shop.example.com"],
        "rules": [
            {"name": "cart", "backendRefs": [{"name": "cart", "port": 80}]},
            {
                "name": "predict",
                "matches": [{"path": {"type": "PathPrefix", "value": "/predict"}}],
                "timeouts": {"request": "5s"},
                "backendRefs": [{"name": "old-model", "port": 80}],
            },
        ],
    },
}
"""The route of a user who agrees."""


class MemoryGateway:
    """The Gateway `public` of the namespace `infra`."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.frozen = False
        self.route, self.rule = "churn", 0
        """Which rule of which route users come by: the one at this place."""
        self.split: dict[str, int] = {}
        """Name of a Service and its weight, as the proxies have them."""
        self.copies: dict[str, int] = {}
        """Name of a Service that gets copies, and of how many in a hundred requests."""
        self._cluster = cluster
        cluster.create_namespace("infra")
        cluster.create(
            {
                "apiVersion": GATEWAY_API,
                "kind": "Gateway",
                "metadata": {"name": "public", "namespace": "infra"},
                "spec": {"gatewayClassName": "memory"},
            }
        )
        self.say("Gateway", "public", {"conditions": [_condition("Programmed", 1)]}, "infra")

    def step(self) -> None:
        """Take over what has changed."""
        route = self._cluster.find("HTTPRoute", self.route)
        if route is None:
            self.split, self.copies = {}, {}
            return
        if self.frozen:
            return
        rules = route["spec"].get("rules") or [{}]
        rule = rules[min(self.rule, len(rules) - 1)]
        refs = rule.get("backendRefs", [])
        resolved = all(self._cluster.find("Service", ref["name"]) for ref in refs)
        self.split = {ref["name"]: ref.get("weight", 1) for ref in refs}
        mirrors = [one["requestMirror"] for one in rule.get("filters", [])]
        self.copies = {one["backendRef"]["name"]: one["percent"] for one in mirrors}
        generation = route["metadata"]["generation"]
        conditions = [_condition("Accepted", generation), _condition("ResolvedRefs", generation, status=resolved)]
        answers = [
            {"parentRef": parent, "controllerName": "example.com/memory", "conditions": conditions}
            for parent in route["spec"]["parentRefs"]
        ]
        self.say("HTTPRoute", self.route, {"parents": answers})

    def say(self, kind: str, name: str, status: Object, namespace: str = "default") -> None:
        found = self._cluster.find(kind, name, namespace)
        if found is not None and found.get("status") != status:
            self._cluster.edit(
                kind, name, lambda one: one.update(status=status), namespace=namespace, manager="memory-gateway"
            )


class RoutedPods(MemoryPods):
    """Users come through the gateway."""

    gateway: MemoryGateway

    def pass_time(self, seconds: float) -> None:
        whole = sum(self.gateway.split.values())
        for name, weight in self.gateway.split.items():
            service = self._cluster.find("Service", name)
            pods = self._cluster.ready_pods(service["spec"]["selector"]) if service is not None else ()
            share = self.rate * seconds * weight / whole if whole else 0.0
            if not pods:
                self.lost += share
            for pod in pods:
                self._answer(pod, share / len(pods))
        for name, percent in self.gateway.copies.items():
            self._answer_copies(name, self.rate * seconds * percent / 100)

    def _answer_copies(self, name: str, share: float) -> None:
        """Nobody waits for these answers: copies for which there is no pod are not missed."""
        service = self._cluster.find("Service", name)
        pods = self._cluster.ready_pods(service["spec"]["selector"]) if service is not None else ()
        for pod in pods:
            self._count(pod, share / len(pods))


class RoutedWorld(OperatorWorld):
    """The world of an operator that is installed with the Gateway API, and a gateway in it."""

    def __init__(self, settings: OperatorSettings | None = None) -> None:
        super().__init__(settings=settings or replace(SETTINGS, gateway_api=True))
        self.gateway = MemoryGateway(self.cluster)
        self.cluster.more_controllers.append(self.gateway.step)
        self.pods = RoutedPods(self.cluster)
        self.pods.gateway = self.gateway
        self.restart()
        self.restarts = 0


class JoiningWorld(RoutedWorld):
    """Its users come by a rule of their own route, which led to another program before."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("cart", "old-model"):
            ports = [{"port": 80}]
            service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}}
            self.cluster.create({**service, "spec": {"selector": {"app": name}, "ports": ports}})
        self.cluster.create(SHOP)
        self.gateway.route, self.gateway.rule = "shop", 1


def _condition(type_: str, generation: int, *, status: bool = True) -> Object:
    reason = "Accepted" if status else "BackendNotFound"
    return {"type": type_, "status": str(status), "reason": reason, "observedGeneration": generation}
