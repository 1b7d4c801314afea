"""What the README tells people to write is what the API server takes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.binaries import program
from tests.support.kube import Kube, Kubectl

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCUMENTS: list[dict[str, Any]] = [
    document
    for block in re.findall(r"```yaml\n(.*?)```", README.read_text(), flags=re.S)
    for document in yaml.safe_load_all(block)
]
WHOLE = [document for document in DOCUMENTS if "kind" in document]
PARTS = [document for document in DOCUMENTS if "kind" not in document]
"""Of a ModelDeployment's spec."""


INSTALLING = [
    command
    for page in (README, *(README.parent / "docs" / name for name in ("operations.md", "tutorial.md")))
    for block in re.findall(r"```(?:bash|sh)\n(.*?)```", page.read_text(), flags=re.S)
    for command in block.replace("\\\n", " ").splitlines()
    if command.startswith(("helm install ", "kubectl apply -k "))
]
"""What the pages tell people to type for an installation, comments and all."""


@pytest.mark.parametrize("command", sorted(set(INSTALLING)), ids=lambda command: " ".join(command.split())[:90])
def test_what_installs_is_taken(kubectl: Kubectl, kube: Kube, command: str) -> None:
    """As it is typed, but as a dry run; Helm makes the namespace, and the node has no say in a dry run."""
    tool, *words = shlex.split(command, comments=True)
    arguments = [str(ROOT / word) if "/" in word and (ROOT / word).is_dir() else word for word in words]
    for namespace in ("viridian-system", "viridian-ads", "ml", "ads"):
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    if tool == "helm":
        rendered = Kubectl(program("helm"), kubectl.kubeconfig)("template", *arguments[1:])
        kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", stdin=rendered)
    else:
        kubectl(*arguments, "--server-side", "--force-conflicts", "--dry-run=server")


def test_both_ways_to_install_are_told_of() -> None:
    assert {command.split()[0] for command in INSTALLING} == {"helm", "kubectl"}


def _taken(kubectl: Kubectl, namespace: str, manifest: dict[str, Any]) -> None:
    manifest = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
    kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))


@pytest.mark.parametrize("manifest", WHOLE, ids=lambda manifest: str(manifest["kind"]))
def test_a_manifest_of_the_readme_is_taken(kubectl: Kubectl, namespace: str, manifest: dict[str, Any]) -> None:
    _taken(kubectl, namespace, manifest)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: ", ".join(part))
def test_a_part_of_a_spec_is_taken_with_the_first_manifest(
    kubectl: Kubectl, namespace: str, part: dict[str, Any]
) -> None:
    _taken(kubectl, namespace, {**WHOLE[0], "spec": {**WHOLE[0]["spec"], **part}})


PAGES = [ROOT / "docs" / "bounds.md", ROOT / "docs" / "gate.md", ROOT / "docs" / "stages.md"]
"""Pages whose whole manifests are applied as well."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_the_manifests_of_a_page_are_taken(kubectl: Kubectl, namespace: str, page: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), flags=re.S)
    manifests = [found for block in blocks for found in yaml.safe_load_all(block) if "kind" in found]
    assert manifests
    for manifest in manifests:
        _taken(kubectl, namespace, manifest)
