"""The split by a rule of a user's own HTTPRoute: only where that rule leads is the operator's.

The live Service carries the record and is decisive: what a tool of the user does to the route cannot change it. The
route follows in the same pass (`rollout/joining.py`). Until it has the split, and the Gateways have taken that over,
the split is unsettled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from viridian.api.names import MODEL_DEPLOYMENT_LABEL, ROUTE_ANNOTATION, SLOT_LABEL, TRAFFIC_ANNOTATION, Slot
from viridian.core.ownership import Owner
from viridian.core.plan import Target
from viridian.rollout.manifests import Manifest, service
from viridian.rollout.traffic import record
from viridian.rollout.traffic.capacity import PodSplit, pods_for_share
from viridian.rollout.traffic.gateway import route_unsettled, slot_service, split_backends
from viridian.rollout.traffic.joined_rule import JOINED, JoinedRule, backends_of, problem_of, weights_of
from viridian.rollout.traffic.provider import LiveObjects, Unsettled
from viridian.rollout.traffic.record import Traffic
from viridian.rollout.traffic.service import SERVICE


@dataclass(frozen=True)
class JoinedTraffic:
    """The rule that one ModelDeployment has joined, or is to join."""

    rule: JoinedRule

    follows_ready_pods = False
    keeps_connections = False
    confirms = True
    copies_requests = False

    def target(self, name: str) -> Target:
        return SERVICE.target(name)

    def read(self, name: str, live: LiveObjects) -> Traffic | None:
        return SERVICE.read(name, live)

    def receiving(self, name: str, live: LiveObjects) -> frozenset[Slot]:
        """By the rule; before it is joined, by the live Service."""
        weights = weights_of(name, self.backends(live))
        return frozenset(slot for slot, weight in weights.items() if weight) or SERVICE.receiving(name, live)

    def port(self, name: str, live: LiveObjects) -> int | None:
        return SERVICE.port(name, live)

    def objects(self, owner: Owner, port: int, traffic: Traffic) -> Sequence[Manifest]:
        live = service(owner, owner.name, port, {MODEL_DEPLOYMENT_LABEL: owner.name, SLOT_LABEL: str(traffic.champion)})
        live["metadata"]["annotations"] = {
            TRAFFIC_ANNOTATION: record.dump(traffic),
            ROUTE_ANNOTATION: self.rule.route,
        }
        return live, *(slot_service(owner, port, slot) for slot in Slot)

    def replicas(self, weight: int, replicas: int, max_surge: int) -> PodSplit:  # noqa: ARG002 - weights need no surge
        return pods_for_share(weight, replicas)

    def weight(self, traffic: Traffic, ready: Mapping[Slot, int]) -> int:  # noqa: ARG002 - weights are exact
        return traffic.trial.weight if traffic.trial is not None else 0

    def unsettled(self, name: str, live: LiveObjects) -> Unsettled | None:
        route, traffic, port = self.route(live), self.read(name, live), self.port(name, live)
        problem = problem_of(name, route, self.rule)
        if problem is not None or route is None:
            return Unsettled(problem[1] if problem is not None else "", serves=False)
        weights = weights_of(name, self.backends(live))
        if traffic is None or list(self.backends(live)) != split_backends(name, port or 0, traffic):
            serves = traffic is not None and weights.get(traffic.champion, 0) > 0
            return Unsettled(f"{self.rule.shown} does not lead to the newest split yet", serves=serves)
        return route_unsettled(route, live)

    def route(self, live: LiveObjects) -> Mapping[str, Any] | None:
        """The route of the user, where it is there."""
        return live.get((JOINED, self.rule.route))

    def backends(self, live: LiveObjects) -> Sequence[Mapping[str, Any]]:
        """Where the rule leads."""
        return backends_of(self.route(live) or {}, self.rule.rule)
