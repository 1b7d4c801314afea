"""What the README tells people to write is what the API server takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kube import Kubectl

README = Path(__file__).resolve().parents[2] / "README.md"
DOCUMENTS: list[dict[str, Any]] = [
    document
    for block in re.findall(r"```yaml\n(.*?)```", README.read_text(), flags=re.S)
    for document in yaml.safe_load_all(block)
]
WHOLE = [document for document in DOCUMENTS if "kind" in document]
PARTS = [document for document in DOCUMENTS if "kind" not in document]
"""Of a ModelDeployment's spec."""


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
