"""A further installation beside the first one: no name is shared, and the shared policies hold its operator as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.unit.install.rendering import ROOT, Identity, by_identity, helm, kustomize

pytestmark = pytest.mark.needs_programs

SELECTOR: Final = "team in (ads)"
SETTINGS: Final = (
    "crds.install=false",
    "admissionPolicies.enabled=false",
    "serviceAccount.name=viridian-operator",
    f"selector={SELECTOR}",
)
"""As docs/operations.md has them."""
FIRST: Final[dict[str, Callable[[], Any]]] = {
    "helm": lambda: helm("viridian-system"),
    "kustomize": lambda: kustomize("manifests"),
}
FURTHER: Final[dict[str, Callable[[], Any]]] = {
    "helm": lambda: helm("viridian-ads", *SETTINGS, release="ads"),
    "kustomize": lambda: kustomize("manifests/overlays/beside-another"),
}


def further(way: str) -> dict[Identity, Any]:
    return by_identity(FURTHER[way]())


@pytest.mark.parametrize("way", FURTHER)
@pytest.mark.parametrize("first", FIRST)
def test_it_shares_no_name_with_the_first(way: str, first: str) -> None:
    assert not further(way).keys() & by_identity(FIRST[first]()).keys()


@pytest.mark.parametrize("way", FURTHER)
def test_it_holds_a_lease_of_its_own_that_its_role_names(way: str) -> None:
    objects = further(way)
    (operator,) = [one for (kind, _, name), one in objects.items() if kind == "Deployment" and "operator" in name]
    (role,) = [one for (kind, _, name), one in objects.items() if kind == "Role" and name.endswith("-leader")]
    environment = {entry["name"]: entry.get("value") for entry in container(operator)["env"]}
    assert environment["VIRIDIAN_SELECTOR"] == SELECTOR
    assert [environment["VIRIDIAN_LEASE"]] in [rule.get("resourceNames") for rule in role["rules"]]
    assert {one["metadata"]["namespace"] for one in (operator, role)} == {"viridian-ads"}


@pytest.mark.parametrize("way", FURTHER)
def test_the_policies_of_the_first_hold_its_operator(way: str) -> None:
    """They know the operator's user by the name of its ServiceAccount, in whichever namespace."""
    policy = by_identity(kustomize("manifests"))["ValidatingAdmissionPolicy", "", "viridian-operator"]
    condition = policy["spec"]["matchConditions"][0]["expression"]
    bindings = [one for (kind, _, _), one in further(way).items() if kind == "ClusterRoleBinding"]
    users = [subject["name"] for one in bindings for subject in one["subjects"] if "operator" in one["roleRef"]["name"]]
    assert users == ["viridian-operator"]
    assert f"endsWith(':{users[0]}')" in condition


def test_docs_have_these_settings() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    for setting in SETTINGS:
        name, value = setting.split("=", 1)
        assert f"--set {name}={value}" in page or f"--set {name}='{value}'" in page
    assert "manifests/overlays/beside-another" in page


def container(deployment: Any) -> Any:
    return deployment["spec"]["template"]["spec"]["containers"][0]
