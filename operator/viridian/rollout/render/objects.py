"""The objects of a ModelDeployment, as whole intents: deterministic in name, owned, labelled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from viridian.api import durations
from viridian.api.names import (
    ADDRESSES_ANNOTATION,
    AUTOSCALED_ANNOTATION,
    MODEL_DEPLOYMENT_LABEL,
    OWNER_ANNOTATION,
    REVERTED_ANNOTATION,
    REVISION_LABEL,
    SERVER_CONTAINER,
    SLOT_LABEL,
    Slot,
    preview_service,
    revision_record,
    slot_deployment,
)
from viridian.api.samples import REVISION_VARIABLE, SLOT_VARIABLE
from viridian.core.ownership import Owner
from viridian.core.strategic_merge import merge
from viridian.rollout import addresses
from viridian.rollout.addresses import Addresses
from viridian.rollout.input import RolloutInput
from viridian.rollout.manifests import Manifest, metadata, service
from viridian.rollout.records import RevisionRecord, ServedModel
from viridian.rollout.render import model_address
from viridian.rollout.traffic.capacity import PodBounds
from viridian.rollout.traffic.record import Reverted, dump


def record(
    inputs: RolloutInput, revision: str, number: int, model: ServedModel, template: Mapping[str, Any]
) -> Manifest:
    """The ControllerRevision of a revision. Its data can never be changed, only its outcomes are added."""
    fields = {"uri": model.address, "name": model.name, "version": model.version, "digest": model.digest}
    fields |= {"run": model.run, "features": model.features}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": _record_metadata(inputs, revision),
        "revision": number,
        "data": {
            "model": {key: value for key, value in fields.items() if value},
            "template": model_address.concealed(template, model.uri),
            "addresses": inputs.settings.addresses.in_template(template).to_json(),
        },
    }


def adopted_record(inputs: RolloutInput, known: RevisionRecord) -> Manifest:
    """A record as it stands, with this ModelDeployment as its owner."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": _record_metadata(inputs, known.revision),
        "revision": known.number,
        "data": known.manifest["data"],
    }


def _record_metadata(inputs: RolloutInput, revision: str) -> Manifest:
    """Its owner twice: a reference can be taken off, by backup tools for instance, and the memory must stay."""
    own = metadata(inputs, revision_record(inputs.name, revision), **{REVISION_LABEL: revision})
    return {**own, "annotations": {OWNER_ANNOTATION: inputs.uid}}


def deployment(
    inputs: RolloutInput,
    slot: Slot,
    revision: str,
    template: Mapping[str, Any],
    replicas: int,
    reverted: Reverted | None = None,
    *,
    autoscaled: bool = False,
) -> Manifest:
    """A slot's Deployment. Its selector is ours alone and never changes, whatever labels the user adds.

    `reverted`: why it is emptied to take the traffic from it, written together with that. `autoscaled`: whether an
    autoscaler of the operator's has to be looked for.
    """
    notes = {
        **({REVERTED_ANNOTATION: dump(reverted)} if reverted else {}),
        **({AUTOSCALED_ANNOTATION: "true"} if autoscaled else {}),
    }
    annotations = {"annotations": notes} if notes else {}
    selector = {MODEL_DEPLOYMENT_LABEL: inputs.name, SLOT_LABEL: str(slot)}
    deadline = durations.parse(inputs.spec.rollout.progress_deadline) if inputs.spec else durations.parse("15m")
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(
            inputs,
            slot_deployment(inputs.name, slot),
            **{SLOT_LABEL: str(slot), REVISION_LABEL: revision},
        )
        | annotations,
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": max(1, int(deadline.total_seconds())),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "100%"}},
            "selector": {"matchLabels": selector},
            "template": merge(
                template,
                {
                    "metadata": {"labels": {**selector, REVISION_LABEL: revision}},
                    "spec": {"containers": [{"name": SERVER_CONTAINER, "env": _identity(slot, revision)}]},
                },
            ),
        },
    }


def readdressed(deployment: Manifest, recorded: Addresses, now: Addresses) -> Manifest:
    """A slot's Deployment whose pods have other addresses than the recorded ones, and a note of that."""
    annotations = {**deployment["metadata"].get("annotations", {}), ADDRESSES_ANNOTATION: json.dumps(now.to_json())}
    noted = {**deployment["metadata"], "annotations": annotations}
    template = addresses.readdressed(deployment["spec"]["template"], recorded, now)
    return {**deployment, "metadata": noted, "spec": {**deployment["spec"], "template": template}}


def _identity(slot: Slot, revision: str) -> list[dict[str, str]]:
    return [{"name": SLOT_VARIABLE, "value": str(slot)}, {"name": REVISION_VARIABLE, "value": revision}]


def budget(inputs: RolloutInput, slot: Slot) -> Manifest:
    """At most one ready pod of a slot may be evicted at a time; one that is not ready serves nobody and may go."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(inputs, slot_deployment(inputs.name, slot), **{SLOT_LABEL: str(slot)}),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {MODEL_DEPLOYMENT_LABEL: inputs.name, SLOT_LABEL: str(slot)}},
        },
    }


def autoscaler(inputs: RolloutInput, slot: Slot, bounds: PodBounds, cpu_utilization: int) -> Manifest:
    """Of a slot's Deployment. What sidecars use of CPUs does not count, and they need not request any."""
    target = {"type": "Utilization", "averageUtilization": cpu_utilization}
    name = slot_deployment(inputs.name, slot)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(inputs, name, **{SLOT_LABEL: str(slot)}),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": bounds.least,
            "maxReplicas": bounds.most,
            "metrics": [
                {
                    "type": "ContainerResource",
                    "containerResource": {"name": "cpu", "container": SERVER_CONTAINER, "target": target},
                }
            ],
        },
    }


def preview(owner: Owner, port: int, slot: Slot) -> Manifest:
    """The Service for looking at the slot that is not the champion's: a challenger, or the fallback."""
    selector = {MODEL_DEPLOYMENT_LABEL: owner.name, SLOT_LABEL: str(slot)}
    return service(owner, preview_service(owner.name), port, selector)
