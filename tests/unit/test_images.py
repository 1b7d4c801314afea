"""Each image installs its own lock alone: what its processes import must be there."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "operator" / "viridian"

ENTRIES: Final = {
    "operator": ["viridian.controller.main"],
    "server": ["viridian.serving.main", "viridian.serving.fetch.main"],
    "collector": [
        "viridian.feedback.main",
        "viridian.feedback.collector_app",
        "viridian.feedback.ingest.parquet_worker",
    ],
    "dashboard": ["viridian.dashboard.main"],
    "trainer": [f"viridian.training.{path.stem}" for path in sorted((SOURCES / "training").glob("*.py"))],
}
"""What runs in each image, or is imported by the scripts that users run there."""

BROUGHT: Final = {"xgboost"}
"""Of the user: what takes a model of such a library is called only where a script has it."""

IMPORTED: Final = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*(name for name in sys.modules if name.startswith("viridian.")))
"""


@pytest.mark.parametrize("image", ENTRIES)
def test_an_image_holds_what_its_modules_import(image: str) -> None:
    installed = _installed(image)
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *ENTRIES[image]], capture_output=True, text=True, check=True, cwd="/"
    )
    missing = {
        f"{module} imports {package}"
        for module in done.stdout.split()
        for package in _imports(module) - BROUGHT
        if _distributions(package).isdisjoint(installed)
    }
    assert not missing


def _installed(image: str) -> set[str]:
    text = (ROOT / "locks" / f"{image}.txt").read_text()
    return {line.partition("==")[0] for line in text.splitlines() if re.match(r"^[a-z0-9]", line)}


def _imports(module: str) -> set[str]:
    """Packages of others that the module imports, also within its functions."""
    found = set[str]()
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    for node in ast.walk(ast.parse(Path(spec.origin).read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found |= {name.partition(".")[0] for name in names}
    return found - sys.stdlib_module_names - {"viridian"}


def _distributions(package: str) -> set[str]:
    found = _known().get(package, [package])
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


@cache
def _known() -> Mapping[str, list[str]]:
    return packages_distributions()
