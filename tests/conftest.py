"""What tests of several folders share."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before anything loads these libraries: both would report to their makers.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import pytest

from tests.support.control_plane import control_plane, kube, kubectl, namespace
from tests.support.mlflow_server import MlflowServer, mlflow_server

ROOT = Path(__file__).parent

# One control plane for a whole process of tests, started when the first one asks for it.
__all__ = ["control_plane", "kube", "kubectl", "mlflow", "namespace"]


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real MLflow server for a whole process of tests; they keep apart by the names of models and experiments."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Processes share the files among them, each whole; all that needs the node is one piece, for there is one node."""
    for item in items:
        place = item.path.relative_to(ROOT)
        item.add_marker(pytest.mark.xdist_group(place.parts[0] if place.parts[0] == "cluster" else str(place)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """For everyone who reads the end of a test run: what the tests have told of themselves, each figure by its name."""
    told: dict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.stats.get("passed", []):
        for figure, value in report.user_properties:
            told[str(figure)].append(str(value))
    for figure, lines in told.items():
        terminalreporter.section(figure)
        for line in sorted(lines):
            terminalreporter.line(line)
