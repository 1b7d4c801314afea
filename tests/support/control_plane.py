"""Fixtures: a real API server with the two kinds installed, started once per test run, and a namespace per test."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import pytest

from localcluster.binaries import program
from localcluster.controlplane import ControlPlane
from tests.support.audit_log import AuditLog
from tests.support.kube import Kube, Kubectl, Object, client, condition, eventually
from tests.support.manifests import model_deployment, retrain_policy
from viridian.api import crd
from viridian.api.names import API_VERSION

SMALLEST = (model_deployment, retrain_policy)
"""The smallest useful manifest of each kind."""
IPV6 = "VIRIDIAN_IPV6"
"""Where this variable is set, the control plane listens on ::1, and Services and pods have addresses of IPv6 alone."""
OLDEST = "VIRIDIAN_OLDEST_KUBERNETES"
"""Where this variable is set, tests run on the control plane of the oldest supported release."""
of_newest = pytest.mark.skipif(OLDEST in os.environ, reason="needs a newer release")


@pytest.fixture(scope="session")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """What the operator has written to the API server."""
    return AuditLog(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="session")
def control_plane(audit_log: AuditLog) -> Iterator[ControlPlane]:
    """etcd, API server, controller manager and scheduler; no node, so pods stay Pending."""
    with ControlPlane(audit_log.flags(), oldest=OLDEST in os.environ, ipv6=IPV6 in os.environ) as plane:
        yield plane


@pytest.fixture(scope="session")
def kube(control_plane: ControlPlane) -> Iterator[Kube]:
    """The administrator's client; both kinds are installed, served and known to the garbage collector."""
    with client(control_plane.kubeconfig) as kube:
        for kind in crd.KINDS:
            install(kube, kind)
        control_plane.restart_controller_manager()
        until_garbage_is_collected(kube)
        yield kube


@pytest.fixture
def namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of this test's own; deleted at the end without waiting for it."""
    name = f"test-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kube.create(manifest)
    yield name
    kube.delete(manifest)


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane, kube: Kube) -> Kubectl:
    """kubectl as the administrator; both kinds are installed and served."""
    return kubectl_of(control_plane)


def kubectl_of(plane: ControlPlane) -> Kubectl:
    return Kubectl(program("kubectl"), plane.kubeconfig, plane.kubeconfig.with_name("kubectl-cache"))


def install(kube: Kube, kind: crd.CustomKind) -> None:
    """Install a kind and wait until everyone can use it, which is later than when it is Established."""
    manifest = kube.apply(crd.render(kind))
    eventually(
        lambda: condition(kube.read(manifest), "Established").get("status") == "True",
        what=f"{kind.name} established",
    )
    eventually(lambda: kube.request("GET", f"/apis/{API_VERSION}/{kind.plural}"), what=f"first list of {kind.plural}")
    # `kubectl explain` and `kubectl diff` read the published schema.
    eventually(lambda: kind.name in str(kube.request("GET", f"/openapi/v3/apis/{API_VERSION}")), what="its schema")


def until_garbage_is_collected(kube: Kube) -> None:
    """Wait until what an object of each kind owns goes with it."""
    dependents = [_left_by_a_deleted_owner(kube, manifest("default", "garbage")) for manifest in SMALLEST]
    eventually(
        lambda: not any(kube.get("v1", "ConfigMap", name, "default") for name in dependents),
        what="the garbage collector's knowledge of both kinds",
        timeout=60.0,
    )


def until_records_are_known(kube: Kube, namespace: str) -> None:
    """Wait until the garbage collector knows the owners of all ControllerRevisions as they are now.

    It learns of them in the order of their changes. So it knows the earlier ones once it has deleted a later one, whose
    owner is gone.
    """
    metadata = {"name": "the-latest", "namespace": namespace}
    owner = kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": metadata["name"], "uid": owner["metadata"]["uid"]}
    record = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1, "data": {}}
    kube.create({**record, "metadata": {**metadata, "ownerReferences": [reference]}})
    kube.delete(owner)
    eventually(
        lambda: kube.get("apps/v1", "ControllerRevision", metadata["name"], namespace) is None,
        what="the garbage collector's knowledge of the records",
        timeout=60.0,
    )


def _left_by_a_deleted_owner(kube: Kube, owner: Object) -> str:
    """Name of a ConfigMap whose owner has just been deleted."""
    created = kube.create(owner)
    reference = {key: created[key] for key in ("apiVersion", "kind")}
    reference |= {key: created["metadata"][key] for key in ("name", "uid")}
    name = f"garbage-{created['kind'].lower()}"
    metadata = {"name": name, "namespace": "default", "ownerReferences": [reference]}
    kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    kube.delete(owner)
    return name
