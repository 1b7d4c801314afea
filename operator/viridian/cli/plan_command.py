"""`plan`: what the operator would do about edited objects, by the code that decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import typer

from viridian.cli.cluster_client import (
    MODEL_DEPLOYMENTS,
    RETRAIN_POLICIES,
    ClusterChoice,
    ClusterClient,
    NotThere,
)
from viridian.cli.files import Manifests, UnusableFile, name_of, read_manifests
from viridian.cli.history_arguments import Objects
from viridian.cli.live_model import new_model, read_live, with_routes
from viridian.cli.live_policy import read_live_policy
from viridian.cli.model_commands import As, ContextName, Kubeconfig, Namespace, problems_as_sentences
from viridian.cli.model_plan import model_plan
from viridian.cli.policy_plan import policy_plan


def plan_edits(
    filename: Objects,
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """What the operator would do next about the objects in the files, in the cluster as it is."""
    manifests = read_manifests(filename)
    if not manifests.deployments and not manifests.policies:
        raise UnusableFile("the files have neither a ModelDeployment nor a RetrainPolicy")
    with problems_as_sentences():
        client = ClusterClient(ClusterChoice(kubeconfig, context, namespace, impersonate))
        for sentence in _planned(client, manifests, datetime.now(UTC)):
            typer.echo(sentence)


def _planned(client: ClusterClient, manifests: Manifests, now: datetime) -> Iterator[str]:
    models = {(_place(client, one), name_of(one)): one for one in manifests.deployments}
    for (place, name), manifest in models.items():
        stored = _stored(client, MODEL_DEPLOYMENTS, place, name)
        live = read_live(client, stored) if stored is not None else new_model(manifest, place)
        spec = manifest.get("spec") or {}
        yield from model_plan(with_routes(client, live, spec), spec, now)
    for manifest in manifests.policies:
        place = _place(client, manifest)
        stored = _stored(client, RETRAIN_POLICIES, place, name_of(manifest))
        named = str((manifest.get("spec") or {}).get("modelDeployment") or "")
        yield from policy_plan(
            read_live_policy(client, stored) if stored is not None else None,
            {**manifest, "metadata": {**(manifest.get("metadata") or {}), "namespace": place}},
            _once_applied(_stored(client, MODEL_DEPLOYMENTS, place, named), models.get((place, named))),
            now,
        )


def _once_applied(stored: Mapping[str, Any] | None, edited: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The ModelDeployment that a policy will find: as the files have it, else as it is in the cluster."""
    if edited is None:
        return stored
    return {**(stored or edited), "spec": edited.get("spec") or {}}


def _stored(client: ClusterClient, plural: str, namespace: str, name: str) -> Mapping[str, Any] | None:
    """The object in the cluster, None where there is none; without a name the API server would list all."""
    try:
        return client.get(plural, namespace, name) if name else None
    except NotThere:
        return None


def _place(client: ClusterClient, manifest: Mapping[str, Any]) -> str:
    return str((manifest.get("metadata") or {}).get("namespace") or client.namespace)
