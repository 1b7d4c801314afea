"""Everything that a pass over a ModelDeployment has read, frozen. What is not in here plays no part in a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from viridian.api import reasons
from viridian.api.input_schema import InputSchema
from viridian.api.modeldeployment import ModelDeploymentSpec, Step
from viridian.api.names import ADOPT_LABEL, ROUTE_ANNOTATION, Slot, slot_deployment
from viridian.api.resources import ApiResource
from viridian.api.samples import PodSample, PodTarget, ScrapeFailure
from viridian.api.traffic_spec import GatewayRoute, ProviderKind
from viridian.core.lookup import annotations_of
from viridian.core.model_owners import OwnerRule
from viridian.core.obstacles import Obstacles
from viridian.core.plan import Target
from viridian.core.pod_platform import OWN_USER, PodPlatform
from viridian.core.signature_keys import SignatureKeys, required_keys
from viridian.core.templates import NO_LIMITS, TemplateRules
from viridian.rollout import records
from viridian.rollout.addresses import Addresses
from viridian.rollout.answers import Answers
from viridian.rollout.records import RevisionRecord, ServedModel
from viridian.rollout.slot_state import SlotState, pod_target
from viridian.rollout.traffic.gateway import HTTP_ROUTE, GatewayTraffic, frame_in, frame_of, sticky_of
from viridian.rollout.traffic.joined import JoinedTraffic
from viridian.rollout.traffic.joined_rule import JOINED, JoinedRule, backends_of, mark_of, route_name
from viridian.rollout.traffic.provider import LiveObjects, TrafficProvider
from viridian.rollout.traffic.record import Traffic
from viridian.rollout.traffic.service import SERVICE

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NetworkAccess:
    """Who may reach the management port of model servers."""

    # The namespace that the operator runs in.
    operator_namespace: str
    # NetworkPolicyPeers of whatever collects metrics, Prometheus for instance.
    metrics_from: tuple[Object, ...] = ()


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """What the operator's own configuration adds."""

    server_image: str
    mlflow_uri: str | None = None
    # Where servers and the operator itself find the collector.
    collector_url: str | None = None
    # By which servers know the operator's orders; None where it has no key.
    orders_key: str | None = None
    # Names of Secrets, in the namespace of each pod, with which its images are pulled.
    image_pull_secrets: tuple[str, ...] = ()
    # Who may reach the management port of model servers; None: no NetworkPolicies are made.
    access: NetworkAccess | None = None
    # The image in which built-in stages of runs work.
    trainer_image: str = ""
    # Labels of spot nodes, and their taints.
    spot_nodes: tuple[str, ...] = ()
    # Kinds of objects that may do the work of stages, beside Jobs.
    stage_resources: tuple[ApiResource, ...] = ()
    # Which namespaces may have which registered models written to.
    registry_models: tuple[OwnerRule, ...] = ()
    # By whom versions must be signed in which namespaces.
    signature_keys: tuple[SignatureKeys, ...] = ()
    # What pod templates may say.
    templates: TemplateRules = NO_LIMITS
    # Whether it is installed with the Gateway API.
    gateway_api: bool = False
    # Whether it has a receiver of events, which start runs.
    receives_events: bool = True
    # What the platform gives each pod.
    platform: PodPlatform = OWN_USER

    def requires_signature(self, namespace: str) -> bool:
        """Whatever a spec says."""
        return bool(required_keys(self.signature_keys, namespace))

    @property
    def addresses(self) -> Addresses:
        """Those of new pods."""
        return Addresses(self.mlflow_uri or "", self.collector_url or "", self.orders_key or "")


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why the wanted model has no immutable version: a reason of `viridian.api.reasons` and a sentence.

    `lasting`: the registry did answer, and only a change by someone will make it answer differently.
    `watched`: the object is woken when the answer changes, so that there is nothing to look for.
    """

    reason: str
    message: str
    lasting: bool
    watched: bool = False


# It is being read at this moment. Nothing is published of that: a look follows when it has been, or has failed.
UNREAD: Final = Unresolved(reasons.REGISTRY_UNAVAILABLE, "the registry has not been read yet", lasting=False)


Readings = Mapping[str, Sequence[PodSample | ScrapeFailure]]


@dataclass(frozen=True, slots=True)
class RolloutInput:
    """A ModelDeployment and its world."""

    name: str
    namespace: str
    uid: str
    generation: int
    # None when the stored object does not fit the present schema; `invalid` says why.
    spec: ModelDeploymentSpec | None
    settings: OperatorSettings
    annotations: Mapping[str, str] = field(default_factory=dict)
    status: Object = field(default_factory=dict)
    invalid: str = ""
    slots: Mapping[Slot, SlotState] = field(default_factory=dict)
    # The Service that has the name of the ModelDeployment.
    live: Object | None = None
    # The Deployment that served before, where the spec or the record names it.
    predecessor: SlotState | None = None
    # The route, the Services of the slots, and the Gateways that the spec names.
    gateway_objects: LiveObjects = field(default_factory=dict)
    # Routes of the user: the one that the spec names, and those that bear the mark of this name.
    user_routes: tuple[Object, ...] = ()
    preview: Object | None = None
    budgets: Mapping[str, Object] = field(default_factory=dict)
    autoscalers: Mapping[str, Object] = field(default_factory=dict)
    network_policy: Object | None = None
    records: Mapping[str, RevisionRecord] = field(default_factory=dict)
    model: ServedModel | Unresolved = Unresolved("Unknown", "not looked up yet", lasting=False)
    # Readings by pod uid, oldest first, as far back as the analysis looks.
    readings: Readings = field(default_factory=dict)
    # What is known by now of what metric sources ask beside the pods.
    answers: Answers = field(default_factory=dict)
    # Kind and name of objects that are somebody else's: nothing is written to those.
    taken: frozenset[tuple[str, str]] = frozenset()
    # Kind and name of helpers that an earlier object of this name left: they are waited for, nothing else is.
    leaving: frozenset[tuple[str, str]] = frozenset()
    # Name to uid of records without an owner that tell of an earlier object of this name.
    forgotten: Mapping[str, str] = field(default_factory=dict)
    # What the models of both slots take, as their servers show it; read only before a trial begins.
    input_schemas: Mapping[Slot, InputSchema] = field(default_factory=dict)
    # Digests of the feature definitions that the servers of a slot show, of versions that have one pinned.
    served_features: Mapping[Slot, frozenset[str]] = field(default_factory=dict)
    # What keeps which object from being written.
    obstacles: Obstacles = field(default_factory=dict)
    # Versions whose rollout holds its weight, each with what it waits for; read only while a rollout is under way.
    held_versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def provider(self) -> TrafficProvider:
        """What splits the traffic of this ModelDeployment: its route where there is one, and else its live Service.

        So one of them alone decides at any time. A move from one to the other waits while a challenger is on trial.
        """
        route = self.gateway_objects.get((HTTP_ROUTE, self.name))
        gateway = self.wanted_gateway
        if route is None and (led := self._led_rule) is not None:
            return JoinedTraffic(led)
        if gateway is not None and self.settings.gateway_api and (route is not None or not self._is_bound):
            return GatewayTraffic(frame_of(gateway), sticky_of(gateway, self._steps))
        return GatewayTraffic(frame_in(route)) if route is not None else SERVICE

    @property
    def wanted_gateway(self) -> GatewayRoute | None:
        """The route that the spec asks the operator to make."""
        gateway = self.asked_gateway
        return gateway if gateway is not None and gateway.join is None else None

    @property
    def asked_gateway(self) -> GatewayRoute | None:
        """What the spec asks of Gateways: a route of the operator, or a rule of the user's own."""
        traffic = self.spec.traffic if self.spec is not None else None
        return traffic.gateway if traffic is not None and traffic.provider is ProviderKind.GATEWAY else None

    @property
    def wanted_join(self) -> JoinedRule | None:
        """The rule of the user's own route that the spec asks for."""
        traffic = self.spec.traffic if self.spec is not None and self.settings.gateway_api else None
        if traffic is None or traffic.gateway is None or traffic.gateway.join is None:
            return None
        return JoinedRule(traffic.gateway.join.route, traffic.gateway.join.rule or "")

    @property
    def _led_rule(self) -> JoinedRule | None:
        """The rule that splits the traffic, or is to. One that is joined stays so while a challenger is on trial."""
        wanted, marks = self.wanted_join, [(route, mark_of(route)) for route in self.user_routes]
        held = [JoinedRule(route_name(route), mark.rule) for route, mark in marks if mark and mark.uid == self.uid]
        if wanted is not None and (held or self.joins_a_route or not self._is_bound):
            return wanted
        return held[0] if held and wanted is None and self._is_bound else None

    @property
    def joins_a_route(self) -> bool:
        """Whether the live Service names a route, and that is not one of the operator."""
        own = (HTTP_ROUTE, self.name) in self.gateway_objects
        return not own and ROUTE_ANNOTATION in annotations_of(self.live)

    def user_route(self, rule: JoinedRule) -> Object | None:
        """The route of the user that has this rule, where it is there."""
        return next((route for route in self.user_routes if route_name(route) == rule.route), None)

    def joined_backends(self, rule: JoinedRule) -> Sequence[Object]:
        """Where the rule leads now."""
        return backends_of(self.user_route(rule) or {}, rule.rule)

    @property
    def has_slot_services(self) -> bool:
        """Whether there is something that a rule can lead to."""
        return all(("Service", slot_deployment(self.name, slot)) in self.gateway_objects for slot in Slot)

    @property
    def _steps(self) -> Sequence[Step]:
        return self.spec.rollout.steps if self.spec is not None else ()

    @property
    def unreadable_route(self) -> str:
        """The name of the route that splits the traffic and that the operator may not read; empty where there is none.

        It was installed with the Gateway API before, and is not any more.
        """
        annotations = (self.live or {}).get("metadata", {}).get("annotations") or {}
        return "" if self.settings.gateway_api else str(annotations.get(ROUTE_ANNOTATION, ""))

    @property
    def _is_bound(self) -> bool:
        """Whether the live Service has to go on splitting the traffic, by its record, before there is a route."""
        traffic = SERVICE.read(self.name, self.traffic_objects)
        return traffic is not None and (traffic.trial is not None or traffic.predecessor is not None)

    @property
    def traffic_objects(self) -> LiveObjects:
        """The objects of the providers that are there."""
        live = {SERVICE.target(self.name): self.live} if self.live is not None else {}
        users = {(JOINED, route_name(route)): route for route in self.user_routes}
        return {**self.gateway_objects, **users, **live}

    @property
    def traffic(self) -> Traffic | None:
        """What is recorded of the traffic."""
        return self.provider.read(self.name, self.traffic_objects)

    @property
    def decisive(self) -> Target:
        """Kind and name of the object whose write moves the traffic."""
        return self.provider.target(self.name)


GATEWAY_NEEDED: Final = (
    "The operator is installed without the Gateway API: install it with --gateway-api=on and the rights for that (the "
    "component gateway-api, or gatewayApi.enabled of the chart)"
)
"""What to do about a spec that asks for a Gateway, or a route that is there."""


def name_taken(inputs: RolloutInput, kind: str, name: str) -> str:
    """The sentence about a child that cannot be written, since somebody else's object has its name."""
    known = f"the {kind} {name} exists and does not belong to this ModelDeployment"
    if (kind, name) == SERVICE.target(inputs.name) and inputs.spec is not None and inputs.spec.predecessor is not None:
        return f"{known}; to have it taken over: kubectl label service {name} {ADOPT_LABEL}={inputs.name}"
    return f"{known}; delete it, or give the ModelDeployment {inputs.name} another name"


def parse_records(manifests: Sequence[Object]) -> dict[str, RevisionRecord]:
    """Revision to its record."""
    parsed = filter(None, map(records.parse, manifests))
    return {record.revision: record for record in parsed}


def targets(inputs: RolloutInput, slot: Slot) -> tuple[PodTarget, ...]:
    """The pods of a slot that can be talked to."""
    pods = inputs.slots[slot].pods if slot in inputs.slots else ()
    return tuple(pod_target(inputs.namespace, inputs.name, slot, pod) for pod in pods if pod.reachable)


def judged_targets(inputs: RolloutInput, slot: Slot) -> tuple[PodTarget, ...]:
    """Those of them that run what the slot holds now: pods of the revision before it may still be leaving."""
    return tuple(pod for pod in targets(inputs, slot) if pod.identity.revision == inputs.slots[slot].revision)


def slots_before_a_trial(inputs: RolloutInput) -> tuple[Slot, ...]:
    """Both slots where a challenger may be ready for its trial: what their models take has to be known then."""
    traffic = inputs.traffic
    if inputs.spec is None or traffic is None or traffic.trial is not None or traffic.serves_predecessor:
        return ()
    other = inputs.slots.get(traffic.champion.other)
    is_new = other is not None and other.settled and other.revision not in (traffic.former, traffic.revision)
    return tuple(Slot) if is_new and other is not None and other.replicas > 0 else ()
