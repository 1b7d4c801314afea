"""What platform teams ask of an installation: one registry, spread, proxies, private authorities, assigned user ids."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.unit.install.rendering import ROOT, Identity, Object, by_identity, helm, helm_refusal, kustomize
from viridian.controller.config import parse

pytestmark = pytest.mark.needs_programs

EVERYTHING: Final = ("mlflow.install=true", "dashboard.enabled=true", "events.enabled=true")
CALLING_OUTSIDE: Final = ("operator", "collector", "mlflow")
PARTS: Final = (*CALLING_OUTSIDE, "dashboard")


def pod_of(objects: dict[Identity, Any], part: str) -> Any:
    return objects["Deployment", "viridian-system", f"viridian-{part}"]["spec"]["template"]["spec"]


def environment(pod: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in pod["containers"][0]["env"] if "value" in one}


def installed(*settings: str) -> dict[Identity, Any]:
    return by_identity(helm("viridian-system", *EVERYTHING, *settings))


def test_a_registry_for_all_charts_is_one_for_these_images_unless_image_registry_names_another() -> None:
    shared = ("global.imageRegistry=r.example.com:5000", "global.imagePullSecrets[0].name=login")
    objects = installed(*shared, "image.registry=", "imagePullSecrets[0].name=own")
    for part in PARTS:
        assert pod_of(objects, part)["containers"][0]["image"] == f"r.example.com:5000/viridian/{part}:0.1.0"
        assert pod_of(objects, part)["imagePullSecrets"] == [{"name": "login"}, {"name": "own"}]
    config = parse([], environment(pod_of(objects, "operator")))
    assert config.server_image == "r.example.com:5000/viridian/server:0.1.0"
    assert config.trainer_image == "r.example.com:5000/viridian/trainer:0.1.0"
    assert config.image_pull_secrets == ("login", "own")
    nearer = installed(*shared, "image.registry=mirror/v")
    assert pod_of(nearer, "operator")["containers"][0]["image"] == "mirror/v/operator:0.1.0"


def test_pods_are_spread_over_zones_each_deployment_by_itself() -> None:
    objects = installed(
        "topologySpreadConstraints[0].topologyKey=topology.kubernetes.io/zone",
        "topologySpreadConstraints[0].maxSkew=1",
        "topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway",
        "priorityClassName=platform",
    )
    for part in PARTS:
        (constraint,) = pod_of(objects, part)["topologySpreadConstraints"]
        assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == part
        assert constraint["maxSkew"] == 1
        assert pod_of(objects, part)["priorityClassName"] == "platform"


def test_a_proxy_and_private_authorities_reach_all_that_calls_outside() -> None:
    settings = ("proxy.https=http://proxy:3128", "proxy.noProxy=.example.com", "caBundle.configMap=corporate-ca")
    objects = installed(*settings)
    for part in CALLING_OUTSIDE:
        pod = pod_of(objects, part)
        found = environment(pod)
        assert found["HTTPS_PROXY"] == "http://proxy:3128"
        assert found["NO_PROXY"] == "localhost,127.0.0.1,::1,.svc,.svc.cluster.local,.example.com"
        (volume,) = [one for one in pod["volumes"] if one.get("configMap", {}).get("name") == "corporate-ca"]
        (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == volume["name"]]
        (item,) = volume["configMap"]["items"]
        assert found["SSL_CERT_FILE"] == found["REQUESTS_CA_BUNDLE"] == f"{mount['mountPath']}/{item['path']}"
    config = parse([], environment(pod_of(objects, "operator")))
    assert dict(config.proxies).keys() == {"HTTPS_PROXY", "NO_PROXY"}
    assert config.ca_bundle == ("corporate-ca", "ca.crt")
    egress = objects["NetworkPolicy", "viridian-system", "viridian-operator"]["spec"]["egress"]
    assert 3128 in [port["port"] for rule in egress for port in rule.get("ports", ())]


def test_a_proxy_with_a_password_is_refused() -> None:
    assert "proxy" in helm_refusal("image.registry=r", "proxy.https=http://ann:sesame@proxy:3128")


def test_services_of_both_families() -> None:
    services = [one for (kind, _, _), one in installed("ipFamilyPolicy=PreferDualStack").items() if kind == "Service"]
    assert len(services) == 5
    assert {one["spec"]["ipFamilyPolicy"] for one in services} == {"PreferDualStack"}


def test_assigned_user_ids_both_ways(tmp_path: Path) -> None:
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    own = {
        "resources": [f"{root}/overlays/cluster-wide"],
        "components": [f"{root}/components/{name}" for name in ("mlflow", "dashboard", "assigned-user-ids")],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    by_kustomize = by_identity(kustomize(str(tmp_path)))
    del by_kustomize["Namespace", "", "viridian-system"]
    by_helm = by_identity(helm("viridian-system", "mlflow.install=true", "dashboard.enabled=true", "podUser=null"))
    assert by_helm == by_kustomize
    for part in PARTS:
        assert pod_of(by_helm, part)["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    assert parse([], environment(pod_of(by_helm, "operator"))).pod_user is None
    assert pod_of(installed("podUser=1000"), "collector")["securityContext"]["fsGroup"] == 1000


def test_the_values_for_several_teams_are_taken(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "multi-tenant.md").read_text()
    values = re.findall(r"^```yaml\n(# tenants\.yaml\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "tenants.yaml").write_text(values[0])
    objects = by_identity(helm("viridian-system", values=tmp_path / "tenants.yaml"))
    found = environment(pod_of(objects, "operator"))
    assert found["VIRIDIAN_REGISTRY_MODELS"] == "ads=ads-*,search=search-*,=*"
    assert found["VIRIDIAN_TEMPLATES"] == "resources-only"
