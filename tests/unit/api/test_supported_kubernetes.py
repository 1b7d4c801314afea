"""The rules of CRDs and policies use what the oldest supported Kubernetes knows.

An API server compiles new expressions with what the release before it knew, so that it can be rolled back. So a
function has to be a minor release older than the oldest supported one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.documents import document, documents

ROOT: Final = Path(__file__).resolve().parents[3]
INTRODUCED: Final = {
    r"\bsets\.\w+\(|\.format\(\[|\bstrings\.quote\(": 29,
    r"\b(isIP|ip|isCIDR|cidr)\(": 30,
    r"\bformat\.(named|dns|uri|uuid|byte|date)": 31,
    r"\.(fieldSelector|labelSelector)\(": 31,
    r"\.(transformList|transformMap|transformMapEntry)\(|\.(all|exists|existsOne)\(\s*\w+\s*,\s*\w+\s*,": 32,
    # A field with the name of a reserved word, which is no function; before, it is known by its escaped name alone.
    r"\bself(\.\w+)*\.(namespace|package|import|function|as|for|if|in|let|loop|return|var|void|while)\b(?!\()": 31,
    r"\b(isSemver|semver)\(": 33,
    r"\.(distinct|flatten|sort|sortBy|slice|reverse|first|last)\(|\blists\.range\(": 34,
}
"""Functions by the minor release that brought them: k8s.io/apiserver, pkg/cel/environment/base.go."""
FILES: Final = (
    *sorted((ROOT / "crds").rglob("viridian.dev_*.yaml")),
    *sorted((ROOT / "manifests" / "admission").glob("[!k]*.yaml")),
    ROOT / "manifests" / "components" / "governance" / "policies.yaml",
)


def oldest() -> int:
    version = document((ROOT / "charts" / "viridian" / "Chart.yaml").read_text())["kubeVersion"]
    found = re.match(r">=1\.(\d+)\.0-0$", version)
    assert found, version
    return int(found[1])


def expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("rule", "expression", "messageExpression", "valueExpression") and isinstance(inner, str):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def too_new(rule: str) -> dict[str, str]:
    """Each function that is used too early, and the release that brought it."""
    return {
        found[0]: f"1.{version}"
        for pattern, version in INTRODUCED.items()
        if version > oldest() - 1 and (found := re.search(pattern, rule))
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_function_is_known_there(file: Path) -> None:
    rules = [rule for document in documents(file.read_text()) for rule in expressions(document)]
    assert rules
    assert {name: since for rule in rules for name, since in too_new(rule).items()} == {}


@pytest.mark.parametrize(
    "rule", ["isIP(self)", "self.list.all(i, v, i < 3)", "format.named('uuid')", "self.l.distinct()"]
)
def test_a_function_that_is_too_new_is_found(rule: str) -> None:
    assert too_new(rule)
