"""`kubectl viridian labels` at a real API server and a real collector: token, rights, and the way through the server.

The kubelet is a stand-in that forwards ports (`tests/support/forwarding_kubelet.py`).
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import msgspec
import pytest
import yaml

from localcluster.controlplane import ControlPlane
from tests.support.collecting import batch, prediction, served
from tests.support.collector_process import launched
from tests.support.documents import document
from tests.support.forwarding_kubelet import ForwardingKubelet, forwarding
from tests.support.kube import Kube, Kubectl, Object, eventually
from tests.support.plugin import started
from tests.support.shipped import bound
from viridian.api.feedback import COLLECTOR_PORT, PREDICTIONS_PATH, TOKEN_AUDIENCE
from viridian.api.names import MODEL_DEPLOYMENT_LABEL, REVISION_LABEL

pytestmark = pytest.mark.needs_programs

POD_PORT = 9090
LABELS = {"app": "collector"}
ADA: list[Object] = [
    {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": ["apps"], "resources": ["controllerrevisions"], "verbs": ["list"]},
]
FORWARDS: Object = {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]}
"""The right of `kubectl port-forward`."""
LABELLER: list[Object] = [
    {"apiGroups": ["viridian.dev"], "resources": ["modeldeployments/feedback"], "verbs": ["list", "update"]}
]


@dataclass(frozen=True)
class Person:
    """A person with a kubeconfig."""

    kubectl: Kubectl
    namespace: str

    async def labels(self, typed: str, *more: str) -> tuple[int, str, str]:
        """Code, output and errors of the command."""
        given = ("labels", "churn", "--service-account", "labeller", *more)
        command, environment = started(self.kubectl, self.namespace, *given)
        pipe = asyncio.subprocess.PIPE
        running = await asyncio.create_subprocess_exec(*command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)
        out, err = await asyncio.wait_for(running.communicate(typed.encode()), 240)
        return running.returncode or 0, out.decode(), err.decode()


def person(kube: Kube, kubectl: Kubectl, namespace: str, name: str, rules: list[Object], folder: Path) -> Person:
    """A service account with these rights in the namespace, and its kubeconfig."""
    theirs = bound(kube, namespace, name)
    give(kube, namespace, name, rules)
    path = kube.path("v1", "Pod", namespace)
    eventually(lambda: theirs.request("GET", path), what=f"the rights of {name}")
    config = document(kubectl.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": kubectl("create", "token", name, "-n", namespace).strip()}
    file = folder / f"{name}.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
    return Person(replace(kubectl, kubeconfig=file), namespace)


def give(kube: Kube, namespace: str, name: str, rules: list[Object]) -> None:
    """A Role of the service account's name, and its binding."""
    rbac, metadata = "rbac.authorization.k8s.io", {"name": name, "namespace": namespace}
    kube.create({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    role = {"apiGroup": rbac, "kind": "Role", "name": name}
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
    binding = {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": role}
    kube.create({**binding, "subjects": subjects})


@pytest.fixture
async def collector(
    control_plane: ControlPlane, kube: Kube, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> AsyncIterator[int]:
    """The port of a collector that asks this API server, and has three rows of churn."""
    for name in ("collector", "server"):
        kubectl("create", "serviceaccount", name, "-n", namespace)
    account = f"--serviceaccount={namespace}:collector"
    kubectl("create", "clusterrolebinding", f"c-{namespace}", "--clusterrole=system:auth-delegator", account)
    own, authority = tmp_path / "own", tmp_path / "ca.crt"
    own.write_text(kubectl("create", "token", "collector", "-n", namespace))
    known = document(kubectl.kubeconfig.read_text())["clusters"][0]["cluster"]
    authority.write_bytes(base64.b64decode(known["certificate-authority-data"]))
    settings = {"api_token_file": str(own), "api_ca_file": str(authority), "review_rate": "1"}
    places = (f"{namespace}/churn",)
    async with launched(control_plane.server, tmp_path / "data", known=places, **settings) as process:
        sender = kubectl("create", "token", "server", "-n", namespace, "--audience", TOKEN_AUDIENCE).strip()
        now = time.time()
        rows = [prediction(number, time=now - 60 + number) for number in range(3)]
        body = msgspec.json.encode(batch(rows, served(namespace=namespace)))
        async with httpx.AsyncClient(base_url=process.url) as http:
            sent = await http.post(PREDICTIONS_PATH, content=body, headers={"Authorization": f"Bearer {sender}"})
        assert sent.is_success, sent.text
        yield process.port
    kubectl("delete", "clusterrolebinding", f"c-{namespace}")


@pytest.fixture
async def kubelet(
    control_plane: ControlPlane, kube: Kube, namespace: str, collector: int
) -> AsyncIterator[ForwardingKubelet]:
    """The collector runs in a pod behind a Service, which the newest revision of churn sends its rows to."""
    node = f"node-{namespace}"
    async with forwarding(control_plane, kube, node, {POD_PORT: collector}) as kubelet:
        metadata = {"name": "rows", "namespace": namespace}
        port = {"port": COLLECTOR_PORT, "targetPort": "http"}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
        kube.create({**service, "spec": {"selector": LABELS, "ports": [port]}})
        container = {"name": "collector", "image": "none", "ports": [{"name": "http", "containerPort": POD_PORT}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": LABELS}}
        kube.create({**pod, "spec": {"nodeName": node, "containers": [container]}})
        ready = [{"type": "Ready", "status": "True"}]
        kube.merge(pod, {"status": {"phase": "Running", "conditions": ready}}, subresource="status")
        named = {MODEL_DEPLOYMENT_LABEL: "churn", REVISION_LABEL: "9a1b02ee"}
        record = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1}
        addresses = {"collector": f"http://rows.{namespace}.svc:{COLLECTOR_PORT}"}
        data = {"model": {"uri": "models:/churn/1"}, "template": {}, "addresses": addresses}
        kube.create({**record, "metadata": {**metadata, "labels": named}, "data": data})
        yield kubelet


async def test_a_person_reaches_the_queue_with_their_own_rights_alone(
    shipped: Kube, kubectl: Kubectl, namespace: str, kubelet: ForwardingKubelet, collector: int, tmp_path: Path
) -> None:
    for account in ("labeller", "stranger"):
        kubectl("create", "serviceaccount", account, "-n", namespace)
    give(shipped, namespace, "labeller", LABELLER)
    ada = person(shipped, kubectl, namespace, "ada", [*ADA, FORWARDS], tmp_path)
    user = f"system:serviceaccount:{namespace}:labeller"
    may = ("auth", "can-i", "update", "modeldeployments.viridian.dev", "--subresource=feedback", "-n", namespace)
    eventually(lambda: kubectl.attempt(*may, "--as", user).returncode == 0, what="the rights of the labeller")
    code, _, err = await ada.labels("", "--service-account", "stranger")
    assert code == 1
    assert "list on modeldeployments/feedback" in err, "the collector asks about the account, whoever holds its token"
    code, out, err = await ada.labels("2\ns\nq\n")
    assert (code, out.endswith("1 answers are stored, 1 rows were skipped.\n")) == (0, True), (out, err)
    assert set(kubelet.asked) == {f"{namespace}/rows:{POD_PORT}"}

    # Who may not forward a port learns it from the API server, and may have an address of their own.
    bob = person(shipped, kubectl, namespace, "bob", ADA, tmp_path)
    code, _, err = await bob.labels("")
    assert (code, 'resource "pods/portforward"' in err, "kubectl auth can-i" in err) == (1, True, True), err
    code, out, err = await bob.labels("q\n", "--collector", f"http://127.0.0.1:{collector}")
    assert (code, out.endswith("0 answers are stored, 0 rows were skipped.\n")) == (0, True), (out, err)
