"""The receiver of events is off by default, the same both ways to install, and adds no more rights than it needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.install.rendering import ROOT, Object, by_identity, helm, helm_refusal, kustomize
from viridian.api.event_trigger import EVENTS_RESOURCE
from viridian.controller.config import parse

pytestmark = pytest.mark.needs_programs

ON = "events.enabled=true"
KEYS = "events.keys.ml=viridian-events-ml"


def with_components(tmp_path: Path, *components: str, overlay: str = "cluster-wide") -> dict[Any, Object]:
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    own = {
        "resources": [f"{root}/overlays/{overlay}"],
        "components": [f"{root}/components/{component}" for component in components],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    found = by_identity(kustomize(str(tmp_path)))
    found.pop(("Namespace", "", "viridian-system"), None)
    return found


def container(objects: dict[Any, Object], namespace: str = "viridian-system") -> Object:
    pod = objects["Deployment", namespace, "viridian-operator"]["spec"]["template"]["spec"]
    return dict(pod["containers"][0])


def settings(objects: dict[Any, Object]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(objects)["env"] if "value" in one}


def test_it_is_off_by_default() -> None:
    for objects in (by_identity(helm("viridian-system")), by_identity(kustomize("manifests"))):
        assert not [identity for identity in objects if "event" in identity[2]]
        assert not [name for name in settings(objects) if name.startswith("VIRIDIAN_EVENTS")]
        assert "events" not in [port["name"] for port in container(objects)["ports"]]


def test_both_ways_install_the_same_with_keys_and_tokens(tmp_path: Path) -> None:
    by_helm = by_identity(helm("viridian-system", ON, KEYS))
    assert by_helm == with_components(tmp_path, "events", "events-tokens")
    config = parse([], settings(by_helm))
    assert config.events_port == 8095
    assert config.events_keys == (("ml", "/var/run/secrets/viridian.dev/events/ml"),)
    assert config.events_tokens


def test_both_ways_install_the_same_for_one_namespace_without_a_right_elsewhere(tmp_path: Path) -> None:
    by_helm = by_identity(helm("ml", ON, KEYS, "events.tokens=false", "namespaces={ml}", "crds.install=false"))
    assert by_helm == with_components(tmp_path, "events", overlay="namespaced")
    assert not [kind for kind, _, _ in by_helm if kind.startswith("ClusterRole")]


@pytest.mark.parametrize("way", ["helm", "kustomize"])
def test_the_port_is_for_namespaces_that_say_that_they_send(way: str, tmp_path: Path) -> None:
    objects = by_identity(helm("viridian-system", ON)) if way == "helm" else with_components(tmp_path, "events")
    rules = objects["NetworkPolicy", "viridian-system", "viridian-operator"]["spec"]["ingress"]
    (rule,) = [rule for rule in rules if rule["ports"] == [{"port": "events", "protocol": "TCP"}]]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"viridian.dev/sends-events": "true"}}}]
    service = objects["Service", "viridian-system", "viridian-events"]["spec"]
    labels = objects["Deployment", "viridian-system", "viridian-operator"]["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(8095, "events")]


def test_no_sender_is_nobody_and_not_everybody() -> None:
    objects = by_identity(helm("viridian-system", ON, "events.from=null", "networkPolicy.metricsFrom=null"))
    assert objects["NetworkPolicy", "viridian-system", "viridian-operator"]["spec"]["ingress"] == []


@pytest.mark.parametrize("way", ["helm", "kustomize"])
def test_tokens_need_two_questions_and_the_right_to_send_is_a_role_of_its_own(way: str, tmp_path: Path) -> None:
    if way == "helm":
        before, after = by_identity(helm("viridian-system")), by_identity(helm("viridian-system", ON, KEYS))
    else:
        before = by_identity(kustomize("manifests"))
        after = with_components(tmp_path, "events", "events-tokens")
    new = {identity: one for identity, one in after.items() if identity not in before}
    assert {identity[0] for identity in new} == {"Service", "ClusterRole", "ClusterRoleBinding"}
    binding = new["ClusterRoleBinding", "", "viridian-operator-events"]
    assert binding["roleRef"]["name"] == "system:auth-delegator"
    assert [(one["name"], one["namespace"]) for one in binding["subjects"]] == [
        ("viridian-operator", "viridian-system")
    ]
    sender = new["ClusterRole", "", "viridian-event-sender"]
    assert sender["rules"] == [{"apiGroups": ["viridian.dev"], "resources": [EVENTS_RESOURCE], "verbs": ["create"]}]
    roles = {identity: one["rules"] for identity, one in before.items() if identity[0].endswith("Role")}
    assert roles == {identity: after[identity]["rules"] for identity in roles}, "the operator's own rights are the same"


def test_helm_passes_its_settings_on() -> None:
    objects = by_identity(
        helm(
            "viridian-system",
            ON,
            "events.keys.ads=a",
            "events.keys.ml=b",
            "events.rate=200",
            "events.tls.existingSecret=tls",
        )
    )
    config = parse([], settings(objects))
    folder = "/var/run/secrets/viridian.dev/events"
    assert config.events_keys == (("ads", f"{folder}/ads"), ("ml", f"{folder}/ml"))
    assert (config.events_rate, config.events_tls) == (200, Path("/etc/viridian/events-tls"))
    pod = objects["Deployment", "viridian-system", "viridian-operator"]["spec"]["template"]["spec"]
    mounted = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert mounted["events-ads"] == f"{folder}/ads"
    assert mounted["events-tls"] == "/etc/viridian/events-tls"
    assert {"name": "events-ml", "secret": {"secretName": "b", "optional": True}} in pod["volumes"]
    assert {"name": "events-tls", "secret": {"secretName": "tls"}} in pod["volumes"]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("events.keys.ML=a", "invalid propertyName 'ML'"),
        ("events.rate=0", "at '/events/rate'"),
        ("events.port=1", "at '/events'"),
        ("events.from[0].namespace=ml", "at '/events/from/0'"),
    ],
)
def test_helm_refuses_what_cannot_be(setting: str, sentence: str) -> None:
    assert sentence in helm_refusal("image.registry=viridian", ON, setting)
