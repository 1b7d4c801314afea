"""The systems of the blueprint: which there are, where the example of each stands, and which have one by now."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcluster.paths import REPOSITORY
from viridian.cli.known_tools import KNOWN_TOOLS, KnownTool

EXAMPLES: Final = REPOSITORY / "examples" / "stack"
TESTS: Final = REPOSITORY / "tests" / "stack"
RESULTS: Final = TESTS / "results"
OPERATOR: Final = REPOSITORY / "operator" / "viridian"

_JOINED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "git": ("training/resolvers/git_files.py",),
    "dvc": ("training/resolvers/dvc_files.py", "training/resolvers/git_files.py"),
    "lakefs": ("training/resolvers/lakefs_files.py",),
    "quilt": ("training/resolvers/buckets.py",),
    "s3": ("training/resolvers/buckets.py",),
    "mlflow": ("receiver/event_formats.py",),
    "pytest": ("training/junit.py", "training/junit_xml.py"),
    **dict.fromkeys(("jenkins", "gitlab-ci", "github-actions"), ("cli/wait_command.py",)),
}
"""What manifests, pipelines and webhooks of an example call: resolvers, adapters, a command."""


@dataclass(frozen=True)
class StackSystem:
    """One system, by the name that it has in the table of tools."""

    name: str

    @property
    def slug(self) -> str:
        """Its name in paths, such as `great-expectations`."""
        return self.name.lower().removesuffix(".ai").replace("&", "and").replace(" ", "-")

    @property
    def tool(self) -> KnownTool:
        """What the table of tools knows of it."""
        return next(tool for tool in KNOWN_TOOLS if tool.name == self.name)

    @property
    def folder(self) -> Path:
        return EXAMPLES / self.slug

    @property
    def lock(self) -> Path:
        return self.folder / "lock.txt"

    @property
    def node_lock(self) -> Path:
        """Of the packages of npm; there where the example needs any."""
        return self.folder / "package-lock.json"

    @property
    def test(self) -> Path:
        return TESTS / f"test_{self.slug.replace('-', '_')}.py"

    @property
    def result(self) -> Path:
        return RESULTS / f"{self.slug}.json"

    def files(self) -> list[Path]:
        """The example, its test, and what of ours it is joined by, in a fixed order."""
        example = (path for path in self.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        found = sorted(example)
        imported = {module for path in found if path.suffix == ".py" for module in _imported_modules(path)}
        return [*found, self.test, *sorted({OPERATOR / path for path in _JOINED_BY.get(self.slug, ())} | imported)]

    def digest(self) -> str:
        """Of these files: a result is of them and of no others."""
        found = hashlib.sha256()
        for path in self.files():
            content = path.read_bytes()
            found.update(f"{path.relative_to(REPOSITORY).as_posix()} {len(content)}\n".encode() + content)
        return found.hexdigest()[:32]


def _imported_modules(path: Path) -> Iterator[Path]:
    """The modules of ours that a file imports; a package counts for nothing, since only others are in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("viridian"):
            parts = str(node.module).split(".")[1:]
            place = OPERATOR.joinpath(*parts)
            candidates = (place.with_suffix(".py"), *(place / f"{name.name}.py" for name in node.names))
            yield from (candidate for candidate in candidates if candidate.is_file())


CATEGORIES: Final = {
    "Data": ("Git", "DVC", "lakeFS", "Quilt", "S3"),
    "Features": ("Feast", "Tecton", "SageMaker Feature Store"),
    "Tracking and registry": ("MLflow", "Weights & Biases", "Comet", "Neptune.ai"),
    "Orchestration": ("Airflow", "Prefect", "Dagster"),
    "Checks": ("Great Expectations", "Evidently", "whylogs", "Arize", "pytest"),
    "Pipelines and tickets": ("Jenkins", "GitLab CI", "GitHub Actions", "Jira"),
}
BESIDE_THE_BLUEPRINT: Final = ("S3",)
"""What the blueprint does not name, and many teams have in the place of one of its systems."""
SYSTEMS: Final = tuple(StackSystem(name) for names in CATEGORIES.values() for name in names)


def with_example() -> list[StackSystem]:
    """Those that have an example with a test."""
    return [system for system in SYSTEMS if system.test.exists()]


def named(slug: str) -> StackSystem:
    """The system with this name in paths."""
    return next(system for system in SYSTEMS if system.slug == slug)
