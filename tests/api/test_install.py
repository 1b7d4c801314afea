"""What users apply is accepted by a real API server, and applying it again changes nothing."""

from __future__ import annotations

from pathlib import Path

from localcluster.binaries import program
from tests.support.kube import Kube, Kubectl

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = str(ROOT / "manifests")


def test_the_samples_are_accepted(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "--server-side", "-n", namespace, "-k", f"{MANIFESTS}/samples")
    assert kubectl("get", "md,rp", "-n", namespace, "-o", "name").split() == [
        "modeldeployment.viridian.dev/churn",
        "retrainpolicy.viridian.dev/churn",
    ]


def test_applying_again_gives_no_difference(kubectl: Kubectl, kube: Kube) -> None:
    for folder in (MANIFESTS, f"{MANIFESTS}/overlays/cluster-wide"):
        kubectl("apply", "--server-side", "--force-conflicts", "-k", folder)
        assert kubectl("diff", "--server-side", "--force-conflicts", "-k", folder) == ""


def test_the_operator_s_pod_is_allowed_where_pods_are_restricted(kubectl: Kubectl, kube: Kube) -> None:
    """The namespace enforces the restricted standard; a pod that breaks it would never be made."""
    kubectl("apply", "--server-side", "--force-conflicts", "-k", MANIFESTS)
    spec = kube.get("apps/v1", "Deployment", "viridian-operator", "viridian-system")
    assert spec is not None
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "as-the-deployment-makes-it", "namespace": "viridian-system"},
        "spec": spec["spec"]["template"]["spec"],
    }
    labels = kube.get("v1", "Namespace", "viridian-system")
    assert labels is not None
    assert labels["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    answer = kube.request("POST", kube.path("v1", "Pod", "viridian-system"), pod, query={"dryRun": "All"})
    assert answer["spec"]["serviceAccountName"] == "viridian-operator"


def test_helm_installs_upgrades_and_leaves_the_kinds_behind(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    helm = Kubectl(program("helm"), kubectl.kubeconfig)
    release = ("viridian", str(ROOT / "charts" / "viridian"), "--namespace", namespace, "--take-ownership")
    helm("install", *release, "--set", f"namespaces={{{namespace}}}")
    helm("upgrade", *release, "--set", f"namespaces={{{namespace}}}", "--set", "workers=8")
    deployment = kube.get("apps/v1", "Deployment", "viridian-operator", namespace)
    assert deployment is not None
    environment = {entry["name"]: entry for entry in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert environment["VIRIDIAN_WORKERS"]["value"] == "8"
    assert kube.get("rbac.authorization.k8s.io/v1", "Role", "viridian-operator", namespace)
    helm("uninstall", "viridian", "--namespace", namespace)
    assert kube.get("rbac.authorization.k8s.io/v1", "Role", "viridian-operator", namespace) is None
    assert kubectl("get", "crd", "modeldeployments.viridian.dev", "retrainpolicies.viridian.dev", "-o", "name")
