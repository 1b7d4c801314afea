"""The dashboard at a real API server: it has no rights of its own, so two people see and order what theirs allow."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from localcluster.controlplane import ControlPlane
from tests.support.dashboard_models import MemoryLabelQueue
from tests.support.dashboard_routes import FOR_ALL, FORMS, about_an_object, status_of
from tests.support.kube import Kube, Kubectl
from tests.support.manifests import model_deployment, retrain_policy
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT
from viridian.dashboard.dashboard_app import DashboardApp
from viridian.dashboard.dashboard_settings import DashboardSettings
from viridian.dashboard.person_cluster import ApiPersonCluster
from viridian.dashboard.signed_in import COOKIE, proof

Client = TestClient[web.Request, web.Application]
NOW = "2026-11-28T12:00:00Z"
ON_TRIAL: dict[str, Any] = {
    "champion": {"slot": "blue", "revision": "aaaa", "version": "1"},
    "challenger": {
        "slot": "green",
        "revision": "bbbb",
        "version": "2",
        "weight": 10,
        "waitingFor": "viridian.dev/approve=bbbb",
        "waitingReason": "Approval",
    },
    "conditions": [{"type": "Ready", "status": "True", "reason": "Serving", "message": "m", "lastTransitionTime": NOW}],
}


@pytest.fixture
def other_namespace(shipped: Kube, namespace: str) -> Iterator[str]:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-b"}}
    shipped.create(manifest)
    yield f"{namespace}-b"
    shipped.delete(manifest)


@pytest.fixture
async def client(control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Client]:
    """As the pod runs it: it knows the API server and its authority, and nothing else."""
    authority = tmp_path / "ca.crt"
    config = yaml.safe_load(control_plane.kubeconfig.read_text())["clusters"][0]["cluster"]
    authority.write_bytes(base64.b64decode(config["certificate-authority-data"]))
    settings = DashboardSettings(
        port=0,
        api_server=control_plane.server,
        api_ca_file=authority,
        namespaces=(),
        token_header="",
        collector="",
        collector_ca_file=None,
        tls_cert_file=None,
        tls_key_file=None,
    )
    cluster = ApiPersonCluster(settings.connection())
    app = DashboardApp(cluster, labels=MemoryLabelQueue()).application()
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client
    await cluster.close()


def person(kubectl: Kubectl, namespace: str, role: str) -> dict[str, str]:
    """A service account with one of the cluster's own roles in its namespace, and its token."""
    kubectl("create", "serviceaccount", role, "-n", namespace)
    kubectl(
        "create", "rolebinding", role, f"--clusterrole={role}", f"--serviceaccount={namespace}:{role}", "-n", namespace
    )
    token = kubectl("create", "token", role, "-n", namespace).strip()
    return {"Authorization": f"Bearer {token}"}


async def models(client: Client, who: dict[str, str], query: str = "") -> list[str]:
    async with client.get(f"/{query}", headers=who) as response:
        assert response.status == 200, await response.text()
        return re.findall(r'<th scope="row"><a href="/models/([^"]+)"', await response.text())


async def until(client: Client, who: dict[str, str], expected: list[str]) -> None:
    """Lists and rights follow writes a moment later."""
    async with asyncio.timeout(30):
        while True:
            if await models(client, who) == expected:
                return
            await asyncio.sleep(0.05)  # between two looks at the condition that is awaited


def fields_of(text: str, verb: str) -> dict[str, str]:
    for form in re.findall(r"<form.*?</form>", text, flags=re.DOTALL):
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        if fields.get("verb") == verb:
            return fields
    raise AssertionError(f"no form for {verb} in {text}")


async def test_two_people_see_one_namespace_each_and_order_what_their_rights_allow(
    client: Client, shipped: Kube, kubectl: Kubectl, namespace: str, other_namespace: str
) -> None:
    for where, name in ((namespace, "churn"), (other_namespace, "fraud")):
        manifest = model_deployment(where, name)
        shipped.apply(manifest)
        shipped.merge(manifest, {"status": ON_TRIAL}, subresource="status")
    viewer, editor = person(kubectl, namespace, "view"), person(kubectl, other_namespace, "admin")
    await until(client, viewer, [f"{namespace}/churn"])
    await until(client, editor, [f"{other_namespace}/fraud"])

    # What is not theirs is neither listed nor opened, and a made-up token is nobody's.
    assert await models(client, viewer, f"?namespace={other_namespace}") == []
    async with client.get(f"/models/{other_namespace}/fraud", headers=viewer) as response:
        assert response.status == 403
        assert "cannot get resource" in await response.text()
    async with client.get("/", headers={"Authorization": "Bearer made-up"}) as response:
        assert response.status == 401

    # The viewer has no right to write: the API server says so, and nothing is written.
    path = f"/models/{namespace}/churn"
    async with client.get(path, headers=viewer) as response:
        fields = fields_of(await response.text(), "approve")
    async with client.post(f"{path}/orders", data=fields, headers=viewer) as response:
        assert response.status == 403
        assert "cannot patch resource" in await response.text()
    assert "viridian.dev/approve" not in annotations_of(shipped, namespace, "churn")

    # The administrator of the other namespace approves there, by name.
    path = f"/models/{other_namespace}/fraud"
    async with client.get(path, headers=editor) as response:
        fields = fields_of(await response.text(), "approve")
    async with client.post(f"{path}/orders", data=fields, headers=editor) as response:
        assert response.status == 200, await response.text()
        assert "order to approve is written" in await response.text()
    user = f"system:serviceaccount:{other_namespace}:admin"
    assert annotations_of(shipped, other_namespace, "fraud")["viridian.dev/approve"] == f"bbbb#{user}"


async def test_whatever_is_asked_about_a_namespace_of_others_is_refused(
    client: Client, shipped: Kube, kubectl: Kubectl, namespace: str, other_namespace: str
) -> None:
    """Each route of the dashboard, with real tokens: of an administrator of one namespace, and of nobody."""
    for where, name in ((namespace, "churn"), (other_namespace, "fraud")):
        for manifest in (model_deployment(where, name), retrain_policy(where, name)):
            shipped.apply(manifest)
        shipped.merge(model_deployment(where, name), {"status": ON_TRIAL}, subresource="status")
    theirs = kubectl("create", "token", "default", "-n", other_namespace).strip()
    ours = person(kubectl, namespace, "admin")
    token = ours["Authorization"].removeprefix("Bearer ")
    await until(client, ours, [f"{namespace}/churn"])
    before = [shipped.read(manifest(other_namespace, "fraud")) for manifest in (model_deployment, retrain_policy)]

    assert client.app is not None
    for method, path in about_an_object(client.app):
        own = path.format(namespace=namespace, name="churn")
        foreign = path.format(namespace=other_namespace, name="fraud")
        form = FORMS.get(path, {})
        if method == "GET":
            assert await status_of(client, method, own, ours, {}) == 200, own
        assert await status_of(client, method, foreign, ours, {**form, "proof": proof(token)}) == 403, foreign
        made_up = {"Authorization": "Bearer made-up"}
        assert await status_of(client, method, own, made_up, {**form, "proof": proof("made-up")}) == 401, own
        # A form that another person's page has given is no form of this person.
        if method == "POST":
            assert await status_of(client, method, own, ours, {**form, "proof": proof(theirs)}) == 403, own
    for path in FOR_ALL:
        async with client.get(path, headers=ours) as response:
            text = await response.text()
        assert "churn" in text
        assert "fraud" not in text
        assert other_namespace not in text
    assert [shipped.read(one) for one in before] == before


async def test_who_signs_in_with_a_token_sees_what_that_token_may(
    client: Client, shipped: Kube, kubectl: Kubectl, namespace: str
) -> None:
    shipped.apply(model_deployment(namespace, "churn"))
    who = person(kubectl, namespace, "view")
    await until(client, who, [f"{namespace}/churn"])
    token = who["Authorization"].removeprefix("Bearer ")
    async with client.post("/sign-in", data={"token": token}, allow_redirects=False) as response:
        assert response.status == 303
        cookie = response.cookies[COOKIE].value
    assert await models(client, {"Cookie": f"{COOKIE}={cookie}"}) == [f"{namespace}/churn"]
    async with client.post("/sign-in", data={"token": "made-up"}, allow_redirects=False) as response:
        assert response.status == 401
        assert COOKIE not in response.cookies


async def test_a_selector_that_makes_no_sense_is_a_sentence(client: Client, kubectl: Kubectl, namespace: str) -> None:
    who = person(kubectl, namespace, "view")
    async with client.get(f"/?namespace={namespace}&labels=a%3D%3D%3Db", headers=who) as response:
        assert response.status in (400, 403)
        assert "That did not work" in await response.text()


def annotations_of(kube: Kube, namespace: str, name: str) -> dict[str, str]:
    found = kube.get(API_VERSION, MODEL_DEPLOYMENT, name, namespace) or {}
    return dict(found["metadata"].get("annotations", {}))
