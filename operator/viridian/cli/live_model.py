"""A ModelDeployment with what belongs to it, as a person can read it, and what the operator would decide about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.child_kinds import child_kind
from viridian.api.model_source import ModelSource
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import (
    JOINED_LABEL,
    JOINED_LABEL_VALUE,
    MODEL_DEPLOYMENT_LABEL,
    ROUTE_ANNOTATION,
    SLOT_LABEL,
    Slot,
    preview_service,
    slot_deployment,
)
from viridian.api.traffic_spec import ProviderKind
from viridian.cli.cluster_client import ClusterClient
from viridian.cli.files import UnusableFile, name_of
from viridian.core.conditions import conditions_in, reason_of
from viridian.core.lookup import annotations_of, dig, text
from viridian.core.plan import Plan
from viridian.core.times import parse_time
from viridian.rollout.decide import decide
from viridian.rollout.input import OperatorSettings, RolloutInput, Unresolved, parse_records
from viridian.rollout.records import RevisionRecord, ServedModel
from viridian.rollout.slot_state import parse_slot
from viridian.rollout.state import RolloutState, read
from viridian.rollout.traffic.gateway import HTTP_ROUTE
from viridian.rollout.traffic.joined_rule import mark_of, route_name

_READ: Final = ("Deployment", "Service", "ControllerRevision", "Pod")
"""What decides about a rollout, and what everybody with the role `view` may read."""
_UNKNOWN_IMAGE: Final = "image-of-the-operator"
"""The image of model servers is no part of a revision, so its real name changes no decision."""


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A ModelDeployment and its objects. Figures of pods are not among them."""

    manifest: Mapping[str, Any]
    children: Sequence[Mapping[str, Any]] = ()
    user_routes: Sequence[Mapping[str, Any]] = ()
    """The route of which the spec names a rule, and those that are marked for a model of this name."""

    def with_spec(self, spec: Mapping[str, Any]) -> LiveModel:
        """The same world after an edit."""
        metadata = self.manifest["metadata"]
        edited = {**metadata, "generation": metadata.get("generation", 0) + 1}
        return replace(self, manifest={**self.manifest, "metadata": edited, "spec": spec})


@dataclass(frozen=True, slots=True)
class Decided:
    """What the operator's own code says about the world as it is."""

    state: RolloutState
    plan: Plan


def new_model(manifest: Mapping[str, Any], namespace: str) -> LiveModel:
    """A ModelDeployment that the cluster does not have yet."""
    metadata = {"name": name_of(manifest), "namespace": namespace, "uid": "", "generation": 0}
    return LiveModel({"metadata": metadata, "spec": manifest.get("spec") or {}})


def read_live(client: ClusterClient, manifest: Mapping[str, Any]) -> LiveModel:
    """The objects of a ModelDeployment that is in the cluster."""
    metadata = manifest["metadata"]
    selector = f"{MODEL_DEPLOYMENT_LABEL}={metadata['name']}"
    found = (client.listed(child_kind(kind).resource, metadata["namespace"], selector) for kind in _READ)
    return LiveModel(manifest, [child for children in found for child in children if _belongs(child, metadata["uid"])])


def with_routes(client: ClusterClient, live: LiveModel, spec: Mapping[str, Any]) -> LiveModel:
    """The model with the routes that split its traffic now, or that its edited spec names.

    They are read only where there may be some: not all people who may read models may read routes.
    """
    metadata = live.manifest["metadata"]
    service = _LiveChildren(live.children).named("Service", metadata["name"])
    if ROUTE_ANNOTATION not in annotations_of(service) and not any(
        map(_asks_a_gateway, (live.manifest, {"spec": spec}))
    ):
        return live
    routes, place = child_kind(HTTP_ROUTE).resource, metadata["namespace"]
    own = client.listed(routes, place, f"{MODEL_DEPLOYMENT_LABEL}={metadata['name']}")
    marked = client.listed(routes, place, f"{JOINED_LABEL}={JOINED_LABEL_VALUE}")
    joins = text(spec, "traffic", "gateway", "join", "route")
    named = client.named(routes, place, joins) if joins else None
    users = {route_name(one): one for one in marked if (mark := mark_of(one)) and mark.owner == metadata["name"]}
    users |= {joins: named} if named is not None else {}
    mine = [route for route in own if _belongs(route, metadata["uid"])]
    return replace(live, children=[*live.children, *mine], user_routes=tuple(users.values()))


def decided(live: LiveModel, now: datetime) -> Decided:
    """The decision of now, by the chain of checks that the operator runs; pods are not asked for their figures."""
    metadata = live.manifest["metadata"]
    try:
        spec = msgspec.convert(live.manifest.get("spec") or {}, ModelDeploymentSpec)
    except msgspec.ValidationError as error:
        raise UnusableFile(
            f"ModelDeployment {metadata['name']}: spec: {error} (see `kubectl viridian lint`)"
        ) from error
    inputs = _input(live, spec)
    return Decided(read(inputs, spec, now), decide(inputs, now))


def _input(live: LiveModel, spec: ModelDeploymentSpec) -> RolloutInput:
    metadata, children = live.manifest["metadata"], _LiveChildren(live.children)
    name, records = metadata["name"], parse_records(children.of("ControllerRevision"))
    routed = [(HTTP_ROUTE, name), *(("Service", slot_deployment(name, slot)) for slot in Slot)]
    return RolloutInput(
        name=name,
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        spec=spec,
        settings=_settings(records.values(), gateway_api=_has_the_gateway_api(live)),
        annotations=metadata.get("annotations") or {},
        status=live.manifest.get("status") or {},
        slots={
            slot: parse_slot(deployment, children.pods(slot))
            for slot in Slot
            if (deployment := children.named("Deployment", slot_deployment(name, slot))) is not None
        },
        live=children.named("Service", name),
        gateway_objects={target: one for target in routed if (one := children.named(*target)) is not None},
        user_routes=tuple(live.user_routes),
        preview=children.named("Service", preview_service(name)),
        records=records,
        model=_resolved(spec.model, live.manifest, records.values()),
    )


def _asks_a_gateway(manifest: Mapping[str, Any]) -> bool:
    return text(manifest, "spec", "traffic", "provider") == ProviderKind.GATEWAY


def _has_the_gateway_api(live: LiveModel) -> bool:
    """Whether the operator is installed with it: it is taken for one where it matters, unless it reports otherwise."""
    if reason_of(conditions_in(dig(live.manifest, "status", "conditions")), reasons.STALLED) == reasons.GATEWAY_API_OFF:
        return False
    routes = [*live.user_routes, *_LiveChildren(live.children).of(HTTP_ROUTE)]
    return bool(routes) or _asks_a_gateway(live.manifest)


def _settings(records: Iterable[RevisionRecord], *, gateway_api: bool) -> OperatorSettings:
    """Those of the operator that made the newest record, as far as they show."""
    newest = max(records, key=lambda record: record.number, default=None)
    known = newest.addresses if newest is not None else None
    settings = OperatorSettings(server_image=_UNKNOWN_IMAGE, gateway_api=gateway_api)
    if known is None:
        return settings
    return replace(
        settings,
        mlflow_uri=known.mlflow or None,
        collector_url=known.collector or None,
        orders_key=known.orders or None,
    )


def _resolved(
    source: ModelSource, manifest: Mapping[str, Any], records: Iterable[RevisionRecord]
) -> ServedModel | Unresolved:
    """The version that the spec asks for: of an alias, the one that the operator found last."""
    if source.registry is None:
        return ServedModel(uri=source.uri or "", digest=source.digest)
    name, version = source.registry.name, source.registry.version or _last_found(manifest)
    if version is None:
        message = f"where the alias {source.registry.alias} of the registered model {name} points is not known yet"
        return Unresolved(reasons.ALIAS_NOT_FOUND, message, lasting=False)
    known = (record.model for record in records if (record.model.name, record.model.version) == (name, version))
    return next(known, ServedModel(uri=f"models:/{name}/{version}", name=name, version=version))


def _last_found(manifest: Mapping[str, Any]) -> str | None:
    """The version of the revision that was deployed or rejected last."""
    status = manifest.get("status") or {}
    challenger, champion = status.get("challenger") or {}, status.get("champion") or {}
    if challenger.get("version"):
        return str(challenger["version"])
    rejected: Mapping[str, Any] = next(iter(status.get("rejected") or ()), {})
    lost, since = parse_time(rejected.get("at")), parse_time(champion.get("since"))
    if rejected.get("version") and lost is not None and (since is None or lost >= since):
        return str(rejected["version"])
    return str(champion["version"]) if champion.get("version") else None


@dataclass(frozen=True, slots=True)
class _LiveChildren:
    objects: Sequence[Mapping[str, Any]]

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [child for child in self.objects if child["kind"] == kind]

    def named(self, kind: str, name: str) -> Mapping[str, Any] | None:
        return next((child for child in self.of(kind) if child["metadata"]["name"] == name), None)

    def pods(self, slot: Slot) -> list[Mapping[str, Any]]:
        return [pod for pod in self.of("Pod") if (pod["metadata"].get("labels") or {}).get(SLOT_LABEL) == slot]


def _belongs(child: Mapping[str, Any], uid: str) -> bool:
    """Pods belong to ReplicaSets, so their label has to do."""
    owners = child["metadata"].get("ownerReferences") or ()
    return child["kind"] == "Pod" or any(owner.get("uid") == uid for owner in owners)
