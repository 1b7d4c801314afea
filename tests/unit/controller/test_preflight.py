"""The operator says in one sentence what is missing, before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from tests.support.memory_cluster import MemoryCluster
from tests.support.virtual_time import run_virtually
from viridian.controller import preflight
from viridian.ports.cluster import Cluster, ClusterRefused, ClusterUnavailable, Object


class Listing:
    """Answers lists as it is told."""

    def __init__(self, refuse: Mapping[str, Exception] | None = None, unavailable: int = 0) -> None:
        self.refuse = refuse or {}
        self.unavailable = unavailable
        self.asked: list[tuple[str, str | None]] = []

    async def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Mapping[str, str] | None = None
    ) -> Sequence[Object]:
        assert labels, "objects must not be fetched for this"
        self.asked.append((kind, namespace))
        if self.unavailable:
            self.unavailable -= 1
            raise ClusterUnavailable("429 storage is (re)initializing")
        if kind in self.refuse:
            raise self.refuse[kind]
        return []


def check(listing: Listing, *namespaces: str) -> None:
    run_virtually(preflight.check(cast(Cluster, listing), namespaces))


def test_everything_that_is_watched_is_tried_in_every_namespace() -> None:
    listing = Listing()
    check(listing, "ml", "ads")
    assert {kind for kind, _ in listing.asked} == {
        "ModelDeployment",
        "RetrainPolicy",
        "Deployment",
        "ControllerRevision",
        "Service",
        "Pod",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "Job",
        "PersistentVolumeClaim",
    }
    assert {namespace for _, namespace in listing.asked} == {"ml", "ads"}


def test_missing_crds_are_named_with_what_to_do() -> None:
    refusal = ClusterRefused("ModelDeployment: the API server does not know this kind; are Viridian's CRDs installed?")
    with pytest.raises(
        preflight.PreflightFailed, match=r"ModelDeployment.*install the CRDs first.*kubectl apply -k manifests/"
    ):
        check(Listing({"ModelDeployment": refusal}))


def test_missing_rights_are_named_with_the_resource_and_the_namespace() -> None:
    refusal = ClusterRefused("Job: jobs.batch is forbidden")
    with pytest.raises(preflight.PreflightFailed, match="may not list jobs in the namespace ml: install its RBAC"):
        check(Listing({"Job": refusal}), "ml")
    with pytest.raises(preflight.PreflightFailed, match="may not list jobs in all namespaces"):
        check(Listing({"Job": refusal}))


def test_an_api_server_that_is_starting_is_waited_for() -> None:
    check(Listing(unavailable=20))


def test_but_not_for_ever() -> None:
    with pytest.raises(preflight.PreflightFailed, match="does not answer"):
        check(Listing(unavailable=1000))


def test_a_cluster_with_everything_is_fit() -> None:
    run_virtually(preflight.check(MemoryCluster(), ()))
