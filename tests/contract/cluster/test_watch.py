"""The watches of children on a real API server: what they bring, and from where they go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from localcluster.controlplane import ControlPlane
from tests.contract.cluster import manifests
from tests.support.kube import Kube, Object
from viridian.api.child_kinds import CHILD_KINDS
from viridian.api.names import API_VERSION, MANAGED_BY, MANAGED_BY_LABEL, MODEL_DEPLOYMENT, RUN_LABEL
from viridian.controller.watched import child_streams
from viridian.ports.cluster import ClusterRefused
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes_watch import KubernetesWatch
from viridian.ports.watch import ObjectChange, Watched

KINDS = [row.resource.kind for row in CHILD_KINDS]


def pod(namespace: str) -> Object:
    container = {"name": "server", "image": "server:1"}
    metadata = {"name": "churn-blue-x", "namespace": namespace, "labels": {"viridian.dev/slot": "blue"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


MADE: dict[str, Callable[[str], Object]] = {
    "Deployment": manifests.deployment,
    "Service": manifests.service,
    "PodDisruptionBudget": manifests.budget,
    "HorizontalPodAutoscaler": manifests.autoscaler,
    "NetworkPolicy": manifests.network_policy,
    "ControllerRevision": manifests.record,
    "Job": manifests.job,
    "PersistentVolumeClaim": manifests.claim,
    "Pod": pod,
}


def child(kind: str, namespace: str, **labels: str) -> Object:
    """One with the labels that watches choose by."""
    made = MADE[kind](namespace)
    metadata = made["metadata"]
    labels = {**(metadata.get("labels") or {}), MANAGED_BY_LABEL: MANAGED_BY, **labels}
    return {**made, "metadata": {**metadata, "labels": labels}}


def owner(kube: Kube, namespace: str) -> Object:
    """The reference to an object that is there: what has no owner any more is soon deleted by the cluster."""
    source = {"uri": "https://models.example/churn.tar.gz", "digest": f"sha256:{'a' * 64}"}
    metadata = {"name": "churn", "namespace": namespace}
    kind = {"apiVersion": API_VERSION, "kind": MODEL_DEPLOYMENT}
    made = kube.create({**kind, "metadata": metadata, "spec": {"model": source}})
    return {**kind, "name": "churn", "uid": made["metadata"]["uid"]}


@pytest.fixture
async def watch(control_plane: ControlPlane) -> AsyncIterator[KubernetesWatch]:
    async with KubernetesWatch(ApiConnection.from_kubeconfig(control_plane.kubeconfig)) as watch:
        yield watch


def stream(name: str, namespace: str) -> Watched:
    return child_streams((namespace,))[f"{namespace}/{name}"]


def stream_of(kind: str, namespace: str) -> Watched:
    return next(one for one in child_streams((namespace,)).values() if one.resource.kind == kind)


@asynccontextmanager
async def standing(watch: KubernetesWatch, watched: Watched, since: str) -> AsyncIterator[Changes]:
    async with asyncio.timeout(60), watch.changes(watched, since) as changes:
        yield Changes(changes)


class Changes:
    """Of objects, one after the other."""

    def __init__(self, changes: AsyncIterator[ObjectChange]) -> None:
        self._changes = changes

    async def until(self, condition: Callable[[ObjectChange], bool]) -> ObjectChange:
        """The next for which it holds: controllers and the API server change objects as well."""
        async for change in self._changes:
            if change.manifest is not None and condition(change):
                return change
        raise AssertionError("the stream has ended")


def touched(change: ObjectChange) -> bool:
    return bool(change.manifest) and "touched" in metadata_of(change)["labels"]


def deleted(change: ObjectChange) -> bool:
    return change.deleted


def always(_: ObjectChange) -> bool:
    return True


def metadata_of(change: ObjectChange) -> Any:
    assert change.manifest is not None
    return change.manifest["metadata"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_made_changed_and_deleted_is_seen(
    watch: KubernetesWatch, kube: Kube, namespace: str, kind: str
) -> None:
    watched = stream_of(kind, namespace)
    made = child(kind, namespace)
    made["metadata"]["ownerReferences"] = [owner(kube, namespace)]
    async with standing(watch, watched, await watch.latest_version(watched)) as changes:
        kube.apply(made)
        first = await changes.until(always)
        assert first.manifest is not None
        assert (first.manifest["kind"], first.manifest["apiVersion"]) == (kind, made["apiVersion"])
        metadata = first.manifest["metadata"]
        assert (metadata["name"], metadata["namespace"]) == (made["metadata"]["name"], namespace)
        assert metadata["labels"].items() >= made["metadata"]["labels"].items()
        assert [(one["kind"], one["name"]) for one in metadata["ownerReferences"]] == [(MODEL_DEPLOYMENT, "churn")]
        assert ("spec" in first.manifest) == (watched.whole and "spec" in made)
        made["metadata"]["labels"]["touched"] = "yes"
        kube.apply(made)
        assert not (await changes.until(touched)).deleted
        kube.delete(made)
        assert metadata_of(await changes.until(deleted))["name"] == made["metadata"]["name"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_deleted_while_no_connection_stands_is_told_by_the_next(
    watch: KubernetesWatch, kube: Kube, namespace: str, kind: str
) -> None:
    watched = stream_of(kind, namespace)
    made = child(kind, namespace)
    async with standing(watch, watched, await watch.latest_version(watched)) as changes:
        kube.create(made)
        last = await changes.until(always)
    kube.delete(made)
    async with standing(watch, watched, last.version) as changes:
        assert metadata_of(await changes.until(deleted))["name"] == made["metadata"]["name"]


async def test_a_version_that_is_too_old_is_refused(
    control_plane: ControlPlane, watch: KubernetesWatch, namespace: str
) -> None:
    control_plane.restart_apiserver()  # it remembers no version from before its start
    watched = stream("services", namespace)
    with pytest.raises(ClusterRefused, match="too old resource version"):
        async with standing(watch, watched, "1") as changes:
            await changes.until(always)


async def test_what_is_there_before_the_latest_version_is_not_told(
    watch: KubernetesWatch, kube: Kube, namespace: str
) -> None:
    watched = stream("services", namespace)
    kube.create(child("Service", namespace))
    made = child("Service", namespace)
    made["metadata"]["name"] = "later"
    async with standing(watch, watched, await watch.latest_version(watched)) as changes:
        kube.create(made)
        assert metadata_of(await changes.until(always))["name"] == "later"


async def test_objects_of_others_are_not_told(watch: KubernetesWatch, kube: Kube, namespace: str) -> None:
    watched = stream("services", namespace)
    async with standing(watch, watched, await watch.latest_version(watched)) as changes:
        kube.create(manifests.service(namespace, name="of-others"))
        kube.create(child("Service", namespace))
        assert metadata_of(await changes.until(always))["name"] == "churn"


async def test_a_pod_of_a_run_is_whole_and_in_one_watch_only(
    watch: KubernetesWatch, kube: Kube, namespace: str
) -> None:
    """What it ended with is in the event of its deletion too, when nothing else has it any more."""
    runs, others = stream("pods of runs", namespace), stream("pods", namespace)
    since = await watch.latest_version(others)
    training, serving = child("Pod", namespace, **{RUN_LABEL: "1"}), child("Pod", namespace)
    training["metadata"]["name"] = "training"
    kube.create(training)
    kube.create(serving)
    # Not of its containers: where tests share a control plane, a scripted kubelet writes about those as well.
    kube.merge(training, {"status": {"message": "ended with 64"}}, subresource="status")
    kube.delete(training)
    async with standing(watch, others, since) as changes:
        first = await changes.until(always)
        assert first.manifest is not None
        assert (first.manifest["metadata"]["name"], "spec" in first.manifest) == ("churn-blue-x", False)
    async with standing(watch, runs, since) as changes:
        last = await changes.until(deleted)
        assert last.manifest is not None
        assert last.manifest["metadata"]["name"] == "training"
        assert last.manifest["status"]["message"] == "ended with 64"
        assert last.manifest["spec"]["containers"][0]["image"] == "server:1"
