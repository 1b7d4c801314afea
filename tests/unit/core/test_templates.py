"""Templates that are limited to resources, scheduling and plain environment: what is taken, and what is named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.templates import HARMLESS, IMAGES, TOO_MUCH, template
from viridian.api.modeldeployment import Server
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.api.run_stages import Stage
from viridian.core.templates import NO_LIMITS, TemplateRules, Templates, of_server, of_stage

LIMITED = TemplateRules(Templates.RESOURCES_ONLY, IMAGES)
Object = dict[str, Any]


def said(kind: str, made: Object, rules: TemplateRules = LIMITED) -> str:
    if kind == MODEL_DEPLOYMENT:
        return of_server(msgspec.convert({"template": made}, Server), rules)
    return of_stage(msgspec.convert({"template": made}, Stage), "training", rules)


@pytest.mark.parametrize("kind", [MODEL_DEPLOYMENT, RETRAIN_POLICY])
@pytest.mark.parametrize("what", HARMLESS)
def test_what_is_harmless_is_taken(kind: str, what: str) -> None:
    assert said(kind, template(kind, HARMLESS[what])) == ""


@pytest.mark.parametrize("kind", [MODEL_DEPLOYMENT, RETRAIN_POLICY])
@pytest.mark.parametrize("what", TOO_MUCH)
def test_what_is_too_much_is_named(kind: str, what: str) -> None:
    made = template(kind, TOO_MUCH[what])
    sentence, (pod, inside) = said(kind, made), TOO_MUCH[what]
    (field,) = pod or inside
    assert f".{field}" in sentence
    assert "--templates=resources-only" in sentence
    assert said(kind, made, NO_LIMITS) == ""


@pytest.mark.parametrize(
    ("made", "path"),
    [
        ({"spec": {"containers": [{"name": "side", "image": "evil"}]}}, "template.spec.containers[side]"),
        ({"spec": {"containers": [{"name": "server", "image": "evil"}]}}, "template.spec.containers[server].image"),
        ({"spec": {"initContainers": [{"name": "fetch", "$patch": "delete"}]}}, "initContainers[fetch].$patch"),
        ({"spec": {"containers": None}}, "template.spec.containers"),
        ({"metadata": {"annotations": {"vault.hashicorp.com/agent-inject": "true"}}}, "template.metadata.annotations"),
        ({"metadata": {"labels": {"azure.workload.identity/use": "true"}}}, "template.metadata.labels"),
    ],
)
def test_a_fragment_is_limited_everywhere(made: Object, path: str) -> None:
    assert path in said(MODEL_DEPLOYMENT, made)


def test_labels_and_annotations_that_nobody_acts_on_are_taken() -> None:
    metadata = {"labels": {"team": "a", "app.kubernetes.io/version": "1"}, "annotations": {"prometheus.io/port": "1"}}
    assert said(MODEL_DEPLOYMENT, {"metadata": metadata}) == ""


def test_a_server_of_ones_own_is_too_much() -> None:
    assert "spec.server.runtime: Custom" in of_server(msgspec.convert({"runtime": "Custom"}, Server), LIMITED)


@pytest.mark.parametrize(
    ("image", "taken"),
    [
        ("registry.example.com/trainers/churn:1", True),
        ("registry.example.com/one:1", True),
        ("registry.example.com/one:12", False),
        ("evil/registry.example.com/trainers/churn:1", False),
    ],
)
def test_stages_run_the_images_that_are_listed(image: str, taken: bool) -> None:
    made = {"spec": {"containers": [{"name": "train", "image": image}]}}
    assert (said(RETRAIN_POLICY, made) == "") is taken
    assert "containers[train].image" in said(RETRAIN_POLICY, made, TemplateRules(Templates.RESOURCES_ONLY))


def test_a_stage_has_one_container() -> None:
    made = template(RETRAIN_POLICY, HARMLESS["nothing"])
    made["spec"]["containers"].append({"name": "side", "image": "registry.example.com/one:1"})
    assert "spec.containers[side]" in said(RETRAIN_POLICY, made)
