"""The dashboard as it is installed: without rights, reached and reaching no more than it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.install.rendering import by_identity, helm, kustomize
from tests.unit.install.test_both_ways import of_own
from viridian.dashboard.dashboard_settings import DASHBOARD_PORT, parse

pytestmark = pytest.mark.needs_programs

IDENTITY = ("Deployment", "viridian-system", "viridian-dashboard")


def test_both_ways_make_the_same_dashboard(tmp_path: Path) -> None:
    by_kustomize = by_identity(of_own(tmp_path, {}, "dashboard"))
    del by_kustomize["Namespace", "", "viridian-system"]
    by_helm = by_identity(helm("viridian-system", "dashboard.enabled=true"))
    assert by_helm == by_kustomize
    assert {identity[0] for identity in set(by_helm) - set(by_identity(helm("viridian-system")))} == {
        "Deployment",
        "Service",
        "NetworkPolicy",
    }, "no ServiceAccount and no Role: people bring their own rights"


def test_the_demo_has_it_for_a_person_with_rights_to_one_namespace() -> None:
    objects = by_identity(kustomize("demo/dashboard"))
    (container,) = objects[IDENTITY]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "viridian/dashboard:dev"
    (person,) = objects["RoleBinding", "viridian-demo", "person-edits"]["subjects"]
    assert ("ServiceAccount", person["namespace"], person["name"]) in objects
    assert {kind for kind, *_ in objects} == {"Deployment", "Service", "NetworkPolicy", "ServiceAccount", "RoleBinding"}


def test_the_pod_has_no_token() -> None:
    objects = by_identity(helm("viridian-system", "dashboard.enabled=true"))
    pod = objects[IDENTITY]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["volumes"] == [{"name": "api-server", "configMap": {"name": "kube-root-ca.crt"}}]


def test_settings_reach_the_process(tmp_path: Path) -> None:
    given = (
        "dashboard.enabled=true",
        "dashboard.namespaces={ml,shop}",
        "dashboard.tokenHeader=X-Forwarded-Access-Token",
        "dashboard.tls.existingSecret=dashboard-tls",
    )
    container = by_identity(helm("viridian-system", *given))[IDENTITY]["spec"]["template"]["spec"]["containers"][0]
    variables = {one["name"]: one["value"] for one in container["env"]}
    authority = tmp_path / "ca.crt"
    authority.touch()
    cluster = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "VIRIDIAN_DASHBOARD_API_CA_FILE": str(authority)}
    settings = parse([], {**variables, **cluster})
    assert settings.namespaces == ("ml", "shop")
    assert settings.token_header == "X-Forwarded-Access-Token"
    assert settings.tls_cert_file == Path("/etc/viridian/tls/tls.crt")
    assert (
        container["ports"]
        == [{"name": "http", "containerPort": DASHBOARD_PORT}]
        == [{"name": "http", "containerPort": settings.port}]
    )
    assert {container[f"{probe}Probe"]["httpGet"]["scheme"] for probe in ("liveness", "readiness")} == {"HTTPS"}


def test_both_ways_let_people_label_on_it(tmp_path: Path) -> None:
    by_kustomize = by_identity(of_own(tmp_path, {}, "dashboard", "dashboard-labels"))
    del by_kustomize["Namespace", "", "viridian-system"]
    assert (
        by_identity(helm("viridian-system", "dashboard.enabled=true", "dashboard.labels.enabled=true")) == by_kustomize
    )


def test_the_collector_of_the_labels_has_its_own_authority(tmp_path: Path) -> None:
    given = ("dashboard.enabled=true", "dashboard.labels.enabled=true", "collector.tls.existingSecret=collector-tls")
    pod = by_identity(helm("viridian-system", *given))[IDENTITY]["spec"]["template"]["spec"]
    assert {"name": "collector", "configMap": {"name": "viridian-collector-ca"}} in pod["volumes"]
    variables = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    assert variables["VIRIDIAN_DASHBOARD_COLLECTOR"] == "https://viridian-collector.viridian-system.svc:8090"
    assert variables["VIRIDIAN_DASHBOARD_COLLECTOR_CA_FILE"] == "/etc/viridian/collector/ca.crt"
    elsewhere = (*given[:2], "collector.install=false", "collector.url=https://rows.example.com")
    policy = by_identity(helm("viridian-system", *elsewhere))["NetworkPolicy", *IDENTITY[1:]]["spec"]
    assert {"ports": [{"port": 443, "protocol": "TCP"}]} in policy["egress"]


def test_an_operator_for_some_namespaces_shows_those() -> None:
    objects = by_identity(helm("ml", "namespaces={ml}", "crds.install=false", "dashboard.enabled=true"))
    container = objects["Deployment", "ml", "viridian-dashboard"]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "VIRIDIAN_DASHBOARD_NAMESPACES", "value": "ml"} in container["env"]


def test_it_reaches_the_api_server_alone() -> None:
    objects = by_identity(helm("viridian-system", "dashboard.enabled=true", "networkPolicy.apiServerPorts={7443}"))
    policy = objects["NetworkPolicy", "viridian-system", "viridian-dashboard"]["spec"]
    assert policy["egress"] == [{"ports": [{"port": 7443, "protocol": "TCP"}]}]
    nobody = by_identity(helm("viridian-system", "dashboard.enabled=true", "dashboard.from=null"))
    assert nobody["NetworkPolicy", "viridian-system", "viridian-dashboard"]["spec"]["ingress"] == []
