"""What `kubectl apply -k manifests/` brings to a real API server: roles, and admission policies that are in force."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.support.documents import document
from tests.support.kube import Kube, Kubectl, Object, Refused, eventually
from tests.support.manifests import model_deployment

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = "system:serviceaccount:viridian-system:viridian-operator"


def install(kubectl: Kubectl, kube: Kube) -> None:
    """Apply the manifests and wait until the API server asks the policies."""
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "manifests"))
    approved = model_deployment("default", "in-force")
    approved["metadata"]["annotations"] = {"viridian.dev/approve": "nobody"}
    eventually(lambda: "who approved" in refusal(kube, approved), what="the policy for ModelDeployments")
    stray = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "in-force", "namespace": "default"}}
    with_rights = kube.impersonating(OPERATOR, "system:masters")
    eventually(lambda: "controls this one" in refusal(with_rights, stray), what="the policy for the operator")


def kubeconfig_of_the_operator(kubectl: Kubectl, folder: Path) -> Path:
    """A kubeconfig with which the operator is its own service account, and no administrator."""
    config = document(kubectl.kubeconfig.read_text())
    token = kubectl("create", "token", "viridian-operator", "-n", "viridian-system", "--duration=6h").strip()
    config["users"][0]["user"] = {"token": token}
    path = folder / "operator.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path


def refusal(kube: Kube, manifest: Object) -> str:
    """What the API server says against the creation; empty where it would take it."""
    path = kube.path(manifest["apiVersion"], manifest["kind"], manifest["metadata"].get("namespace", ""))
    try:
        kube.request("POST", path, manifest, query={"dryRun": "All", "fieldValidation": "Strict"})
    except Refused as refused:
        return str(refused)
    return ""


def bound(kube: Kube, namespace: str, name: str, *roles: str) -> Kube:
    """The server as seen by a service account of the namespace that has these ClusterRoles there, and nothing else."""
    kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
    for role in roles:
        kube.create(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": f"{name}-{role}", "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            }
        )
    return kube.impersonating(f"system:serviceaccount:{namespace}:{name}")


def give_the_operator(kube: Kube, namespace: str, name: str, rules: Sequence[Object]) -> None:
    """These rights in the namespace, by a Role and a RoleBinding of that name."""
    rbac, metadata = "rbac.authorization.k8s.io", {"name": name, "namespace": namespace}
    kube.create({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": list(rules)})
    _, _, account_namespace, account = OPERATOR.split(":")
    kube.create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": account_namespace}],
        }
    )
