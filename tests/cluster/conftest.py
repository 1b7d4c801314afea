"""One real node with the operator as users install it and a real MLflow server; a namespace for each module of tests.

Every namespace enforces the restricted Pod Security Standard, so all that these tests run, runs under it.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from demo import stage
from demo.kubectl import Kubectl
from demo.port_forward import port_forwarded
from localcluster import clusters
from tests.support.kube import Kube, Object, client, eventually
from tests.support.node.deployment import LOOK, Deployed
from tests.support.node.footprint import Footprint
from tests.support.node.registry import ClusterRegistry
from tests.support.node.users import Users
from viridian.api.feedback import COLLECTOR_PORT

OPERATOR = "viridian-operator"
SYSTEM = "viridian-system"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo begins with no cluster, so it comes before all that share one."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Kubectl]:
    """A cluster that has this checkout's images. What was not running before is gone afterwards, without a trace."""
    named = os.environ.get(clusters.KUBECONFIG_VARIABLE)
    chosen = clusters.choose(named)
    ran_before = named is not None or "running" in chosen.status().values()
    before = Footprint.now()
    kubectl = stage.ready_cluster(Path(named) if named else None, images_loaded=named is not None)
    stage.create_namespace(kubectl)
    yield kubectl
    if not ran_before:
        chosen.down()
        # The kernel takes the network of a pod down in the background, once the last process in it has ended.
        eventually(lambda: _nothing_is_left(before), what="the end of all that the node had", timeout=30)


def _nothing_is_left(before: Footprint) -> bool:
    left = Footprint.now().beyond(before)
    assert not left, left
    return True


@pytest.fixture(scope="session")
def kube(cluster: Kubectl) -> Iterator[Kube]:
    """The administrator's client."""
    with client(cluster.kubeconfig) as kube:
        yield kube


@pytest.fixture(scope="session")
def registry(cluster: Kubectl) -> Iterator[ClusterRegistry]:
    """MLflow in the cluster."""
    stage.start_mlflow(cluster)
    with port_forwarded(cluster, "mlflow", 5000) as url:
        yield ClusterRegistry(url)


@dataclass(frozen=True)
class Operator:
    """The operator of the whole cluster, and what may happen to it."""

    kubectl: Kubectl
    kube: Kube

    def log(self) -> str:
        return self.kubectl("logs", "-l", "app.kubernetes.io/component=operator", "--tail=-1")

    def pods(self) -> list[Object]:
        return self.kube.list("v1", "Pod", SYSTEM, "app.kubernetes.io/component=operator")

    @contextmanager
    def away(self) -> Iterator[None]:
        """No operator runs for the length of the block; afterwards one is ready."""
        self.kubectl("scale", "deployment", OPERATOR, "--replicas=0")
        try:
            eventually(lambda: not self.pods(), what="the end of the operator", timeout=60, every=LOOK)
            yield
        finally:
            self.back()

    def back(self) -> None:
        self.kubectl("scale", "deployment", OPERATOR, "--replicas=2")
        self.kubectl("rollout", "status", f"deployment/{OPERATOR}", "--timeout=120s")


@pytest.fixture(scope="session")
def operator(cluster: Kubectl, kube: Kube, registry: ClusterRegistry) -> Operator:
    """Installed by `kubectl apply -k`, for all namespaces."""
    stage.install_operator(cluster)
    return Operator(replace(cluster, namespace=SYSTEM), kube)


@pytest.fixture(scope="module")
def collector(cluster: Kubectl, operator: Operator) -> Iterator[str]:
    """The address of the collector on this computer."""
    system = replace(cluster, namespace=SYSTEM)
    system("rollout", "status", "deployment/viridian-collector", "--timeout=180s")
    with port_forwarded(system, "viridian-collector", COLLECTOR_PORT, path="/healthz") as url:
        yield url


@pytest.fixture(scope="module")
def namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of this module's own; deleted at the end without waiting for it."""
    with restricted_namespace(kube, request.path.stem.removeprefix("test_").replace("_", "-")) as name:
        yield name


@contextmanager
def restricted_namespace(kube: Kube, stem: str) -> Iterator[str]:
    name = f"{stem}-{uuid.uuid4().hex[:6]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    kube.create(manifest)
    try:
        yield name
    finally:
        kube.delete(manifest)


@pytest.fixture(scope="module")
def kubectl(cluster: Kubectl, namespace: str) -> Kubectl:
    """kubectl in the module's namespace."""
    return replace(cluster, namespace=namespace)


@pytest.fixture(scope="module")
def served(operator: Operator, kube: Kube, registry: ClusterRegistry, namespace: str) -> Deployed:
    """A sound first version that serves."""
    deployment = Deployed(kube, namespace)
    version = registry.publish(deployment.registered)
    deployment.apply()
    deployment.until_serves(version)
    return deployment


@pytest.fixture(scope="module")
def users(served: Deployed, kubectl: Kubectl) -> Users:
    """Steady users of the module's deployment."""
    return Users.start(kubectl)


@pytest.fixture
def deployed(kube: Kube, namespace: str, operator: Operator, request: pytest.FixtureRequest) -> Iterator[Deployed]:
    """A ModelDeployment of the test's own; deleted at the end."""
    name = re.sub(r"[^a-z]+", "-", request.node.name.lower().removeprefix("test_"))
    one = Deployed(kube, namespace, name[-40:].strip("-"))
    yield one
    kube.delete(one.identity)
