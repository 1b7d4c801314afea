"""The split by an HTTPRoute of the Gateway API: exact weights, whatever the numbers of pods.

The route has the name of the ModelDeployment and sends requests to two Services, one for each slot; its write moves the
traffic. The live Service stays for callers inside the cluster: it leads to the champion, and has a copy of the record.

A gateway takes a route over some time after the write, or not at all: it says so in the route's status. Until then it
may still send requests by the split before (`unsettled`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from viridian.api import durations
from viridian.api.modeldeployment import Step
from viridian.api.names import (
    MODEL_DEPLOYMENT_LABEL,
    ROUTE_ANNOTATION,
    SLOT_LABEL,
    TRAFFIC_ANNOTATION,
    Slot,
    slot_deployment,
)
from viridian.api.traffic_spec import GatewayRoute
from viridian.core.conditions import conditions_in
from viridian.core.ownership import Owner
from viridian.core.plan import Target
from viridian.rollout.manifests import Manifest, metadata, service
from viridian.rollout.traffic import record
from viridian.rollout.traffic.capacity import PodSplit, pods_for_share
from viridian.rollout.traffic.provider import LiveObjects, Unsettled
from viridian.rollout.traffic.record import Traffic
from viridian.rollout.traffic.service import SERVICE, record_of
from viridian.rollout.traffic.sticky import Sticky, reads_cookies

HTTP_ROUTE: Final = "HTTPRoute"
GATEWAY: Final = "Gateway"
GATEWAY_GROUP: Final = "gateway.networking.k8s.io"
_DECISIVE_CONDITIONS: Final = ("Accepted", "ResolvedRefs")


@dataclass(frozen=True)
class GatewayTraffic:
    """The route of one ModelDeployment."""

    frame: Mapping[str, Any]
    """The route's spec without where its requests go. The first rule is for users, and one after it for testers.

    A gateway prefers the rule that asks for more headers, whatever the order. Envoy Gateway names what a rule leads to
    by the place of the rule: if the rule of users moves, requests fail until all of it has been taken over.
    """
    sticky: Sticky | None = None
    """By what users stay with a version; None where each request is split anew."""

    follows_ready_pods = False
    keeps_connections = False
    confirms = True
    copies_requests = True

    def target(self, name: str) -> Target:
        return HTTP_ROUTE, name

    def read(self, name: str, live: LiveObjects) -> Traffic | None:
        """The route's record; before there is a route, that of the live Service."""
        return record_of(live.get(self.target(name))) or SERVICE.read(name, live)

    def receiving(self, name: str, live: LiveObjects) -> frozenset[Slot]:
        weights = {ref.get("name"): ref.get("weight", 1) for ref in _backends(live.get(self.target(name)))}
        return frozenset(slot for slot in Slot if weights.get(slot_deployment(name, slot)))

    def port(self, name: str, live: LiveObjects) -> int | None:
        ports = (ref.get("port") for ref in _backends(live.get(self.target(name))))
        return next((int(port) for port in ports if port), None)

    def objects(self, owner: Owner, port: int, traffic: Traffic) -> Sequence[Manifest]:
        live = service(owner, owner.name, port, {MODEL_DEPLOYMENT_LABEL: owner.name, SLOT_LABEL: str(traffic.champion)})
        text = record.dump(traffic)
        live["metadata"]["annotations"] = {TRAFFIC_ANNOTATION: text, ROUTE_ANNOTATION: owner.name}
        route = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": metadata(owner, owner.name) | {"annotations": {TRAFFIC_ANNOTATION: text}},
            "spec": {**self.frame, "rules": self._rules(owner.name, port, traffic)},
        }
        return route, *(slot_service(owner, port, slot) for slot in Slot), live

    def _rules(self, name: str, port: int, traffic: Traffic) -> list[Manifest]:
        of_users, *of_testers = self.frame["rules"]
        backend = partial(_backend, name, port)
        rules = self.sticky.rules(of_users, traffic, backend) if self.sticky is not None else []
        if not rules:
            references = [{**one, "filters": []} for one in split_backends(name, port, traffic)]
            rules = [{**of_users, "filters": _copies(name, port, traffic), "backendRefs": references}]
        if traffic.trial is not None:
            challenger = [backend(traffic.champion.other, 1)]
            rules[1:1] = [{**rule, "backendRefs": challenger} for rule in of_testers]
        return rules

    def replicas(self, weight: int, replicas: int, max_surge: int) -> PodSplit:  # noqa: ARG002 - weights need no surge
        """The champion keeps all of its pods, and the challenger has as large a share of them as of the requests."""
        return pods_for_share(weight, replicas)

    def weight(self, traffic: Traffic, ready: Mapping[Slot, int]) -> int:  # noqa: ARG002 - weights are exact
        return traffic.trial.weight if traffic.trial is not None else 0

    def unsettled(self, name: str, live: LiveObjects) -> Unsettled | None:
        route = live.get(self.target(name))
        if route is None:
            return Unsettled(f"the HTTPRoute {name} is not there yet", serves=False)
        return route_unsettled(route, live)


def route_unsettled(route: Mapping[str, Any], live: LiveObjects) -> Unsettled | None:
    """What the Gateways of a route have still to do about it; None where all have taken it over."""
    found = [_of_parent(route, parent, live) for parent in route["spec"].get("parentRefs") or ()]
    missing = [one for one in found if one is not None]
    if not missing:
        return None
    return Unsettled("; ".join(one.message for one in missing), serves=any(one is None or one.serves for one in found))


def frame_of(gateway: GatewayRoute) -> Mapping[str, Any]:
    """The route's spec as the user asks for it. Empty lists say that what others add there is not wanted."""
    path = {"path": {"type": "PathPrefix", "value": gateway.path_prefix or "/"}}
    rule: dict[str, Any] = {"filters": []}
    if gateway.timeout is not None:
        rule["timeouts"] = {"request": f"{int(durations.parse(gateway.timeout).total_seconds())}s"}
    rules = [{**rule, "matches": [{**path, "headers": []}]}]
    if (testers := gateway.testers) is not None:
        header = {"type": "Exact", "name": testers.header, "value": testers.value}
        rules.append({**rule, "matches": [{**path, "headers": [header]}]})
    parents = [
        {
            "group": GATEWAY_GROUP,
            "kind": GATEWAY,
            "name": parent.name,
            **({"namespace": parent.namespace} if parent.namespace else {}),
            **({"sectionName": parent.section_name} if parent.section_name else {}),
        }
        for parent in gateway.parent_refs or ()
    ]
    return {"parentRefs": parents, "hostnames": list(gateway.hostnames or ()), "rules": rules}


def frame_in(route: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec of a route that is there, for a ModelDeployment whose spec does not ask for one any more."""
    spec = route.get("spec") or {}
    rules = [rule for rule in spec.get("rules") or () if not reads_cookies(rule)]
    return {**spec, "rules": rules or [{}]}


def sticky_of(gateway: GatewayRoute, steps: Sequence[Step]) -> Sticky | None:
    """By what users stay with a version, as the spec asks for it."""
    if gateway.sticky is None:
        return None
    return Sticky(gateway.sticky.cookie, tuple(step.share for step in steps if step.share is not None))


def parents_of(frame: Mapping[str, Any], namespace: str) -> Sequence[tuple[str, str]]:
    """Namespace and name of the Gateways that a route names, each once."""
    named = [_normal(parent, namespace) for parent in frame.get("parentRefs") or ()]
    return tuple(dict.fromkeys((parent[2], parent[3]) for parent in named if parent[:2] == (GATEWAY_GROUP, GATEWAY)))


def gateway_target(namespace: str, name: str) -> Target:
    """Under which key a Gateway, which may be in another namespace, stands among the objects of a provider."""
    return GATEWAY, f"{namespace}/{name}"


def slot_service(owner: Owner, port: int, slot: Slot) -> Manifest:
    """The Service of a slot, to which routes send requests; it never changes."""
    selector = {MODEL_DEPLOYMENT_LABEL: owner.name, SLOT_LABEL: str(slot)}
    return service(owner, slot_deployment(owner.name, slot), port, selector)


def split_backends(name: str, port: int, traffic: Traffic) -> list[Manifest]:
    """The backends of a rule by which users are split, with the defaults of the API server written out."""
    weights = {traffic.champion: 100 - traffic.share, traffic.champion.other: traffic.share}
    return [_slot_backend(name, port, slot, weights[slot]) for slot in Slot]


def _slot_backend(name: str, port: int, slot: Slot, weight: int) -> Manifest:
    reference = {"group": "", "kind": "Service", "name": slot_deployment(name, slot), "port": port}
    return {**reference, "weight": weight}


def _backend(name: str, port: int, slot: Slot, weight: int) -> Manifest:
    """With an empty list of filters: what others add there is not wanted."""
    return {**_slot_backend(name, port, slot, weight), "filters": []}


def _copies(name: str, port: int, traffic: Traffic) -> list[Manifest]:
    """The filter that sends copies of the users' requests to the slot beside, and throws its answers away."""
    if not traffic.copies:
        return []
    reference = {"group": "", "kind": "Service", "name": slot_deployment(name, traffic.champion.other), "port": port}
    return [{"type": "RequestMirror", "requestMirror": {"backendRef": reference, "percent": traffic.copies}}]


def _backends(route: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Where the route sends the requests of users."""
    rules = ((route or {}).get("spec") or {}).get("rules") or [{}]
    return (ref for ref in rules[0].get("backendRefs") or () if isinstance(ref, Mapping))


def _of_parent(route: Mapping[str, Any], parent: Mapping[str, Any], live: LiveObjects) -> Unsettled | None:
    """What one Gateway has still to do about the route; None where it has taken it over."""
    own = route["metadata"]["namespace"]
    wanted = _normal(parent, own)
    shown, gateway = "/".join(wanted[2:4]), live.get(gateway_target(*wanted[2:4]))
    programmed = _condition(gateway or {}, "Programmed")
    if gateway is not None and programmed.get("status") != "True":
        return Unsettled(f"the Gateway {shown} is not programmed{_why(programmed)}", serves=False)
    answers = [one for one in _parents(route) if _normal(one.get("parentRef") or {}, own) == wanted]
    missing = [_unanswered(route, shown, answer) for answer in answers]
    if not missing:
        return Unsettled(f"no controller has answered for the Gateway {shown}", serves=False)
    return None if None in missing else missing[0]


def _unanswered(route: Mapping[str, Any], gateway: str, answer: Mapping[str, Any]) -> Unsettled | None:
    """What the conditions of one answer lack. Those of an earlier generation say that an earlier split is served."""
    generation = int(route["metadata"].get("generation", 0))
    served = _condition(answer, "Accepted").get("status") == "True"
    for type_ in _DECISIVE_CONDITIONS:
        condition = _condition(answer, type_)
        if int(condition.get("observedGeneration", 0)) < generation:
            return Unsettled(f"the Gateway {gateway} has not taken over the newest split", serves=served)
        if condition.get("status") != "True":
            return Unsettled(f"the Gateway {gateway} says that {type_} is not True{_why(condition)}", serves=False)
    return None


def _parents(route: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [one for one in (route.get("status") or {}).get("parents") or () if isinstance(one, Mapping)]


def _condition(subject: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """A condition of an object, or of an answer about one; empty where there is none."""
    found = conditions_in((subject.get("status") or subject).get("conditions"))
    return next((condition for condition in found if condition.get("type") == type_), {})


def _why(condition: Mapping[str, Any]) -> str:
    reason, message = condition.get("reason", ""), condition.get("message", "")
    return f" ({reason}: {message})" if reason else ""


def _normal(parent: Mapping[str, Any], namespace: str) -> tuple[str, str, str, str, str]:
    """Group, kind, namespace, name and listener, with the defaults of the Gateway API."""
    return (
        str(parent.get("group", GATEWAY_GROUP)),
        str(parent.get("kind", GATEWAY)),
        str(parent.get("namespace") or namespace),
        str(parent.get("name", "")),
        str(parent.get("sectionName") or ""),
    )
