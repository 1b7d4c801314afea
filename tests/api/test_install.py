"""What users apply is accepted by a real API server, and applying it again changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

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
    for folder in (MANIFESTS, f"{MANIFESTS}/overlays/cluster-wide", f"{MANIFESTS}/overlays/registry"):
        kubectl("apply", "--server-side", "--force-conflicts", "-k", folder)
        assert kubectl("diff", "--server-side", "--force-conflicts", "-k", folder) == ""


def test_every_pod_is_allowed_where_pods_are_restricted(kubectl: Kubectl, kube: Kube, tmp_path: Path) -> None:
    """The namespace enforces the restricted standard; a pod that breaks it would never be made."""
    whole = with_components(tmp_path, "mlflow", "registry", "pull-secret")
    kubectl("apply", "--server-side", "--force-conflicts", "-k", whole)
    labels = kube.get("v1", "Namespace", "viridian-system")
    assert labels is not None
    assert labels["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name in ("operator", "collector", "mlflow"):
        spec = kube.get("apps/v1", "Deployment", f"viridian-{name}", "viridian-system")
        assert spec is not None
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "as-the-deployment-makes-it", "namespace": "viridian-system"},
            # The accounts' controller may not have seen to the default one yet, and MLflow needs none.
            "spec": {"serviceAccountName": "viridian-operator", **spec["spec"]["template"]["spec"]},
        }
        answer = kube.request("POST", kube.path("v1", "Pod", "viridian-system"), pod, query={"dryRun": "All"})
        assert answer["spec"]["imagePullSecrets"] == [{"name": "viridian-registry"}]
    assert kubectl("diff", "--server-side", "--force-conflicts", "-k", whole) == ""


def with_components(folder: Path, *components: str) -> str:
    """The overlay for a registry, with these components in the place of its own."""
    manifests = os.path.relpath(MANIFESTS, folder)
    images = (Path(MANIFESTS) / "overlays" / "registry" / "images.yaml").read_text()
    (folder / "images.yaml").write_text(images)
    own = {
        "resources": [f"{manifests}/overlays/cluster-wide", "images.yaml"],
        "components": [f"{manifests}/components/{component}" for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(own))
    return str(folder)


def test_helm_installs_upgrades_and_leaves_the_kinds_behind(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    helm = Kubectl(program("helm"), kubectl.kubeconfig)
    # The policies are those of the install by kustomize, which other tests need.
    settings = (
        f"--set=namespaces={{{namespace}}}",
        "--set=image.registry=registry.example.com/viridian",
        "--set=admissionPolicies.enabled=false",
    )
    chart = str(ROOT / "charts" / "viridian")
    release = ("viridian", chart, "--namespace", namespace, "--take-ownership", *settings)
    helm("install", *release)
    helm("upgrade", *release, "--set", "workers=8")
    deployment = kube.get("apps/v1", "Deployment", "viridian-operator", namespace)
    assert deployment is not None
    environment = {entry["name"]: entry for entry in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert environment["VIRIDIAN_WORKERS"]["value"] == "8"
    assert kube.get("rbac.authorization.k8s.io/v1", "Role", "viridian-operator", namespace)
    helm("uninstall", "viridian", "--namespace", namespace)
    assert kube.get("rbac.authorization.k8s.io/v1", "Role", "viridian-operator", namespace) is None
    assert kubectl("get", "crd", "modeldeployments.viridian.dev", "retrainpolicies.viridian.dev", "-o", "name")
