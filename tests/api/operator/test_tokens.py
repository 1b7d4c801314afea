"""The token of the operator's service account is replaced while it runs, as the kubelet does it every hour."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from localcluster.controlplane import ControlPlane
from tests.support.kube import Kube, Object, eventually
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.operator_process import OperatorProcess

ACCOUNT = "viridian-operator"
ROLE = "edit-everything-of-viridian"


class Account:
    """A service account whose tokens live as long as the Secret that they are bound to."""

    def __init__(self, kube: Kube, plane: ControlPlane, namespace: str, folder: Path) -> None:
        self._kube, self._plane, self._namespace, self._folder = kube, plane, namespace, folder
        self._create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}})
        rights = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": ROLE}}
        rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        self._create({**rights, "kind": "Role", "rules": rules})
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ROLE}
        self._create({**rights, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]})

    @property
    def kubeconfig(self) -> Path:
        """It names the file of the token, and says nothing else about who we are."""
        config = yaml.safe_load(self._plane.kubeconfig.read_text())
        config["users"][0]["user"] = {"tokenFile": str(self._folder / "token")}
        path = self._folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def renew(self, bound_to: str) -> None:
        """The file holds another token from now on."""
        secret = self._create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": bound_to}})
        reference = {"kind": "Secret", "apiVersion": "v1", "name": bound_to, "uid": secret["metadata"]["uid"]}
        path = self._kube.path("v1", "ServiceAccount", self._namespace, ACCOUNT, "token")
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"boundObjectRef": reference, "expirationSeconds": 600},
        }
        token = self._kube.request("POST", path, request)["status"]["token"]
        (self._folder / "token.new").write_text(token)
        (self._folder / "token.new").replace(self._folder / "token")

    def revoke(self, bound_to: str) -> None:
        """Tokens bound to this Secret are refused from now on, or when the server's cache has forgotten them."""
        token = (self._folder / "token").read_text()
        self._kube.delete({"apiVersion": "v1", "kind": "Secret", "metadata": self._named(bound_to)})
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}}
        path = self._kube.path("authentication.k8s.io/v1", "TokenReview")

        def refused() -> bool:
            answer = self._kube.request("POST", path, {**review, "spec": {"token": token}})
            return not answer["status"].get("authenticated", False)

        eventually(refused, what="the end of the token")

    def _create(self, manifest: Object) -> Object:
        metadata = manifest["metadata"]
        return self._kube.create({**manifest, "metadata": self._named(metadata["name"])})

    def _named(self, name: str) -> Object:
        return {"name": name, "namespace": self._namespace}


@pytest.fixture
def account(kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Account:
    return Account(kube, control_plane, namespace, tmp_path)


def test_a_new_token_is_taken_up(
    account: Account, churn: LiveModel, kubelet: Kubelet, namespace: str, tmp_path: Path
) -> None:
    account.renew("first")
    with OperatorProcess(account.kubeconfig, tmp_path, f"--namespace={namespace}") as operator:
        churn.apply("1")
        churn.until_serves("1")
        account.revoke("first")
        account.renew("second")
        churn.apply("2")
        churn.until_serves("2")
        assert operator.running, operator.log()
        assert operator.total("viridian_api_requests_total", code="403") == 0
