"""What tests of several folders share."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

# Before anything loads these libraries: both would report to their makers.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
# Small models are fitted by one thread: a pool of them that waits actively takes the cores from everything else.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.control_plane import control_plane, kube, kubectl, namespace
from tests.support.mlflow_server import MlflowServer, mlflow_server

# One control plane for a whole process of tests, started when the first one asks for it.
__all__ = ["control_plane", "kube", "kubectl", "mlflow", "namespace"]


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real MLflow server for a whole process of tests; they keep apart by the names of models and experiments."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


class OneNode(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Processes share the files among them, each whole; all that needs the node is one piece, for there is one node."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "the node" if path.startswith("tests/cluster/") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneNode:
    return OneNode(config, log)


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
