"""Observe a ModelDeployment: read its world through the ports into one frozen snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from viridian.api import durations
from viridian.api.input_schema import InputSchema
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import MODEL_DEPLOYMENT_LABEL, Slot, network_policy, preview_service
from viridian.controller.analysis_answers import AnalysisAnswers
from viridian.controller.arrivals import Arrivals
from viridian.controller.kept_readings import Reading
from viridian.controller.keys import Key
from viridian.controller.listed_children import NOT_ASKED
from viridian.controller.model_children import ModelChildren, children_of_model
from viridian.controller.reconcilable import Observed
from viridian.controller.resolve import Resolver
from viridian.controller.samples import Samples
from viridian.controller.user_routes import UserRoutes
from viridian.core.obstacles import NO_OBSTACLES, Obstacles
from viridian.core.plan import Plan
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
from viridian.rollout.slot_state import SlotState, parse_predecessor
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
        children = await children_of_model(self.cluster, key, manifest["metadata"], alone)
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
        children = await children_of_model(self.cluster, key, manifest["metadata"], alone)
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
        self, key: Key, alone: RolloutInput, children: ModelChildren
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

    async def _gateway_objects(
        self, children: ModelChildren, alone: RolloutInput, users: Sequence[Object]
    ) -> LiveObjects:
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


async def _gateway(cluster: ClusterReader, namespace: str, name: str) -> Object | None:
    """A Gateway, which may be in another namespace; None where it is not there, or may not be read."""
    try:
        return await cluster.get(ObjectRef("gateway.networking.k8s.io/v1", GATEWAY, namespace, name))
    except ClusterRefused:
        return None  # what the route says of it has to do


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
