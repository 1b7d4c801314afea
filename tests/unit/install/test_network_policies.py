"""Who may talk to operator, collector and MLflow, both ways to install."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.install.rendering import ROOT, Object, by_identity, helm, kustomize
from viridian.api.network import DEFAULT_METRICS_FROM, parse_peers
from viridian.rollout.render.network_policy import OPERATOR_POD

pytestmark = pytest.mark.needs_programs

WAYS = pytest.mark.parametrize("way", ["kustomize", "helm"])
ELSEWHERE = "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=watch"


def rendered(way: str, tmp_path: Path, *components: str, settings: tuple[str, ...] = ()) -> dict[Any, Object]:
    if way == "helm":
        return by_identity(helm("viridian-system", *settings))
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    own = {
        "resources": [f"{root}/overlays/cluster-wide"],
        "components": [f"{root}/components/{component}" for component in components],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    return by_identity(kustomize(str(tmp_path)))


def policy_of(objects: dict[Any, Object], name: str) -> Object:
    return dict(objects["NetworkPolicy", "viridian-system", f"viridian-{name}"]["spec"])


def variables(objects: dict[Any, Object]) -> dict[str, Any]:
    pod = objects["Deployment", "viridian-system", "viridian-operator"]["spec"]["template"]["spec"]
    return {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}


@WAYS
@pytest.mark.parametrize("name", ["operator", "collector", "dashboard", "mlflow"])
def test_each_policy_is_about_the_pods_of_its_deployment(way: str, name: str, tmp_path: Path) -> None:
    settings = ("mlflow.install=true", "dashboard.enabled=true")
    objects = rendered(way, tmp_path, "mlflow", "dashboard", settings=settings)
    labels = objects["Deployment", "viridian-system", f"viridian-{name}"]["spec"]["template"]["metadata"]["labels"]
    selected = policy_of(objects, name)["podSelector"]["matchLabels"]
    assert selected.items() <= labels.items()
    assert selected["app.kubernetes.io/component"] == name


@WAYS
def test_the_operator_is_where_the_policies_of_models_let_it_in_from(way: str, tmp_path: Path) -> None:
    objects = rendered(way, tmp_path)
    labels = objects["Deployment", "viridian-system", "viridian-operator"]["spec"]["template"]["metadata"]["labels"]
    assert OPERATOR_POD.items() <= labels.items()
    others = objects["Deployment", "viridian-system", "viridian-collector"]["spec"]["template"]["metadata"]["labels"]
    assert not OPERATOR_POD.items() <= others.items()


@WAYS
def test_metrics_are_for_the_namespace_monitoring_unless_said_otherwise(way: str, tmp_path: Path) -> None:
    objects = rendered(way, tmp_path)
    (rule,) = policy_of(objects, "operator")["ingress"]
    assert rule["ports"] == [{"port": "metrics", "protocol": "TCP"}]
    assert rule["from"] == list(parse_peers(DEFAULT_METRICS_FROM))
    assert variables(objects)["VIRIDIAN_METRICS_FROM"] == DEFAULT_METRICS_FROM
    assert variables(objects)["VIRIDIAN_NETWORK_POLICIES"] == "on"


def test_one_setting_names_prometheus_for_the_operator_and_for_the_pods_of_models() -> None:
    objects = by_identity(helm("viridian-system", ELSEWHERE))
    (rule,) = policy_of(objects, "operator")["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"team": "watch"}}}]
    assert json.loads(variables(objects)["VIRIDIAN_METRICS_FROM"]) == rule["from"]


def test_no_peer_is_nobody_and_not_everybody() -> None:
    """In a NetworkPolicy an empty list of peers would be everybody."""
    objects = by_identity(helm("viridian-system", "networkPolicy.metricsFrom=null"))
    assert policy_of(objects, "operator")["ingress"] == []
    assert variables(objects)["VIRIDIAN_METRICS_FROM"] == "[]"


def ports_anywhere(policy: Object) -> set[tuple[int, str]]:
    return {(one["port"], one["protocol"]) for rule in policy["egress"] if "to" not in rule for one in rule["ports"]}


@WAYS
def test_the_operator_reaches_what_it_needs(way: str, tmp_path: Path) -> None:
    policy = policy_of(rendered(way, tmp_path), "operator")
    assert {(53, "UDP"), (53, "TCP"), (443, "TCP"), (6443, "TCP"), (5000, "TCP")} <= ports_anywhere(policy)
    peers = [peer for rule in policy["egress"] for peer in rule.get("to", [])]
    models = {"matchExpressions": [{"key": "viridian.dev/model-deployment", "operator": "Exists"}]}
    assert {"namespaceSelector": {}, "podSelector": models} in peers
    assert any(
        peer["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/component") == "collector" for peer in peers
    )


@pytest.mark.parametrize(
    ("setting", "port"),
    [
        ("mlflow.uri=http://mlflow.ml.svc:8085", 8085),
        ("mlflow.uri=http://mlflow.example.com", 80),
        ("mlflow.uri=http://[fd00::1]:8086/path", 8086),
        ("mlflow.uri=https://mlflow.example.com/path", 443),
        ("collector.url=http://collector.example:9000", 9000),
        ("networkPolicy.apiServerPorts={7443}", 7443),
    ],
)
def test_addresses_that_are_given_are_reached(setting: str, port: int) -> None:
    policy = policy_of(by_identity(helm("viridian-system", setting)), "operator")
    assert (port, "TCP") in ports_anywhere(policy)


def test_more_rules_can_be_added() -> None:
    objects = by_identity(
        helm(
            "viridian-system",
            "mlflow.install=true",
            "networkPolicy.egress[0].ports[0].port=3128",
            "networkPolicy.mlflowFrom[0].namespaceSelector.matchLabels.team=notebooks",
        )
    )
    assert {"ports": [{"port": 3128}]} in policy_of(objects, "operator")["egress"]
    (rule,) = policy_of(objects, "mlflow")["ingress"]
    assert {"namespaceSelector": {"matchLabels": {"team": "notebooks"}}} in rule["from"]


@WAYS
def test_everybody_reaches_the_collector_and_nothing_else_of_it(way: str, tmp_path: Path) -> None:
    policy = policy_of(rendered(way, tmp_path), "collector")
    assert policy["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]


@WAYS
def test_the_registry_to_begin_with_is_for_viridians_own_pods(way: str, tmp_path: Path) -> None:
    objects = rendered(way, tmp_path, "mlflow", settings=("mlflow.install=true",))
    (rule,) = policy_of(objects, "mlflow")["ingress"]
    assert len(rule["from"]) == 3
    for peer in rule["from"]:
        assert peer["podSelector"], "an empty selector would let in everybody"


@WAYS
def test_where_they_are_not_wanted_there_are_none_and_the_operator_makes_none(way: str, tmp_path: Path) -> None:
    off = ("mlflow.install=true", "networkPolicy.enabled=false")
    objects = rendered(way, tmp_path, "mlflow", "without-network-policies", settings=off)
    assert not [identity for identity in objects if identity[0] == "NetworkPolicy"]
    assert variables(objects)["VIRIDIAN_NETWORK_POLICIES"] == "off"
