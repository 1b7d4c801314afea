"""The operator may do exactly what its code does: every call is allowed, and nothing is allowed that is not called."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit.install.rendering import ROOT, Object, helm, kustomize
from viridian.api.child_kinds import CHILD_KINDS, GATEWAY_KINDS, ChildKind
from viridian.api.names import GROUP
from viridian.api.resources import OWN
from viridian.controller.own_names import ORDERS_SECRET
from viridian.ports.kubernetes import RESOURCES
from viridian.ports.kubernetes_event import EVENTS
from viridian.retraining.stages.stage_table import STAGE_KINDS

pytestmark = pytest.mark.needs_programs

Right = tuple[str, str, str]
"""API group, resource, verb."""

VIRIDIAN = ROOT / "operator" / "viridian"
DECIDING = tuple(file for room in ("rollout", "retraining", "monitoring") for file in (VIRIDIAN / room).rglob("*.py"))

# The API server asks for these on behalf of others: the operator's calls of the collector (viridian.ports.collector),
# which asks whether they are allowed, and the finalizers that an owner reference may set.
FEEDBACK = {(GROUP, "modeldeployments/feedback", verb) for verb in ("get", "patch")}
FINALIZERS = {(GROUP, f"{own.plural}/finalizers", "update") for own in OWN}
SCANNING = {("apiextensions.k8s.io", "customresourcedefinitions", verb) for verb in ("list", "watch")}


# Decisions about stages do not name the kind of the object that does the work: they make and delete any of these.
STAGES = {(kind.api_version, kind.kind) for kind in STAGE_KINDS.values()}


def needed() -> set[Right]:
    """Every right that the operator uses, as the API server authorizes it."""
    rights = FINALIZERS | FEEDBACK | {right((EVENTS, "Event"), "create")}
    for own in OWN:
        rights |= {(own.group, own.plural, verb) for verb in ("get", "list", "watch")}
        rights |= {(own.group, f"{own.plural}/status", "patch")}
    return rights | {(row.resource.group, row.resource.plural, verb) for row in CHILD_KINDS for verb in row.verbs}


def used(row: ChildKind) -> set[str]:
    """What the code does with a kind: everything is watched, and what has a name of its own is read by it."""
    kind = (row.resource.api_version, row.resource.kind)
    verbs = {"list", "watch"}
    if any(row.names_for(own.kind, "churn") for own in OWN):
        verbs |= {"get"}
    if kind in STAGES:
        verbs |= {"patch", "create", "delete"}
    if kind in kinds_in(DECIDING, _made):
        # Server-side apply is a patch, and a creation where there is no such object yet.
        verbs |= {"patch", "create"}
    if kind in kinds_in(DECIDING, lambda node: _named(node, "Delete")):
        verbs |= {"delete"}
    if kind in kinds_in(DECIDING, lambda node: _named(node, "Annotate")):
        verbs |= {"get", "patch"}
    return verbs


@pytest.mark.parametrize("row", [*CHILD_KINDS, *GATEWAY_KINDS], ids=lambda row: row.resource.kind)
def test_the_table_names_the_verbs_that_the_code_uses(row: ChildKind) -> None:
    assert set(row.verbs) == used(row)


Kind = tuple[str, str]


def right(kind: Kind, verb: str) -> Right:
    group = kind[0].rpartition("/")[0]
    return group, RESOURCES[kind].plural, verb


def kinds_in(sources: tuple[Path, ...], find: object) -> set[Kind]:
    assert callable(find)
    found = {kind for source in sources for node in ast.walk(ast.parse(source.read_text())) for kind in find(node)}
    assert found, "nothing was found: has the code been renamed?"
    return found


def _pair(nodes: list[ast.expr]) -> Iterator[Kind]:
    """apiVersion and kind where both are written as text; those of our own kinds are names, and counted elsewhere."""
    values = [text for node in nodes[:2] if (text := _text(node)) is not None]
    if len(values) == 2 and (values[0], values[1]) in RESOURCES:
        yield values[0], values[1]


def _named(node: ast.AST, name: str) -> Iterator[Kind]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
        yield from _pair(node.args)


def _made(node: ast.AST) -> Iterator[Kind]:
    """Whole manifests."""
    if isinstance(node, ast.Dict):
        fields = {_text(key): value for key, value in zip(node.keys, node.values, strict=True)}
        if {"apiVersion", "kind", "metadata"} <= set(fields):
            yield from _pair([fields["apiVersion"], fields["kind"]])


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def allowed(objects: list[Object], kind: str) -> set[Right]:
    (role,) = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == "viridian-operator"]
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("way", ["kustomize", "helm"])
def test_cluster_wide_exactly_the_calls_are_allowed(way: str) -> None:
    objects = kustomize("manifests") if way == "kustomize" else helm("viridian-system")
    assert allowed(objects, "ClusterRole") == needed() | SCANNING


@pytest.mark.parametrize("way", ["kustomize", "helm"])
def test_namespaced_exactly_the_calls_are_allowed(way: str) -> None:
    objects = kustomize("manifests/overlays/namespaced") if way == "kustomize" else helm("ml", "namespaces={ml}")
    assert allowed(objects, "Role") == needed()


INSTALLS = {
    "kustomize": lambda: kustomize("manifests"),
    "kustomize, namespaced": lambda: kustomize("manifests/overlays/namespaced"),
    "helm": lambda: helm("viridian-system"),
    "helm, namespaced": lambda: helm("ml", "namespaces={ml}"),
}


@pytest.mark.parametrize("way", INSTALLS)
def test_of_secrets_the_operator_reaches_the_key_of_its_orders_alone(way: str) -> None:
    """In its own namespace. Whoever may create cannot be held to a name: RBAC does not know it yet."""
    objects = INSTALLS[way]()
    (role,) = [o for o in objects if o["kind"] == "Role" and o["metadata"]["name"] == "viridian-operator-orders"]
    (binding,) = [o for o in objects if o["kind"] == "RoleBinding" and o["roleRef"]["name"] == role["metadata"]["name"]]
    (operator,) = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == "viridian-operator"]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": [ORDERS_SECRET]},
    ]
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == operator["metadata"]["namespace"]
    assert [subject["name"] for subject in binding["subjects"]] == ["viridian-operator"]
    others = [rule for o in objects if o["kind"].endswith("Role") and o is not role for rule in o["rules"]]
    assert not [rule for rule in others if "secrets" in rule["resources"]]


@pytest.mark.parametrize("way", INSTALLS)
def test_of_leases_the_operator_reaches_its_own_alone(way: str) -> None:
    objects = INSTALLS[way]()
    (role,) = [o for o in objects if o["kind"] == "Role" and o["metadata"]["name"] == "viridian-operator-leader"]
    (binding,) = [o for o in objects if o["kind"] == "RoleBinding" and o["roleRef"]["name"] == role["metadata"]["name"]]
    (operator,) = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == "viridian-operator"]
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert role["rules"] == [
        {**leases, "verbs": ["create"]},
        {**leases, "verbs": ["get", "watch", "update"], "resourceNames": ["viridian-operator"]},
    ]
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == operator["metadata"]["namespace"]
    assert [subject["name"] for subject in binding["subjects"]] == ["viridian-operator"]
    others = [rule for o in objects if o["kind"].endswith("Role") and o is not role for rule in o["rules"]]
    assert not [rule for rule in others if "leases" in rule["resources"]]


def test_specs_and_secrets_are_out_of_reach() -> None:
    rights = allowed(kustomize("manifests"), "ClusterRole")
    own = {resource.plural for resource in OWN}
    assert {verb for _, resource, verb in rights if resource in own} == {"get", "list", "watch"}
    assert not [right for right in rights if "secrets" in right or "*" in right]


@pytest.mark.parametrize(
    "render", [lambda: helm("viridian-system"), lambda: kustomize("manifests")], ids=["helm", "kustomize"]
)
def test_rows_are_read_by_those_alone_who_are_given_that_right(render: Callable[[], list[Object]]) -> None:
    verbs: dict[str, set[str]] = {}
    holders: dict[str, set[str]] = {}
    for role in render():
        if role["kind"] not in ("ClusterRole", "Role"):
            continue
        name = role["metadata"]["name"]
        for rule in role["rules"]:
            if "modeldeployments/feedback" in rule["resources"]:
                verbs.setdefault(name, set()).update(rule["verbs"])
        holders[name] = {
            label.rpartition("-")[2] for label in role["metadata"].get("labels", {}) if "aggregate-to" in label
        }
    assert {name for name in verbs if "list" in verbs[name]} == {"viridian-feedback-reader"}
    assert holders["viridian-feedback-reader"] == {"admin"}
    assert verbs["viridian-edit"] == {"create", "get", "update"}
    assert not any(verbs[name] & {"delete", "*"} for name in verbs)


def test_kinds_of_stages_that_are_named_come_with_their_rights() -> None:
    ray = {"apiVersion": "ray.io/v1", "kind": "RayJob", "resource": "rayjobs"}
    train = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "resource": "trainjobs"}
    settings = [
        f"training.resources[{number}].{field}={value}"
        for number, one in enumerate((ray, train))
        for field, value in one.items()
    ]
    verbs = ("get", "create", "patch", "delete")
    more = {
        (group, plural, verb)
        for group, plural in (("ray.io", "rayjobs"), ("trainer.kubeflow.org", "trainjobs"))
        for verb in verbs
    }
    made = helm("viridian-system", *settings)
    assert allowed(made, "ClusterRole") - allowed(helm("viridian-system"), "ClusterRole") == more
    (deployment,) = [
        one for one in made if one["kind"] == "Deployment" and one["metadata"]["name"] == "viridian-operator"
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (told,) = [one["value"] for one in container["env"] if one["name"] == "VIRIDIAN_STAGE_RESOURCE"]
    assert told == "ray.io/v1/rayjobs=RayJob,trainer.kubeflow.org/v1alpha1/trainjobs=TrainJob"


@pytest.mark.parametrize("overlay", ["cluster-wide", "namespaced"])
def test_the_gateway_api_comes_with_its_rights_both_ways(overlay: str, tmp_path: Path) -> None:
    more = {(row.resource.group, row.resource.plural, verb) for row in GATEWAY_KINDS for verb in row.verbs}
    more |= {("gateway.networking.k8s.io", "gateways", "get")}
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    own = {"resources": [f"{root}/overlays/{overlay}"], "components": [f"{root}/components/gateway-api"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    kind, settings = ("ClusterRole", ()) if overlay == "cluster-wide" else ("Role", ("namespaces={ml}",))
    for made in (kustomize(str(tmp_path)), helm("ml", "gatewayApi.enabled=true", *settings)):
        assert allowed(made, kind) - needed() - SCANNING == more
        (operator,) = [o for o in made if o["kind"] == "Deployment" and o["metadata"]["name"] == "viridian-operator"]
        (container,) = operator["spec"]["template"]["spec"]["containers"]
        assert {"name": "VIRIDIAN_GATEWAY_API", "value": "on"} in container["env"]
