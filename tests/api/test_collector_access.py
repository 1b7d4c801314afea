"""The collector at a real API server: tokens of service accounts, their audience, and RBAC."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from localcluster.controlplane import ControlPlane
from tests.support.kube import Kube, Kubectl
from viridian.access.caller import Caller
from viridian.feedback.access.authorization import Access, Right
from viridian.feedback.access.token_review import ApiServer, KubernetesGate, NoApiServer
from viridian.feedback.problems import HttpProblem, ServiceUnavailable

AUDIENCE = "viridian-collector"
MANIFESTS = str(Path(__file__).resolve().parents[2] / "manifests")


def account(kubectl: Kubectl, namespace: str, name: str) -> None:
    kubectl("create", "serviceaccount", name, "-n", namespace)


def token(kubectl: Kubectl, namespace: str, name: str, audience: str = AUDIENCE) -> str:
    return kubectl("create", "token", name, "-n", namespace, "--audience", audience).strip()


@pytest.fixture
async def access(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> AsyncIterator[Access]:
    """As the manifests install it: its service account may ask for reviews, and nothing else."""
    account(kubectl, namespace, "viridian-collector")
    kubectl(
        "create", "clusterrolebinding", f"collector-{namespace}", "--clusterrole=system:auth-delegator",
        f"--serviceaccount={namespace}:viridian-collector",
    )  # fmt: skip
    async with KubernetesGate(server(control_plane, kubectl, namespace, tmp_path)) as gate:
        yield Access(gate, seconds=0.0)


def server(control_plane: ControlPlane, kubectl: Kubectl, namespace: str, tmp_path: Path) -> ApiServer:
    """As a pod finds it: two files."""
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text(kubectl("create", "token", "viridian-collector", "-n", namespace))
    config = yaml.safe_load(control_plane.kubeconfig.read_text())["clusters"][0]["cluster"]
    authority.write_bytes(base64.b64decode(config["certificate-authority-data"]))
    return ApiServer.found(control_plane.server, str(authority), str(token), {})


async def granted(access: Access, who: Caller, right: Right, namespace: str) -> None:
    """The API server's answers follow its Roles a moment later."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(HttpProblem):
                return await access.require(who, right, namespace)
            await asyncio.sleep(0.05)  # between two looks at the condition that is awaited


async def test_a_token_for_the_collector_names_its_service_account(
    access: Access, kubectl: Kubectl, namespace: str
) -> None:
    account(kubectl, namespace, "server")
    identity = await access.identify(token(kubectl, namespace, "server"))
    assert identity.user == f"system:serviceaccount:{namespace}:server"
    assert identity.namespace == namespace
    assert f"system:serviceaccounts:{namespace}" in identity.groups


async def test_a_token_for_anything_else_is_not_valid(access: Access, kubectl: Kubectl, namespace: str) -> None:
    account(kubectl, namespace, "server")
    for wrong in (token(kubectl, namespace, "server", "somebody-else"), "made-up", "a.b.c"):
        with pytest.raises(HttpProblem) as problem:
            await access.identify(wrong)
        assert problem.value.status == 401


async def test_rights_are_roles_on_the_subresource(access: Access, kubectl: Kubectl, namespace: str) -> None:
    account(kubectl, namespace, "labeller")
    labeller = await access.identify(token(kubectl, namespace, "labeller"))
    await access.require(labeller, Right.WRITE, namespace)
    with pytest.raises(HttpProblem, match="update on modeldeployments/feedback"):
        await access.require(labeller, Right.LABEL, namespace)
    role = f"--serviceaccount={namespace}:labeller"
    kubectl(
        "create",
        "role",
        "labellers",
        "-n",
        namespace,
        "--verb=list,update",
        "--resource=modeldeployments.viridian.dev/feedback",
    )
    kubectl("create", "rolebinding", "labellers", "-n", namespace, "--role=labellers", role)
    for right in (Right.LABEL, Right.ROWS):
        await granted(access, labeller, right, namespace)
    for right, where in ((Right.ERASE, namespace), (Right.LABEL, "default"), (Right.WRITE, "default")):
        with pytest.raises(HttpProblem):
            await access.require(labeller, right, where)


async def test_the_roles_of_the_manifests_reach_the_operator_and_people(
    access: Access, kube: Kube, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("apply", "--server-side", "--force-conflicts", "-k", MANIFESTS)
    operator = await access.identify(token(kubectl, "viridian-system", "viridian-operator"))
    for right in (Right.FIGURES, Right.KEEP):
        await granted(access, operator, right, namespace)
    for right in (Right.ROWS, Right.WRITE, Right.LABEL, Right.ERASE):
        with pytest.raises(HttpProblem):
            await access.require(operator, right, namespace)


async def test_without_the_right_to_ask_it_says_what_to_bind(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    account(kubectl, namespace, "viridian-collector")
    async with KubernetesGate(server(control_plane, kubectl, namespace, tmp_path)) as gate:
        with pytest.raises(ServiceUnavailable, match="system:auth-delegator"):
            await gate.identify("any")


async def test_an_api_server_that_does_not_answer_is_no_verdict(tmp_path: Path) -> None:
    own = tmp_path / "token"
    own.write_text("token")
    async with KubernetesGate(ApiServer.found("http://127.0.0.1:1", "", str(own), {})) as gate:
        with pytest.raises(ServiceUnavailable):
            await gate.identify("any")


def test_the_token_goes_out_encrypted_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(NoApiServer, match="https"):
        ApiServer.found("http://kubernetes.example", "", "", {})
    with pytest.raises(NoApiServer, match="--api-server"):
        ApiServer.found("", "", "", {})
    with pytest.raises(NoApiServer, match="missing"):
        ApiServer.found("https://kubernetes.example", str(tmp_path / "none"), "", {})
