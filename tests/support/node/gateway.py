"""A Gateway of Envoy Gateway on a real node, and a ModelDeployment whose traffic it splits."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from demo.kubectl import Kubectl
from demo.port_forward import port_forwarded
from localcluster import envoy_gateway
from tests.support.kube import Kube, Object, condition, eventually
from tests.support.node.deployment import LOOK, Deployed
from tests.support.node.users import OutcomeInput

GATEWAY_API = "gateway.networking.k8s.io/v1"
HOSTNAME = "churn.example.com"
SETTLES_SECONDS = 1.5
"""Before and after a change of the status, within which answers may be of either split."""


@dataclass(frozen=True)
class Gateway:
    """The Gateway `public` of a namespace."""

    kube: Kube
    namespace: str

    @classmethod
    def open(cls, kube: Kube, namespace: str) -> Gateway:
        """It is programmed when this returns."""
        listener = {"name": "http", "protocol": "HTTP", "port": 80}
        gateway = cls(kube, namespace)
        kube.create({**gateway.identity, "spec": {"gatewayClassName": envoy_gateway.CLASS, "listeners": [listener]}})
        eventually(gateway.is_programmed, what="the Gateway to be programmed", timeout=120, every=0.5)
        return gateway

    @property
    def identity(self) -> Object:
        return {
            "apiVersion": GATEWAY_API,
            "kind": "Gateway",
            "metadata": {"name": "public", "namespace": self.namespace},
        }

    def is_programmed(self) -> bool:
        return condition(self.kube.read(self.identity), "Programmed").get("status") == "True"

    @property
    def address(self) -> str:
        """Where pods reach it."""
        return str(self.kube.read(self.identity)["status"]["addresses"][0]["value"])

    def route(self, name: str) -> Object:
        found = self.kube.get(GATEWAY_API, "HTTPRoute", name, self.namespace)
        assert found is not None, f"no HTTPRoute {name}"
        return found

    def weights(self, name: str) -> dict[str, int]:
        """The slots of a model, and their weights for users."""
        refs = self.route(name)["spec"]["rules"][0]["backendRefs"]
        return {ref["name"].removeprefix(f"{name}-"): ref["weight"] for ref in refs}

    @contextmanager
    def forwarded(self, kubectl: Kubectl) -> Iterator[str]:
        """Its address on this computer; `localhost` must be among the hostnames of the route."""
        label = f"gateway.envoyproxy.io/owning-gateway-namespace={self.namespace}"
        (service,) = self.kube.list("v1", "Service", kubectl.namespace, label)
        with port_forwarded(kubectl, service["metadata"]["name"], 80, path="/v2/health/live") as url:
            yield url


@dataclass(frozen=True)
class Routed(Deployed):
    """A ModelDeployment behind the Gateway `public` of its namespace."""

    gateway: Object = field(default_factory=dict)
    """Fields of `spec.traffic.gateway`."""

    def apply(self, **parts: Any) -> None:
        route = {"parentRefs": [{"name": "public"}], "hostnames": [HOSTNAME, "localhost"], **self.gateway}
        super().apply(**{"traffic": {"provider": "Gateway", "gateway": route}, **parts})

    def shares_until(self, version: str) -> list[tuple[float, int]]:
        """What the status says of the version's share, and when, until it is the champion and all is at rest."""
        samples: list[tuple[float, int]] = []

        def promoted(status: Object) -> bool:
            is_champion = (status.get("champion") or {}).get("version") == version
            challenger = status.get("challenger") or {}
            weight = challenger.get("weight", 0) if challenger.get("version") == version else 0
            samples.append((time.time(), 100 if is_champion else weight))
            return is_champion and self.is_at_rest(status)

        self.until(promoted, f"version {version} as the champion, at rest", timeout=240)
        samples.append((time.time(), 100))
        return samples


@dataclass(frozen=True)
class OwnRoute:
    """An HTTPRoute of a user, with a rule that a model may join and one that is nobody else's."""

    gateway: Gateway
    hostname: str
    name: str = "own"

    def apply(self, backend: str) -> None:
        """Both rules lead to this Service."""
        backends = [{"name": backend, "port": 8080}]
        rules = [
            {"name": "predict", "matches": [_path("/invocations")], "backendRefs": backends},
            {"name": "about", "matches": [_path("/v2")], "backendRefs": backends},
        ]
        spec = {"parentRefs": [{"name": "public"}], "hostnames": [self.hostname], "rules": rules}
        self.gateway.kube.apply({**self.identity, "spec": spec})

    def agree(self, model: str) -> None:
        """What its owner writes so that a model may join it."""
        labels = {"adopt.viridian.dev/model-deployment": model}
        self.gateway.kube.merge(self.identity, {"metadata": {"labels": labels}})

    @property
    def identity(self) -> Object:
        metadata = {"name": self.name, "namespace": self.gateway.namespace}
        return {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": metadata}

    @property
    def joined(self) -> Object:
        """`spec.traffic` of the model that joins."""
        return {"provider": "Gateway", "gateway": {"join": {"route": self.name, "rule": "predict"}}}

    def rule(self, name: str) -> Object:
        return next(rule for rule in self.gateway.route(self.name)["spec"]["rules"] if rule.get("name") == name)


def _path(prefix: str) -> Object:
    return {"path": {"type": "PathPrefix", "value": prefix}}


def lines_with(told: OutcomeInput, samples: list[tuple[float, int]], weight: int) -> OutcomeInput:
    """The lines that tell of a time in which every sample had this weight, some time before and after as well."""

    def is_steady(line: Object) -> bool:
        near = [
            share for at, share in samples if line["at"] - 0.5 - SETTLES_SECONDS <= at <= line["at"] + SETTLES_SECONDS
        ]
        return len(near) > SETTLES_SECONDS / LOOK / 4 and set(near) == {weight}

    return OutcomeInput([line for line in told.lines if is_steady(line)])


def assert_share(answers: OutcomeInput, revision: str, weight: int, deviations: float) -> None:
    """As many standard deviations of as many independent requests are the bound."""
    wanted, found = weight / 100, answers.answers
    total, got = found.total(), found[revision]
    allowed = deviations * math.sqrt(total * wanted * (1 - wanted))
    assert abs(got - total * wanted) <= allowed, f"{got} of {total} for {weight} % (±{allowed:.0f})"


def each(lines: OutcomeInput) -> Iterable[OutcomeInput]:
    return (OutcomeInput([line]) for line in lines.lines)
