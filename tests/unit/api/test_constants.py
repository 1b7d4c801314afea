"""What `api/reasons.py` and `api/names.py` define is used by the operator; what docs list as a reason is defined."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from viridian.api import reasons

ROOT = Path(__file__).resolve().parents[3]
OPERATOR = ROOT / "operator" / "viridian"
REASONS_TABLE = re.compile(r"^\|[^\n]*\breasons? \|[^\n]*\n(?:\|[^\n]*\n)+", re.MULTILINE)
CAPITALIZED = re.compile(r"`([A-Z][A-Za-z]+)(?:=[A-Z][a-z]+)?`")
OTHERS = {"False", "True", "Hold", "Review", "Quiet", "Fired"}


@pytest.mark.parametrize("module", ["reasons", "names"])
def test_what_is_defined_is_used(module: str) -> None:
    file = OPERATOR / "api" / f"{module}.py"
    used = {name for path in OPERATOR.rglob("*.py") for name in _used(path)}
    assert not set(_defined(file)) - used


@pytest.mark.parametrize("page", ["rollouts.md", "retraining.md", "monitoring.md"])
def test_reasons_in_tables_of_docs_are_defined(page: str) -> None:
    tables = REASONS_TABLE.findall((ROOT / "docs" / page).read_text())
    assert tables
    known = {value for name, value in vars(reasons).items() if name.isupper()}
    assert {word for table in tables for word in CAPITALIZED.findall(table)} - OTHERS <= known


def _defined(file: Path) -> Iterator[str]:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name):
                yield target.id


def _used(file: Path) -> Iterator[str]:
    """Names that are read there; an import alone uses nothing."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
