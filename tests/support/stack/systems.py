"""The systems of the blueprint: which there are, where the example of each stands, and which have one by now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcluster.paths import REPOSITORY
from viridian.cli.known_tools import KNOWN_TOOLS, KnownTool

EXAMPLES: Final = REPOSITORY / "examples" / "stack"
TESTS: Final = REPOSITORY / "tests" / "stack"
RESULTS: Final = TESTS / "results"


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
        """The example and its test, in a fixed order."""
        example = (path for path in self.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return [*sorted(example), self.test]

    def digest(self) -> str:
        """Of the example and its test: a result is of these files and of no others."""
        found = hashlib.sha256()
        for path in self.files():
            content = path.read_bytes()
            found.update(f"{path.relative_to(REPOSITORY).as_posix()} {len(content)}\n".encode() + content)
        return found.hexdigest()[:32]


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
