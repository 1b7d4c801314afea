"""Observe a ModelDeployment: read its world through the ports into one frozen snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from viridian.api import durations
from viridian.api.child_kinds import ChildKind, child_kind, child_kinds
from viridian.api.input_schema import InputSchema
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import (
    ADOPT_LABEL,
    AUTOSCALED_ANNOTATION,
    MODEL_DEPLOYMENT_LABEL,
    ROUTE_ANNOTATION,
    SLOT_LABEL,
    Slot,
    network_policy,
    preview_service,
    slot_deployment,
)
from viridian.controller.analysis_answers import AnalysisAnswers
from viridian.controller.arrivals import Arrivals
from viridian.controller.kept_readings import Reading
from viridian.controller.keys import Key
from viridian.controller.listed_children import NOT_ASKED
from viridian.controller.ownership import check_not_left_behind, owned
from viridian.controller.reconcilable import Observed
from viridian.controller.resolve import Resolver
from viridian.controller.samples import Samples
from viridian.controller.user_routes import UserRoutes
from viridian.core.lookup import annotations_of
from viridian.core.obstacles import NO_OBSTACLES, Obstacles
from viridian.core.ownership import believed, is_left_behind
from viridian.core.plan import Plan
from viridian.core.times import parse_time
from viridian.ports.cluster import ClusterReader, ClusterRefused, Object, ObjectRef
from viridian.ports.pods import Pods
from viridian.rollout.analysis.pods import bad_answers
from viridian.rollout.analysis.selection import is_about_to_be_met, queries, questions
from viridian.rollout.data_holds import held_versions
from viridian.rollout.decide import decide
from viridian.rollout.fail_closed import give_back
from viridian.rollout.feature_skew import slots_with_pinned_features
from viridian.rollout.input import (
    OperatorSettings,
    RolloutInput,
    judged_targets,
    parse_records,
    slots_before_a_trial,
)
from viridian.rollout.slot_state import SlotState, parse_predecessor, parse_slot
from viridian.rollout.traffic.gateway import GATEWAY, HTTP_ROUTE, frame_of, gateway_target, parents_of
from viridian.rollout.traffic.joined_rule import route_name
from viridian.rollout.traffic.predecessor_record import PREDECESSOR_SLOT, predecessor_revision
from viridian.rollout.traffic.provider import LiveObjects
from viridian.rollout.traffic.service import record_of

_ASKED_FOR_SCHEMAS: Final = 3
"""Pods of a slot: all of them serve the same model."""
_ASKED_FOR_FEATURES: Final = 20
"""Pods of a slot: each may have been started with another definition."""


@dataclass(frozen=True, slots=True)
class ModelDeployments:
    """How the loop treats a ModelDeployment."""

    cluster: ClusterReader
    resolver: Resolver
    pods: Pods
    samples: Samples
    answers: AnalysisAnswers
    settings: OperatorSettings
    clock: Callable[[], datetime]
    routes: UserRoutes
    policies_of: Callable[[Key], Iterable[Key]] = lambda _: ()
    """The RetrainPolicies that are about a ModelDeployment."""
    arrivals: Arrivals | None = None
    """What judges models between their passes; None where pods are read at intervals alone."""
    asks: bool = True
    """Whether metric sources are asked; what is known by now is read in any case."""

    async def observe(self, key: Key, manifest: Object) -> Observed[RolloutInput]:
        """The object as it was just read, and everything that belongs to it."""
        alone = _alone(key, manifest, self.settings)
        children = await _children(self.cluster, key, manifest["metadata"], alone)
        records = parse_records(children.of("ControllerRevision"))
        slots, before = await self._with_predecessor(key, alone, children)
        live = children.named("Service", key.name)
        routed = children.gateway_objects(key.name)
        users = await self._user_routes(key, replace(alone, live=live, gateway_objects=routed))
        snapshot = replace(
            alone,
            slots=slots,
            predecessor=before,
            live=live,
            gateway_objects=await self._gateway_objects(children, alone, users),
            user_routes=users,
            preview=children.named("Service", preview_service(key.name)),
            budgets=children.by_name("PodDisruptionBudget"),
            autoscalers=children.by_name("HorizontalPodAutoscaler"),
            network_policy=children.named("NetworkPolicy", network_policy(key.name)),
            records=records,
            forgotten=children.forgotten,
            model=self.resolver.resolve(alone.spec, key.namespace, records.values()),
            taken=children.taken - {(HTTP_ROUTE, route_name(route)) for route in users},
            leaving=children.leaving,
        )
        readings, held, schemas, features = await asyncio.gather(
            self._readings(key, snapshot),
            self._held_versions(key, snapshot),
            self._input_schemas(snapshot),
            self._served_features(snapshot),
        )
        now = self.clock()
        answers = self.answers.known(key, questions(snapshot, now), ask=self.asks)
        known = replace(
            snapshot,
            readings=readings,
            answers=answers,
            held_versions=held,
            input_schemas=schemas,
            served_features=features,
        )
        observed = Observed(known, now)
        if self.arrivals is not None:
            self.arrivals.observed(key, observed.input, observed.now)
        return observed

    def decide(self, observed: Observed[RolloutInput], obstacles: Obstacles = NO_OBSTACLES) -> Plan:
        return decide(replace(observed.input, obstacles=obstacles), observed.now)

    async def fail_closed(self, key: Key, manifest: Object, why: str) -> Plan | None:
        alone = _alone(key, manifest, self.settings)
        children = await _children(self.cluster, key, manifest["metadata"], alone)
        live, routed = children.named("Service", key.name), children.gateway_objects(key.name)
        slots, _ = await self._with_predecessor(key, alone, children)
        users = await self._user_routes(key, replace(alone, live=live, gateway_objects=routed))
        shown = replace(alone, slots=slots, live=live, gateway_objects=routed, user_routes=users)
        return give_back(shown, self.clock(), why)

    def by_lists(self, lists: ClusterReader) -> ModelDeployments:
        resolver = replace(self.resolver, may_note=False)
        return replace(
            self,
            cluster=lists,
            routes=UserRoutes(NOT_ASKED),
            resolver=resolver,
            pods=NOT_ASKED,
            samples=Samples(NOT_ASKED),
            arrivals=None,
            asks=False,
        )

    async def forget(self, key: Key) -> None:
        if self.settings.gateway_api:
            await self.routes.give_back(key)
        self.samples.forget(key)
        self.answers.forget(key)
        if self.arrivals is not None:
            self.arrivals.forget(key)

    def stand_by(self) -> None:
        """Judge nothing between the passes any more."""
        if self.arrivals is not None:
            self.arrivals.close()

    async def _with_predecessor(
        self, key: Key, alone: RolloutInput, children: _Children
    ) -> tuple[Mapping[Slot, SlotState], SlotState | None]:
        """The slots, with the Deployment that served before in the one that it takes in the record; and it alone."""
        slots, traffic = children.slots(key), record_of(children.named("Service", key.name))
        named = alone.spec.predecessor if alone.spec is not None and traffic is None else None
        plays = traffic is not None and (traffic.serves_predecessor or traffic.predecessor_is_fallback)
        recorded = traffic.predecessor if traffic is not None and plays else None
        name = recorded.deployment if recorded is not None else named.deployment if named is not None else ""
        if not name or (recorded is not None and PREDECESSOR_SLOT in slots):
            return slots, None
        found = await self.cluster.get(ObjectRef("apps/v1", "Deployment", key.namespace, name))
        if found is None or MODEL_DEPLOYMENT_LABEL in (found["metadata"].get("labels") or {}):
            return slots, None
        labels = found["spec"]["selector"].get("matchLabels") or {}
        pods = await self.cluster.list("v1", "Pod", key.namespace, labels) if labels else ()
        before = parse_predecessor(found, pods, predecessor_revision(name))
        return ({**slots, PREDECESSOR_SLOT: before} if recorded is not None else slots), before

    async def _user_routes(self, key: Key, alone: RolloutInput) -> tuple[Object, ...]:
        """Those that concern this object. A look by lists asks for them only where there may be some."""
        looks_by_lists = self.routes.cluster is NOT_ASKED
        if not alone.settings.gateway_api or (looks_by_lists and not (alone.wanted_join or alone.joins_a_route)):
            return ()
        return tuple(await self.routes.of(key, alone.wanted_join))

    async def _gateway_objects(self, children: _Children, alone: RolloutInput, users: Sequence[Object]) -> LiveObjects:
        """The route, the Services of the slots, and the Gateways of all routes, as far as they may be read."""
        wanted = alone.wanted_gateway if alone.settings.gateway_api else None
        frames = [*([frame_of(wanted)] if wanted is not None else []), *(route.get("spec") or {} for route in users)]
        names = list(dict.fromkeys(name for frame in frames for name in parents_of(frame, alone.namespace)))
        read = await asyncio.gather(*(_gateway(self.cluster, *name) for name in names))
        gateways = {gateway_target(*name): one for name, one in zip(names, read, strict=True) if one is not None}
        return {**children.gateway_objects(alone.name), **gateways}

    async def _held_versions(self, key: Key, snapshot: RolloutInput) -> Mapping[str, str]:
        """Read only while a rollout is under way: one object for each policy that makes versions of this model."""
        traffic = snapshot.traffic
        under_way = (traffic is not None and traffic.trial is not None) or "challenger" in snapshot.status
        policies = [self.cluster.get(policy.reference) for policy in self.policies_of(key)] if under_way else []
        return held_versions([found for found in await asyncio.gather(*policies) if found is not None])

    async def _input_schemas(self, snapshot: RolloutInput) -> Mapping[Slot, InputSchema]:
        """What the models of both slots take, by what the first pods of each say that show it."""
        slots = slots_before_a_trial(snapshot)
        pods = {slot: judged_targets(snapshot, slot)[:_ASKED_FOR_SCHEMAS] for slot in slots}
        shown = await self.pods.input_schemas([pod for each in pods.values() for pod in each]) if slots else {}
        found = {slot: [shown[pod.uid] for pod in each if pod.uid in shown] for slot, each in pods.items()}
        return {slot: schemas[0] for slot, schemas in found.items() if schemas}

    async def _served_features(self, snapshot: RolloutInput) -> Mapping[Slot, frozenset[str]]:
        """What servers show that run a version with a pinned definition. A look by lists asks none of them."""
        slots = slots_with_pinned_features(snapshot) if self.pods is not NOT_ASKED else ()
        pods = {slot: judged_targets(snapshot, slot)[:_ASKED_FOR_FEATURES] for slot in slots}
        asked = [pod for each in pods.values() for pod in each]
        shown = await self.pods.served_features(asked) if asked else {}
        return {slot: frozenset(shown[pod.uid] for pod in each if pod.uid in shown) for slot, each in pods.items()}

    async def _readings(self, key: Key, snapshot: RolloutInput) -> Mapping[str, Sequence[Reading]]:
        if snapshot.spec is None:
            return {}
        now = self.clock()
        analysis = snapshot.spec.rollout.analysis
        interval = durations.parse(analysis.interval)
        looks = max((metric.consecutive for metric in analysis.metrics), default=1)
        span = durations.parse(analysis.window) + looks * interval + timedelta(seconds=1)
        targets, shared = queries(snapshot, now), timedelta() if is_about_to_be_met(snapshot) else interval
        bad = bad_answers(analysis.metrics)
        return await self.samples.read(key, targets, now=now, interval=shared, span=span, bad=bad)


@dataclass(frozen=True, slots=True)
class _Children:
    """The objects that carry the ModelDeployment's label and are its own, and its pods."""

    objects: tuple[Object, ...]
    pods: tuple[Object, ...]
    taken: frozenset[tuple[str, str]] = frozenset()
    """Kind and name of what carries the label, or has the name of a child, and is somebody else's."""
    leaving: frozenset[tuple[str, str]] = frozenset()
    """Kind and name of what an earlier object of the same name left, and the garbage collector will take."""
    forgotten: Mapping[str, str] = field(default_factory=dict)
    """Name to uid of orphaned records that are not believed."""

    def of(self, kind: str) -> list[Object]:
        return [child for child in self.objects if child["kind"] == kind]

    def by_name(self, kind: str) -> Mapping[str, Object]:
        return {child["metadata"]["name"]: child for child in self.of(kind)}

    def named(self, kind: str, name: str) -> Object | None:
        return next((child for child in self.of(kind) if child["metadata"]["name"] == name), None)

    def gateway_objects(self, name: str) -> LiveObjects:
        """The route and the Services of the slots."""
        names = [(HTTP_ROUTE, name), *(("Service", slot_deployment(name, slot)) for slot in Slot)]
        found = {target: self.named(*target) for target in names}
        return {target: one for target, one in found.items() if one is not None}

    def slots(self, key: Key) -> Mapping[Slot, SlotState]:
        deployments = {slot: self.named("Deployment", slot_deployment(key.name, slot)) for slot in Slot}
        return {
            slot: parse_slot(deployment, [pod for pod in self.pods if _slot_label(pod) == slot])
            for slot, deployment in deployments.items()
            if deployment is not None
        }


async def _children(cluster: ClusterReader, key: Key, metadata: Object, alone: RolloutInput) -> _Children:
    uid, enabled = metadata["uid"], alone.settings.gateway_api
    children, records, pods = await asyncio.gather(
        _named_children(cluster, key, [row for row in child_kinds(gateway_api=enabled) if row is not _AUTOSCALER]),
        _listed(cluster, key, _RECORD),
        _listed(cluster, key, "Pod"),
    )
    if enabled and (alone.asked_gateway is not None or any(_is_routed(child) for child in children)):
        children += await _slot_services(cluster, key)
    if _is_autoscaled(alone, children):
        children += await _named_children(cluster, key, [_AUTOSCALER])
    listed = [*children, *records]
    mine = [child for child in listed if owned(child, key, uid)]
    records = believed(
        [child for child in mine if _is_record(child)],
        uid,
        parse_time(metadata.get("creationTimestamp")),
        [child for child in mine if _serves(child, key)],
    )
    adoptable = [child for child in listed if _is_to_be_adopted(child, key, alone)]
    strangers = [child for child in listed if not owned(child, key, uid) and child not in adoptable]
    for stranger in strangers:
        if _serves(stranger, key):
            check_not_left_behind(stranger, key, uid)
    left = [child for child in strangers if is_left_behind(child, uid, key.kind, key.name)]
    return _Children(
        objects=(*(child for child in mine if not _is_record(child)), *adoptable, *records),
        pods=tuple(pods),
        taken=_targets(child for child in strangers if child not in left),
        leaving=_targets(left),
        forgotten={
            child["metadata"]["name"]: child["metadata"]["uid"]
            for child in mine
            if _is_record(child) and child not in records
        },
    )


def _is_routed(child: Object) -> bool:
    return child["kind"] == HTTP_ROUTE or ROUTE_ANNOTATION in annotations_of(child)


def _is_to_be_adopted(child: Object, key: Key, alone: RolloutInput) -> bool:
    """The Service of a predecessor that the spec names, where it belongs to nobody and its owner agrees."""
    named = alone.spec is not None and alone.spec.predecessor is not None
    metadata = child["metadata"]
    is_it = child["kind"] == "Service" and metadata["name"] == key.name
    agreed = (metadata.get("labels") or {}).get(ADOPT_LABEL) == key.name
    return named and is_it and agreed and not metadata.get("ownerReferences")


def _targets(children: Iterable[Object]) -> frozenset[tuple[str, str]]:
    return frozenset((child["kind"], child["metadata"]["name"]) for child in children)


_RECORD: Final = "ControllerRevision"
_AUTOSCALER: Final = child_kind("HorizontalPodAutoscaler")


def _is_autoscaled(alone: RolloutInput, children: Iterable[Object]) -> bool:
    """Whether there are autoscalers, or ought to be: others do not pay for reading them."""
    asked = alone.spec is not None and alone.spec.server.autoscaling is not None
    return asked or any(AUTOSCALED_ANNOTATION in annotations_of(child) for child in children)


def _is_record(child: Object) -> bool:
    return bool(child["kind"] == _RECORD)


async def _slot_services(cluster: ClusterReader, key: Key) -> list[Object]:
    """Those that a route sends requests to; without a route there are none."""
    names = (slot_deployment(key.name, slot) for slot in Slot)
    found = await asyncio.gather(*(cluster.get(ObjectRef("v1", "Service", key.namespace, name)) for name in names))
    return [service for service in found if service is not None]


async def _gateway(cluster: ClusterReader, namespace: str, name: str) -> Object | None:
    """A Gateway, which may be in another namespace; None where it is not there, or may not be read."""
    try:
        return await cluster.get(ObjectRef("gateway.networking.k8s.io/v1", GATEWAY, namespace, name))
    except ClusterRefused:
        return None  # what the route says of it has to do


async def _named_children(cluster: ClusterReader, key: Key, rows: Sequence[ChildKind]) -> list[Object]:
    """The objects that have the names of children, whatever their labels and owners."""
    found = await asyncio.gather(
        *(
            cluster.get(ObjectRef(row.resource.api_version, row.resource.kind, key.namespace, name))
            for row in rows
            for name in row.names_for(key.kind, key.name)
        )
    )
    return [child for child in found if child is not None]


async def _listed(cluster: ClusterReader, key: Key, kind: str) -> Sequence[Object]:
    """The objects of a kind that carry the label of the ModelDeployment."""
    return await cluster.list(
        child_kind(kind).resource.api_version, kind, key.namespace, {MODEL_DEPLOYMENT_LABEL: key.name}
    )


def _serves(child: Object, key: Key) -> bool:
    """Whether it has the kind and the name of a child that users or the operator reach pods by."""
    row = child_kind(child["kind"])
    return row.serves and child["metadata"]["name"] in row.names_for(key.kind, key.name)


def _alone(key: Key, manifest: Object, settings: OperatorSettings) -> RolloutInput:
    """What the object says about itself."""
    metadata = manifest["metadata"]
    spec, invalid = parse_spec(manifest)
    return RolloutInput(
        name=key.name,
        namespace=key.namespace,
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        spec=spec,
        settings=settings,
        annotations=metadata.get("annotations") or {},
        status=manifest.get("status") or {},
        invalid=invalid,
    )


def parse_spec(manifest: Object) -> tuple[ModelDeploymentSpec | None, str]:
    """The spec, or why it cannot be read."""
    try:
        return msgspec.convert(manifest.get("spec") or {}, ModelDeploymentSpec), ""
    except msgspec.ValidationError as error:
        return None, f"the spec cannot be read: {error}"


def _slot_label(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(SLOT_LABEL, ""))
