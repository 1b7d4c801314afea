"""What tests of several folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator

# Before anything loads these libraries: both would report to their makers.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import pytest

from tests.support.control_plane import control_plane, kube, kubectl, namespace
from tests.support.mlflow_server import MlflowServer, mlflow_server

# One control plane for the whole session, started when the first test asks for it.
__all__ = ["control_plane", "kube", "kubectl", "mlflow", "namespace"]


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """One real MLflow server for the whole session; tests keep apart by the names of their models and experiments."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server
