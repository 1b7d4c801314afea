"""Models of other libraries on the node: each is trained by its library, promoted, asked, and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.exported_network import WEIGHTS, network
from tests.support.kube import Kube
from tests.support.libraries.environment import logged
from tests.support.node.deployment import Deployed
from tests.support.node.populations import Fitted
from tests.support.node.registry import ClusterRegistry

pytestmark = pytest.mark.needs_programs
"""Programs of other people's: these libraries."""

KINDS = {
    "XGBoost": "xgboost_three_classes_that_stopped_early",
    "LightGBM": "lightgbm_calibrated",
    "CatBoost": "catboost_two_classes_with_gaps",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_another_library_serves_and_is_taken_back(
    kind: str, served: Deployed, registry: ClusterRegistry, kube: Kube, tmp_path: Path
) -> None:
    model = logged(KINDS[kind], tmp_path, registry.url)
    assert model["payload"] == "onnx"
    version = registry.register(served.registered, model["uri"], model["run"], model["digest"])
    serves_and_is_taken_back(kube, served, registry, version, model["rows"], model["values"])


def test_a_graph_that_was_made_elsewhere_serves_and_is_taken_back(
    served: Deployed, registry: ClusterRegistry, kube: Kube
) -> None:
    rows = pd.DataFrame(
        np.random.default_rng(4).normal(size=(80, 3)).astype(np.float32), columns=["age", "income", "visits"]
    )
    classes = pd.Series((rows.to_numpy() @ WEIGHTS).argmax(axis=1))
    graph = Fitted(network("class", "odds"), (rows[:40], classes[:40]), (rows[40:], classes[40:]))
    version = registry.publish_fitted(served.registered, graph)
    asked = {"columns": list(rows.columns), "data": rows[40:].to_numpy().tolist()}
    serves_and_is_taken_back(kube, served, registry, version, asked, classes[40:].tolist())


def serves_and_is_taken_back(
    kube: Kube, served: Deployed, registry: ClusterRegistry, version: str, rows: dict[str, Any], answers: list[Any]
) -> None:
    """The version is profiled, becomes champion and answers as its library does; then a person takes it back."""
    former = served.champion["version"]
    assert "viridian/profile.json" in registry.files(served.registered, version, "viridian")
    served.until_serves(version)
    address = f"/api/v1/namespaces/{served.namespace}/services/{served.name}:http/proxy/invocations"
    assert kube.request("POST", address, {"dataframe_split": rows})["predictions"] == answers
    served.annotate("rollback", served.revision_of(version))
    served.until_rejected(version)
    served.until_serves(former)
