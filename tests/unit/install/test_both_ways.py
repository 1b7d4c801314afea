"""Kustomize and Helm install the same objects."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.documents import documents
from tests.unit.install.rendering import ROOT, by_identity, helm, helm_refusal, kustomize
from viridian.api import crd
from viridian.controller.config import parse
from viridian.core import collector_token

pytestmark = pytest.mark.needs_programs

POLICIES = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
"""Objects of the whole cluster that give nobody a right."""


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
        kinds = {object_["kind"] for object_ in objects} - POLICIES
        assert kinds == {
            "ServiceAccount",
            "Role",
            "RoleBinding",
            "Deployment",
            "PodDisruptionBudget",
            "Service",
            "PersistentVolumeClaim",
            "NetworkPolicy",
        }


@pytest.mark.parametrize("overlay", ["cluster-wide", "namespaced"])
def test_the_admission_policies_can_be_left_out(overlay: str, tmp_path: Path) -> None:
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    own = {"resources": [f"{root}/overlays/{overlay}"], "components": [f"{root}/components/without-admission-policies"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    more = ("namespaces={ml}", "crds.install=false") if overlay == "namespaced" else ()
    for rendered in (kustomize(str(tmp_path)), helm("ml", "admissionPolicies.enabled=false", *more)):
        kinds = {object_["kind"] for object_ in rendered}
        assert "Deployment" in kinds
        assert not kinds & POLICIES


def test_both_ways_limit_templates_alike(tmp_path: Path) -> None:
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    own = {
        "resources": [f"{root}/overlays/cluster-wide"],
        "components": [f"{root}/components/templates-resources-only"],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    by_kustomize = by_identity(kustomize(str(tmp_path)))
    del by_kustomize["Namespace", "", "viridian-system"]
    assert by_identity(helm("viridian-system", "templates=resources-only")) == by_kustomize
    assert {"name": "VIRIDIAN_TEMPLATES", "value": "resources-only"} in _container(by_kustomize)["env"]
    for name in ("viridian-modeldeployments", "viridian-retrainpolicies"):
        variables = by_kustomize["ValidatingAdmissionPolicy", "", name]["spec"]["variables"]
        assert {"name": "resourcesOnly", "expression": "true"} in variables


def test_helm_lists_the_images_of_stages() -> None:
    objects = by_identity(helm("viridian-system", "templates=resources-only", "stageImages={r.example.com/t/*,one:1}"))
    assert {"name": "VIRIDIAN_STAGE_IMAGE", "value": "r.example.com/t/*,one:1"} in _container(objects)["env"]
    variables = objects["ValidatingAdmissionPolicy", "", "viridian-retrainpolicies"]["spec"]["variables"]
    assert {"name": "stageImages", "expression": '["r.example.com/t/*","one:1"]'} in variables


STAGE_SETTINGS = (
    "training.resources[0].apiVersion=ray.io/v1,training.resources[0].kind=RayJob,training.resources[0].resource=rayjobs",
    "training.resources[1].apiVersion=trainer.kubeflow.org/v1alpha1,training.resources[1].kind=TrainJob,"
    "training.resources[1].resource=trainjobs",
    "training.spotNodes={example.com/capacity=spot,example.com/preemptible=true}",
)


@pytest.mark.parametrize(
    ("overlay", "namespace", "more"),
    [("cluster-wide", "viridian-system", ()), ("namespaced", "ml", ("namespaces={ml}", "crds.install=false"))],
)
def test_both_ways_name_kinds_of_stages_and_spot_nodes_alike(
    overlay: str, namespace: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    by_kustomize = by_identity(of_own(tmp_path, {}, "stage-resources", "spot-nodes", overlay=overlay))
    by_kustomize.pop(("Namespace", "", "viridian-system"), None)
    by_helm = by_identity(helm(namespace, *STAGE_SETTINGS, *more))
    assert by_helm == by_kustomize
    deployment = by_helm["Deployment", namespace, "viridian-operator"]
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    config = parse([], {one["name"]: one["value"] for one in variables if "value" in one})
    assert config.spot_nodes == ("example.com/capacity=spot", "example.com/preemptible=true")
    assert [one.kind for one in config.stage_resources] == ["RayJob", "TrainJob"]


def test_both_ways_hold_objects_to_governance_policies_alike_when_asked(tmp_path: Path) -> None:
    by_kustomize = by_identity(of_own(tmp_path, {}, "governance"))
    del by_kustomize["Namespace", "", "viridian-system"]
    by_helm = by_identity(helm("viridian-system", "admissionPolicies.governance=true"))
    assert by_helm == by_kustomize
    more = set(by_helm) - set(by_identity(helm("viridian-system")))
    assert {(kind, name) for kind, _, name in more} == {
        ("CustomResourceDefinition", "governancepolicies.viridian.dev"),
        *((kind, name) for kind in POLICIES for name in ("viridian-governance", "viridian-governance-existing")),
    }


def test_without_admission_policies_there_is_no_governance_either() -> None:
    objects = helm("viridian-system", "admissionPolicies.enabled=false", "admissionPolicies.governance=true")
    assert by_identity(objects) == by_identity(helm("viridian-system", "admissionPolicies.enabled=false"))


def test_by_default_no_policy_waits_for_a_kind() -> None:
    """A restarted API server refuses everything that such a policy matches until it knows the kind again."""
    for objects in (kustomize("manifests"), helm("viridian-system")):
        assert not [one for one in objects if one["kind"] in POLICIES and "paramKind" in one["spec"]]


def test_every_policy_denies_and_fails_closed(tmp_path: Path) -> None:
    for objects in (of_own(tmp_path, {}, "governance"), helm("viridian-system", "admissionPolicies.governance=true")):
        policies = {
            one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "ValidatingAdmissionPolicy"
        }
        bindings = [one["spec"] for one in objects if one["kind"] == "ValidatingAdmissionPolicyBinding"]
        assert {spec["failurePolicy"] for spec in policies.values()} == {"Fail"}
        assert sorted(binding["policyName"] for binding in bindings) == sorted(policies)
        # What is older than a requirement is warned of; the same requirements are also asked by a policy that denies.
        warns = [binding for binding in bindings if binding["policyName"].endswith("-governance-existing")]
        assert [binding["validationActions"] for binding in warns] == [["Warn", "Audit"]]
        assert all(binding["validationActions"] == ["Deny"] for binding in bindings if binding not in warns)


def test_every_secret_that_a_spec_can_name_is_asked_about() -> None:
    """A new field that gives a Secret to a pod has to come into the policy as well."""
    policy = by_identity(kustomize("manifests/admission"))["ValidatingAdmissionPolicy", "", "viridian-modeldeployments"]
    asked = next(one for one in policy["spec"]["variables"] if one["name"] == "secrets")["expression"]
    spec = crd.render(crd.KINDS[0])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    found = list(_fields(spec, "spec", "SecretRef"))
    assert found
    assert [path for path in found if f"'{path}'" not in asked] == []
    policies = crd.render(crd.KINDS[1])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert list(_fields(policies, "spec", "SecretRef")) == [], (
        "stages alone give Secrets to a Job, and the policy asks about them"
    )


def _fields(schema: dict[str, Any], path: str, ending: str) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        if name.endswith(ending):
            yield f"{path}.{name}"
        yield from _fields(inner, f"{path}.{name}", ending)


def test_the_policies_of_a_release_know_its_names() -> None:
    objects = helm("ml", "serviceAccount.name=robot", release="second")
    policies = {one["metadata"]["name"]: one for one in objects if one["kind"] == "ValidatingAdmissionPolicy"}
    assert all(name.startswith("second-") for name in policies)
    assert ":robot'" in policies["second-operator"]["spec"]["matchConditions"][0]["expression"]
    assert "second-approve" in str(policies["second-modeldeployments"]["spec"]["validations"])


def test_helm_serves_several_namespaces_with_a_role_in_each() -> None:
    objects = by_identity(helm("viridian-system", "namespaces={ml,ads}"))
    assert {identity for identity in objects if identity[0].endswith("Role")} == {
        ("Role", "ml", "viridian-operator"),
        ("Role", "ads", "viridian-operator"),
        ("Role", "viridian-system", "viridian-operator-orders"),
        ("Role", "viridian-system", "viridian-operator-leader"),
    }
    for namespace in ("ml", "ads"):
        subject = objects["RoleBinding", namespace, "viridian-operator"]["subjects"]
        assert subject == [{"kind": "ServiceAccount", "name": "viridian-operator", "namespace": "viridian-system"}]
    assert {"name": "VIRIDIAN_NAMESPACE", "value": "ml,ads"} in _container(objects)["env"]


def test_an_uninstall_keeps_the_crds() -> None:
    kinds = [object_ for object_ in helm("viridian-system") if object_["kind"] == "CustomResourceDefinition"]
    assert len(kinds) == 2
    for kind in kinds:
        assert kind["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_crds_of_the_chart_are_those_of_the_project() -> None:
    check = subprocess.run(
        [sys.executable, "charts/copy_crds.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("name", ["viridian-operator", "viridian-collector", "viridian-dashboard", "viridian-mlflow"])
@pytest.mark.parametrize("way", ["kustomize", "helm"])
def test_the_pod_meets_the_restricted_pod_security_standard(way: str, name: str, tmp_path: Path) -> None:
    settings = ("mlflow.install=true", "dashboard.enabled=true")
    made = of_own(tmp_path, {}, "mlflow", "dashboard") if way == "kustomize" else helm("viridian-system", *settings)
    objects = by_identity(made)
    pod = objects["Deployment", "viridian-system", name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert _container(objects, name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["enableServiceLinks"] is False, "a Service named viridian-… would set VIRIDIAN_… variables"


@pytest.mark.parametrize("way", ["kustomize", "helm"])
def test_there_is_one_collector_at_a_time(way: str) -> None:
    objects = by_identity(kustomize("manifests") if way == "kustomize" else helm("viridian-system"))
    spec = objects["Deployment", "viridian-system", "viridian-collector"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize("way", ["kustomize", "helm"])
def test_there_are_two_operators_and_never_none(way: str) -> None:
    objects = by_identity(kustomize("manifests") if way == "kustomize" else helm("viridian-system"))
    spec = objects["Deployment", "viridian-system", "viridian-operator"]["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    [budget] = [found for identity, found in objects.items() if identity[0] == "PodDisruptionBudget"]
    assert budget["spec"] == {"maxUnavailable": 1, "selector": spec["selector"]}
    # They are kept apart where there are two nodes, and run on one where there is one.
    [apart] = spec["template"]["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert apart["podAffinityTerm"]["labelSelector"] == spec["selector"]
    env = {entry["name"]: entry for entry in _container(objects)["env"]}
    assert env["VIRIDIAN_IDENTITY"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert env["VIRIDIAN_LEASE"]["value"] == "viridian-operator"


def test_each_release_has_a_lease_of_its_own() -> None:
    objects = by_identity(helm("viridian-system", "selector=team in (ads)", "leaseDuration=15s", release="ads"))
    name = "ads-viridian-operator"
    [container] = objects["Deployment", "viridian-system", name]["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert env["VIRIDIAN_LEASE"] == name
    assert env["VIRIDIAN_LEASE_DURATION"] == "15s"
    assert env["VIRIDIAN_SELECTOR"] == "team in (ads)"
    rules = objects["Role", "viridian-system", f"{name}-leader"]["rules"]
    assert [rule["resourceNames"] for rule in rules if "resourceNames" in rule] == [[name]]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("workers=0", "workers"),
        ("workers=many", "workers"),
        ("log.level=loud", "level"),
        ("mlflow.uri=mlflow.ml.svc", "uri"),
        ("mlflow.url=http://mlflow.ml.svc", "url"),
        ("namespaces={Ml}", "namespaces"),
        ("registryModels={churn}", "registryModels"),
        ("mlflow.credentials.Sec_b=login", "Sec_b"),
        ("replicas=many", "replicas"),
        ("leaseDuration=0.5s", "leaseDuration"),
        ("leaderElection=off", "leaderElection"),
        ("resync=soon", "resync"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("image.registry=https://registry.example.com", "registry"),
        ("image.digests.operator=latest", "digest"),
        ("image.digests.oprator=", "oprator"),
        ("collector.storage.size=much", "size"),
        ("collector.rules.everywhere.denied={email}", "denied"),
        ("collector.replicas=2", "replicas"),
        ("dashboard.namespaces={Ml}", "namespaces"),
        ("dashboard.tokenHeader=a b", "tokenHeader"),
        ("networkPolicy.enable=false", "enable"),
        ("networkPolicy.apiServerPorts={https}", "apiServerPorts"),
        ("networkPolicy.metricsFrom[0].namespace=monitoring", "metricsFrom"),
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
            "registryModels={sec-b=sec-*,=*}",
            "signatureKeys.configMap=keys",
            "signatureKeys.namespaces.sec-b=trusted.pem",
            "mlflow.credentials.sec-b=login-b",
            "mlflow.credentials.ads=login-ads",
            "workers=8",
            "resources.limits.memory=1Gi",
        )
    )
    container = _container(objects)
    assert container["image"] == "viridian/operator:2.0.0"
    assert {"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow.ml.svc:5000"} in container["env"]
    assert {"name": "VIRIDIAN_REGISTRY_MODELS", "value": "sec-b=sec-*,=*"} in container["env"]
    keys = "sec-b=/etc/viridian/signature-keys/trusted.pem"
    assert {"name": "VIRIDIAN_SIGNATURE_KEYS", "value": keys} in container["env"]
    folder = "/var/run/secrets/viridian.dev/mlflow"
    both = f"ads={folder}/ads,sec-b={folder}/sec-b"
    assert {"name": "VIRIDIAN_MLFLOW_CREDENTIALS", "value": both} in container["env"]
    assert {"name": "mlflow-sec-b", "mountPath": f"{folder}/sec-b", "readOnly": True} in container["volumeMounts"]
    volumes = objects["Deployment", "viridian-system", "viridian-operator"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "mlflow-sec-b", "secret": {"secretName": "login-b", "optional": True}} in volumes
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
            "collector.perNamespace.rowsPerSecond=500",
            "collector.perNamespace.diskBytes=12000000000",
        )
    )
    container = _container(objects, "viridian-collector")
    environment = {entry["name"]: entry for entry in container["env"]}
    assert container["image"] == "viridian/collector:2.0.0"
    assert environment["VIRIDIAN_RETENTION"]["value"] == "30d"
    secret = {"name": "feedback-database", "key": "url"}
    assert environment["VIRIDIAN_DATABASE_URL"]["valueFrom"] == {"secretKeyRef": secret}
    assert environment["VIRIDIAN_HASH_KEY_FILE"]["value"] == "/etc/viridian/key/key"
    assert environment["VIRIDIAN_NAMESPACE_ROWS"]["value"] == "500"
    assert environment["VIRIDIAN_NAMESPACE_BYTES"]["value"] == "33554432"
    assert environment["VIRIDIAN_NAMESPACE_DISK_BYTES"]["value"] == "12000000000"
    assert environment["VIRIDIAN_RULES"]["value"] == "/etc/viridian/rules/rules.yaml"
    rules = objects["ConfigMap", "viridian-system", "viridian-collector"]["data"]["rules.yaml"]
    assert rules == "everywhere:\n  deny:\n  - email\n"
    claim = objects["PersistentVolumeClaim", "viridian-system", "viridian-collector"]["spec"]
    assert claim["storageClassName"] == "fast"


IMAGES = {
    "viridian-operator": "operator",
    "viridian-collector": "collector",
    "viridian-dashboard": "dashboard",
    "viridian-mlflow": "mlflow",
}
OF_PODS = {"server": "server", "trainer": "trainer"}
"""Images of pods that the operator makes."""


def of_own(tmp_path: Path, images: dict[str, str], *components: str, overlay: str = "cluster-wide") -> list[Any]:
    """What a user's kustomization makes, with these components and the ConfigMap that they read."""
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    own = {
        "resources": [f"{root}/overlays/{overlay}", "images.yaml"],
        "components": [f"{root}/components/{component}" for component in components],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    metadata = {"name": "viridian-images", "annotations": {"config.kubernetes.io/local-config": "true"}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": images}
    (tmp_path / "images.yaml").write_text(yaml.safe_dump(config))
    return kustomize(str(tmp_path))


def images_of(objects: Any) -> dict[str, str]:
    """Every image, with those of the pods that the operator makes."""
    found = {name: _container(objects, name)["image"] for name in IMAGES}
    environment = {entry["name"]: entry.get("value") for entry in _container(objects)["env"]}
    return {**found, **{name: environment[f"VIRIDIAN_{name.upper()}_IMAGE"] for name in OF_PODS}}


REGISTRIES = ["registry.example.com/viridian", "127.0.0.1:5000/a/b", "localhost:5000"]


@pytest.mark.parametrize("registry", REGISTRIES)
def test_one_prefix_and_one_tag_are_those_of_every_image(registry: str, tmp_path: Path) -> None:
    own = {"registry": registry, "tag": "1.2.3"}
    by_kustomize = by_identity(of_own(tmp_path, own, "mlflow", "dashboard", "registry"))
    settings = (f"image.registry={registry}", "image.tag=1.2.3", "mlflow.install=true", "dashboard.enabled=true")
    by_helm = by_identity(helm("viridian-system", *settings))
    expected = {name: f"{registry}/{image}:1.2.3" for name, image in {**IMAGES, **OF_PODS}.items()}
    assert images_of(by_kustomize) == images_of(by_helm) == expected
    del by_kustomize["Namespace", "", "viridian-system"]
    assert by_kustomize == by_helm


def test_every_image_may_be_named_by_its_digest(tmp_path: Path) -> None:
    named = ("operator", "server", "trainer", "collector", "dashboard", "mlflow")
    digests = {name: f"sha256:{number * 64}" for number, name in zip("123456", named, strict=True)}
    own = {"registry": "r.example.com/v", "tag": "0.1.0", **digests}
    components = ("mlflow", "dashboard", "registry", "image-digests", "mlflow-digest", "dashboard-digest")
    by_kustomize = images_of(by_identity(of_own(tmp_path, own, *components)))
    settings = ["mlflow.install=true", "dashboard.enabled=true"]
    settings += [f"image.digests.{name}={digest}" for name, digest in digests.items()]
    by_helm = images_of(by_identity(helm("viridian-system", "image.registry=r.example.com/v", *settings)))
    for role, name in {**IMAGES, **OF_PODS}.items():
        assert by_helm[role] == f"r.example.com/v/{name}@{digests[name]}"
        # A node goes by the digest where it is given both.
        assert by_kustomize[role] == f"r.example.com/v/{name}:0.1.0@{digests[name]}"


def test_pull_secrets_are_given_to_every_pod_and_told_to_the_operator(tmp_path: Path) -> None:
    own = {"registry": "viridian", "tag": "0.1.0", "pullSecret": "login"}
    by_kustomize = by_identity(of_own(tmp_path, own, "mlflow", "dashboard", "registry", "pull-secret"))
    settings = ("imagePullSecrets[0].name=login", "mlflow.install=true", "dashboard.enabled=true")
    by_helm = by_identity(helm("viridian-system", *settings))
    for objects in (by_kustomize, by_helm):
        for name in IMAGES:
            pod = objects["Deployment", "viridian-system", name]["spec"]["template"]["spec"]
            assert pod["imagePullSecrets"] == [{"name": "login"}]
        assert {"name": "VIRIDIAN_IMAGE_PULL_SECRET", "value": "login"} in _container(objects)["env"]


def test_helm_says_where_images_come_from_when_it_is_not_told() -> None:
    said = helm_refusal()
    for part in ("image.registry is not set", "make images REGISTRY=", "--set image.registry=", "imagePullSecrets"):
        assert part in said


def test_an_image_may_be_called_otherwise() -> None:
    objects = by_identity(
        helm(
            "viridian-system", "image.registry=r", "image.tag=v2", "image.repository=x/op", "serverImage.repository=y/s"
        )
    )
    assert _container(objects)["image"] == "x/op:v2"
    assert {"name": "VIRIDIAN_SERVER_IMAGE", "value": "y/s:v2"} in _container(objects)["env"]
    assert _container(objects, "viridian-collector")["image"] == "r/collector:v2"


@pytest.mark.parametrize(("overlay", "namespace"), [("cluster-wide", "viridian-system"), ("namespaced", "ml")])
def test_a_registry_to_begin_with_stands_beside_the_operator_which_knows_it(
    overlay: str, namespace: str, tmp_path: Path
) -> None:
    by_kustomize = by_identity(of_own(tmp_path, {}, "mlflow", overlay=overlay))
    more = ("namespaces={ml}", "crds.install=false") if overlay == "namespaced" else ()
    by_helm = by_identity(helm(namespace, "mlflow.install=true", *more))
    by_kustomize.pop(("Namespace", "", "viridian-system"), None)
    assert by_kustomize == by_helm
    operator, mlflow = (by_helm["Deployment", namespace, f"viridian-{name}"] for name in ("operator", "mlflow"))
    environment = operator["spec"]["template"]["spec"]["containers"][0]["env"]
    address = {"name": "MLFLOW_TRACKING_URI", "value": f"http://viridian-mlflow.{namespace}.svc:5000"}
    assert address in environment
    (container,) = mlflow["spec"]["template"]["spec"]["containers"]
    hosts = next(argument for argument in container["args"] if argument.startswith("--allowed-hosts="))
    assert "$(SERVICE_NAME).$(NAMESPACE).svc:*" in hosts


def test_a_registry_to_begin_with_may_do_without_storage(tmp_path: Path) -> None:
    by_kustomize = by_identity(of_own(tmp_path, {}, "mlflow", "mlflow-ephemeral"))
    by_helm = by_identity(helm("viridian-system", "mlflow.install=true", "mlflow.storage.persistent=false"))
    del by_kustomize["Namespace", "", "viridian-system"]
    assert by_kustomize == by_helm
    assert ("PersistentVolumeClaim", "viridian-system", "viridian-mlflow") not in by_helm


def test_two_registries_are_one_too_many() -> None:
    said = helm_refusal("image.registry=viridian", "mlflow.install=true", "mlflow.uri=http://mlflow:5000")
    assert "set one of them" in said


def test_the_overlay_for_a_registry_names_the_images_of_its_one_file() -> None:
    images = images_in(kustomize("manifests/overlays/registry"))
    assert images == {f"registry.example.com/viridian/{name}:0.1.0" for name in ("operator", "collector")}


def images_in(objects: list[Any]) -> set[str]:
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]
    return {container["image"] for pod in pods for container in pod["containers"]}


def test_what_the_collector_may_take_of_its_node_is_bounded() -> None:
    objects = by_identity(helm("viridian-system"))
    pod = objects["Deployment", "viridian-system", "viridian-collector"]["spec"]["template"]["spec"]
    assert all(container["resources"]["limits"]["memory"] for container in pod["containers"])
    assert all(volume["emptyDir"].get("sizeLimit") for volume in pod["volumes"] if "emptyDir" in volume)


def test_without_storage_the_data_are_in_the_pod() -> None:
    objects = by_identity(helm("viridian-system", "collector.storage.persistent=false"))
    pod = objects["Deployment", "viridian-system", "viridian-collector"]["spec"]["template"]["spec"]
    assert {"name": "data", "emptyDir": {"sizeLimit": "10Gi"}} in pod["volumes"]
    # One namespace keeps half of that at most, since the file system's size is that of the node.
    assert {"name": "VIRIDIAN_NAMESPACE_DISK_BYTES", "value": str(5 << 30)} in pod["containers"][0]["env"]
    assert ("PersistentVolumeClaim", "viridian-system", "viridian-collector") not in objects
    # The demo's node has no storage class.
    demo = by_identity(kustomize("demo/install"))["Deployment", "viridian-system", "viridian-collector"]
    assert demo["spec"]["template"]["spec"]["volumes"] == pod["volumes"]


@pytest.mark.parametrize("page", ["manifests/samples/modeldeployment.yaml", "demo/objects/churn.yaml", "README.md"])
def test_what_users_copy_begins_with_feedback_and_monitoring(page: str) -> None:
    text = (ROOT / page).read_text()
    first = text.partition("```yaml\n")[2].partition("```")[0] if page.endswith(".md") else text
    deployment = next(one for one in documents(first) if one["kind"] == "ModelDeployment")
    assert {"feedback", "monitoring"} <= set(deployment["spec"])


def test_a_collector_with_tls_is_called_and_probed_by_tls() -> None:
    objects = by_identity(helm("viridian-system", "collector.tls.existingSecret=collector-tls", "requireTls=true"))
    operator, container = _container(objects), _container(objects, "viridian-collector")
    address = "https://viridian-collector.viridian-system.svc:8090"
    assert {"name": "VIRIDIAN_COLLECTOR_URL", "value": address} in operator["env"]
    assert {"name": "VIRIDIAN_REQUIRE_TLS", "value": "on"} in operator["env"]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert environment["VIRIDIAN_TLS_CERT_FILE"] == "/etc/viridian/tls/tls.crt"
    assert {container[probe]["httpGet"]["scheme"] for probe in ("livenessProbe", "readinessProbe")} == {"HTTPS"}
    script = max(container["startupProbe"]["exec"]["command"], key=len)
    compile(script, "startup probe", "exec")
    assert "https://localhost:8090/readyz" in script
    pod = objects["Deployment", "viridian-system", "viridian-collector"]["spec"]["template"]
    assert {"name": "tls", "secret": {"secretName": "collector-tls"}} in pod["spec"]["volumes"]
    assert pod["metadata"]["annotations"]["prometheus.io/scheme"] == "https"


def test_the_operator_knows_the_collector_by_the_authority_that_pods_know_it_by() -> None:
    pod = by_identity(kustomize("manifests"))["Deployment", "viridian-system", "viridian-operator"]["spec"]["template"]
    (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == "collector-token"]
    made = collector_token.volume()["projected"]["sources"]
    assert sorted(volume["projected"]["sources"], key=str) == sorted(made, key=str)


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
