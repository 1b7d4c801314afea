"""Kustomize and Helm install the same objects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.install.rendering import ROOT, by_identity, helm, helm_refusal, kustomize


def test_cluster_wide_both_ways_make_the_same_objects() -> None:
    by_kustomize = by_identity(kustomize("manifests"))
    # Helm makes the namespace with --create-namespace.
    del by_kustomize["Namespace", "", "viridian-system"]
    assert by_identity(helm("viridian-system")) == by_kustomize


def test_namespaced_both_ways_make_the_same_objects() -> None:
    by_helm = by_identity(helm("ml", "namespaces={ml}", "crds.install=false"))
    assert by_helm == by_identity(kustomize("manifests/overlays/namespaced"))


def test_namespaced_has_no_right_outside_of_the_namespace() -> None:
    for objects in (kustomize("manifests/overlays/namespaced"), helm("ml", "namespaces={ml}", "crds.install=false")):
        kinds = {object_["kind"] for object_ in objects}
        assert kinds == {"ServiceAccount", "Role", "RoleBinding", "Deployment", "Service", "PersistentVolumeClaim"}


def test_helm_serves_several_namespaces_with_a_role_in_each() -> None:
    objects = by_identity(helm("viridian-system", "namespaces={ml,ads}"))
    assert {identity for identity in objects if identity[0].endswith("Role")} == {
        ("Role", "ml", "viridian-operator"),
        ("Role", "ads", "viridian-operator"),
    }
    for namespace in ("ml", "ads"):
        subject = objects["RoleBinding", namespace, "viridian-operator"]["subjects"]
        assert subject == [{"kind": "ServiceAccount", "name": "viridian-operator", "namespace": "viridian-system"}]
    assert {"name": "VIRIDIAN_NAMESPACE", "value": "ml,ads"} in _container(objects)["env"]


def test_an_uninstall_keeps_the_crds() -> None:
    crds = [object_ for object_ in helm("viridian-system") if object_["kind"] == "CustomResourceDefinition"]
    assert len(crds) == 2
    for crd in crds:
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_crds_of_the_chart_are_those_of_the_project() -> None:
    check = subprocess.run(
        [sys.executable, "charts/copy_crds.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("name", ["viridian-operator", "viridian-collector"])
@pytest.mark.parametrize("way", ["kustomize", "helm"])
def test_the_pod_meets_the_restricted_pod_security_standard(way: str, name: str) -> None:
    objects = by_identity(kustomize("manifests") if way == "kustomize" else helm("viridian-system"))
    pod = objects["Deployment", "viridian-system", name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert _container(objects, name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["enableServiceLinks"] is False, "a Service named viridian-… would set VIRIDIAN_… variables"


@pytest.mark.parametrize("name", ["viridian-operator", "viridian-collector"])
@pytest.mark.parametrize("way", ["kustomize", "helm"])
def test_there_is_one_at_a_time(way: str, name: str) -> None:
    objects = by_identity(kustomize("manifests") if way == "kustomize" else helm("viridian-system"))
    spec = objects["Deployment", "viridian-system", name]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert not [identity for identity in objects if identity[0] == "PodDisruptionBudget"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("workers=0", "workers"),
        ("workers=many", "workers"),
        ("log.level=loud", "level"),
        ("mlflow.uri=mlflow.ml.svc", "uri"),
        ("mlflow.url=http://mlflow.ml.svc", "url"),
        ("namespaces={Ml}", "namespaces"),
        ("replicas=2", "replicas"),
        ("resync=soon", "resync"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("collector.storage.size=much", "size"),
        ("collector.rules.everywhere.denied={email}", "denied"),
        ("collector.replicas=2", "replicas"),
    ],
)
def test_helm_refuses_values_that_mean_nothing(setting: str, said: str) -> None:
    assert said in helm_refusal(setting)


def test_helm_passes_the_settings_on() -> None:
    objects = by_identity(
        helm(
            "viridian-system",
            "mlflow.uri=http://mlflow.ml.svc:5000",
            "mlflow.existingSecret=mlflow-login",
            "image.tag=2.0.0",
            "workers=8",
            "resources.limits.memory=1Gi",
        )
    )
    container = _container(objects)
    assert container["image"] == "viridian/operator:2.0.0"
    assert {"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow.ml.svc:5000"} in container["env"]
    assert {"name": "VIRIDIAN_WORKERS", "value": "8"} in container["env"]
    assert container["envFrom"] == [{"secretRef": {"name": "mlflow-login"}}]
    assert container["resources"]["limits"]["memory"] == "1Gi"


def test_helm_passes_the_settings_of_the_collector_on() -> None:
    objects = by_identity(
        helm(
            "viridian-system",
            "collector.image.tag=2.0.0",
            "collector.retention=30d",
            "collector.storage.storageClassName=fast",
            "collector.database.existingSecret=feedback-database",
            "collector.hashKey.existingSecret=feedback-key",
            "collector.rules.everywhere.deny={email}",
        )
    )
    container = _container(objects, "viridian-collector")
    environment = {entry["name"]: entry for entry in container["env"]}
    assert container["image"] == "viridian/collector:2.0.0"
    assert environment["VIRIDIAN_RETENTION"]["value"] == "30d"
    secret = {"name": "feedback-database", "key": "url"}
    assert environment["VIRIDIAN_DATABASE_URL"]["valueFrom"] == {"secretKeyRef": secret}
    assert environment["VIRIDIAN_HASH_KEY_FILE"]["value"] == "/etc/viridian/key/key"
    assert environment["VIRIDIAN_RULES"]["value"] == "/etc/viridian/rules/rules.yaml"
    rules = objects["ConfigMap", "viridian-system", "viridian-collector"]["data"]["rules.yaml"]
    assert rules == "everywhere:\n  deny:\n  - email\n"
    claim = objects["PersistentVolumeClaim", "viridian-system", "viridian-collector"]["spec"]
    assert claim["storageClassName"] == "fast"


def test_without_storage_the_data_are_in_the_pod() -> None:
    objects = by_identity(helm("viridian-system", "collector.storage.persistent=false"))
    pod = objects["Deployment", "viridian-system", "viridian-collector"]["spec"]["template"]["spec"]
    assert {"name": "data", "emptyDir": {}} in pod["volumes"]
    assert ("PersistentVolumeClaim", "viridian-system", "viridian-collector") not in objects
    # The demo's node has no storage class.
    assert by_identity(kustomize("demo/install"))["Deployment", "viridian-system", "viridian-collector"]["spec"][
        "template"
    ]["spec"]["volumes"] == sorted(pod["volumes"], key=str)


def test_without_a_collector_there_is_none() -> None:
    objects = by_identity(helm("viridian-system", "collector.install=false", "collector.url=http://elsewhere:8090"))
    assert not [identity for identity in objects if "collector" in identity[2]]
    assert {"name": "VIRIDIAN_COLLECTOR_URL", "value": "http://elsewhere:8090"} in _container(objects)["env"]


@pytest.mark.parametrize("overlay", ["cluster-wide", "namespaced"])
def test_where_no_collector_is_wanted_the_operator_is_told_so(overlay: str, tmp_path: Path) -> None:
    """It would look for one beside it otherwise."""
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    own = {"resources": [f"{root}/overlays/{overlay}"], "components": [f"{root}/components/without-collector"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    namespace = "ml" if overlay == "namespaced" else "viridian-system"
    more = ("namespaces={ml}", "crds.install=false") if overlay == "namespaced" else ()
    for rendered in (kustomize(str(tmp_path)), helm(namespace, "collector.install=false", *more)):
        objects = by_identity(rendered)
        assert not [identity for identity in objects if "collector" in identity[2]]
        pod = objects["Deployment", namespace, "viridian-operator"]["spec"]["template"]["spec"]
        assert {"name": "VIRIDIAN_COLLECTOR_URL", "value": "none"} in pod["containers"][0]["env"]


def test_the_collector_may_ask_about_tokens_and_rights_alone() -> None:
    objects = by_identity(kustomize("manifests"))
    binding = objects["ClusterRoleBinding", "", "viridian-collector"]
    assert binding["roleRef"]["name"] == "system:auth-delegator"
    bound = [one for identity, one in objects.items() if identity[0].endswith("RoleBinding")]
    subjects = [subject["name"] for one in bound for subject in one["subjects"]]
    assert subjects.count("viridian-collector") == 1


def _container(objects: Any, name: str = "viridian-operator") -> Any:
    pod = objects["Deployment", "viridian-system", name]["spec"]["template"]["spec"]
    return pod["containers"][0]
