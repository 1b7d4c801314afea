"""The table in CONTRIBUTING.md names files and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRY = re.compile(r"`([a-z0-9_/]+\.py)`(?: `(\w+)`)?")


def entries() -> list[tuple[str, str]]:
    """File and name of each entry, the name empty where the whole file decides."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.partition("## Where things are decided")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 30
    for row in rows:
        assert ENTRY.search(row), f"no file in {row}"
    return [found for row in rows for found in ENTRY.findall(row)]


@pytest.mark.parametrize(("file", "name"), entries())
def test_what_the_table_names_is_there(file: str, name: str) -> None:
    path = ROOT / "operator" / "viridian" / file
    assert path.is_file()
    if name:
        assert name in defined(ast.parse(path.read_text()))


def defined(module: ast.Module) -> set[str]:
    """Functions, classes and constants of the module's top level."""
    names = set()
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
            if isinstance(target, ast.Name):
                names.add(target.id)
    return names
