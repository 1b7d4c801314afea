"""What only a real API server can show of the adapter: identities, and an outage."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcluster.controlplane import ControlPlane
from tests.contract.cluster.manifests import config
from tests.contract.cluster.world import ServerWorld, ref
from tests.support.kube import Kube
from viridian.ports.cluster import ClusterRefused, ClusterUnavailable
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes import KubernetesCluster


@pytest.fixture
def account(kube: Kube, namespace: str) -> str:
    """A service account that may read ConfigMaps in the test's namespace."""
    metadata = {"name": "reader", "namespace": namespace}
    kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    rbac = "rbac.authorization.k8s.io"
    kube.create({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    role = {"apiGroup": rbac, "kind": "Role", "name": "reader"}
    subjects = [{"kind": "ServiceAccount", **metadata}]
    binding = {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": metadata}
    kube.create({**binding, "roleRef": role, "subjects": subjects})
    return "reader"


@pytest.fixture
def token_path(kube: Kube, namespace: str, account: str, tmp_path: Path) -> Path:
    """The account's token as the kubelet would place it."""
    path = tmp_path / "token"
    place(path, issued(kube, namespace, account))
    return path


@pytest.fixture
def connection(control_plane: ControlPlane, namespace: str, token_path: Path) -> ApiConnection:
    ca_data = ApiConnection.from_kubeconfig(control_plane.kubeconfig).ca_data
    return ApiConnection(control_plane.server, namespace, ca_data=ca_data, token_path=token_path)


def place(path: Path, token: str) -> None:
    path.write_text(token)


def spoil(path: Path) -> None:
    """Another signature, which the API server cannot check."""
    path.write_text(f"{path.read_text()[:-8]}AAAAAAAA")


def issued(kube: Kube, namespace: str, account: str) -> str:
    path = kube.path("v1", "ServiceAccount", namespace, account, "token")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    return str(kube.request("POST", path, request)["status"]["token"])


async def test_a_service_account_is_known_by_its_token(connection: ApiConnection, namespace: str) -> None:
    async with KubernetesCluster(connection) as cluster:
        assert await cluster.get(ref(config(namespace))) is None


async def test_what_it_may_not_do_is_told_with_who_and_what(connection: ApiConnection, namespace: str) -> None:
    async with KubernetesCluster(connection) as cluster:
        with pytest.raises(ClusterRefused) as caught:
            await cluster.apply(config(namespace), manager="viridian")
    told = str(caught.value)
    assert f"system:serviceaccount:{namespace}:reader" in told
    assert 'cannot patch resource "configmaps"' in told


async def test_a_token_that_is_no_longer_good_is_an_outage_until_it_is_replaced(
    kube: Kube, connection: ApiConnection, namespace: str, account: str, token_path: Path
) -> None:
    name = kube.create(config(namespace))["metadata"]["name"]
    spoil(token_path)
    async with KubernetesCluster(connection) as cluster:
        with pytest.raises(ClusterUnavailable, match="401"):
            await cluster.list("v1", "ConfigMap", namespace)
        place(token_path, issued(kube, namespace, account))
        assert name in {found["metadata"]["name"] for found in await cluster.list("v1", "ConfigMap", namespace)}


async def test_an_authority_that_is_not_trusted_is_no_answer(control_plane: ControlPlane, namespace: str) -> None:
    async with KubernetesCluster(ApiConnection(control_plane.server, token="secret")) as cluster:
        with pytest.raises(ClusterUnavailable, match="certificate") as caught:
            await cluster.list("v1", "ConfigMap", namespace)
    assert "secret" not in str(caught.value)


async def test_it_goes_on_after_the_api_server_was_away(server: ServerWorld, control_plane: ControlPlane) -> None:
    made = await server.cluster.apply(config(server.namespace), manager="viridian")
    control_plane.stop_apiserver()
    try:
        with pytest.raises(ClusterUnavailable):
            await server.cluster.apply(config(server.namespace, data={"a": "2"}), manager="viridian")
    finally:
        control_plane.start_apiserver()
    again = await server.cluster.apply(config(server.namespace), manager="viridian")
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
