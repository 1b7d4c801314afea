"""Each whole manifest of our kinds in docs, README and examples has the fields and values that the CRDs allow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.support.documents import documents
from viridian.api import crd

ROOT: Final = Path(__file__).resolve().parents[3]
PAGES: Final = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md")
_BLOCK: Final = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCHEMAS: Final = {
    rendered["spec"]["names"]["kind"]: rendered["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for rendered in map(crd.render, crd.DEFINITIONS)
}


def strict(schema: Any) -> Any:
    """The schema, in which a field that the API server would drop is an error."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
        if not open_ended:
            made["additionalProperties"] = False
    return made


def manifests() -> Iterator[Any]:
    for page in PAGES:
        for block in _BLOCK.findall(page.read_text()):
            if "apiVersion: viridian.dev/" not in block:
                continue
            for number, document in enumerate(documents(block)):
                name = f"{page.name}-{(document.get('metadata') or {}).get('name', number)}"
                yield pytest.param(document, id=name)


@pytest.mark.parametrize("manifest", list(manifests()))
def test_a_manifest_is_what_the_crd_takes(manifest: Any) -> None:
    schema = strict(SCHEMAS[manifest["kind"]]["properties"]["spec"])
    problems = [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest.get("spec", {}))
    ]
    assert problems == []


def test_a_misspelt_field_is_found() -> None:
    manifest = {"kind": "ModelDeployment", "spec": {"model": {"registry": {"name": "churn"}}, "rollout": {"step": []}}}
    with pytest.raises(AssertionError, match="'step' was unexpected"):
        test_a_manifest_is_what_the_crd_takes(manifest)
