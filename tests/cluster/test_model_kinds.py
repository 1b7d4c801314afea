"""Models of other libraries on the node: each is trained by its library, promoted, asked, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from tests.support.exported_network import WEIGHTS, network
from tests.support.libraries import pytorch
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
    kind: str, deployed: Deployed, registry: ClusterRegistry, tmp_path: Path
) -> None:
    model = logged(KINDS[kind], tmp_path, registry.url)
    assert model["payload"] == "onnx"

    def publish() -> str:
        return registry.register(deployed.registered, model["uri"], model["run"], model["digest"])

    serves_and_is_taken_back(deployed, registry, publish, model["rows"], model["values"])


def test_a_graph_that_was_made_elsewhere_serves_and_is_taken_back(
    deployed: Deployed, registry: ClusterRegistry
) -> None:
    rows = pd.DataFrame(
        np.random.default_rng(4).normal(size=(80, 3)).astype(np.float32), columns=["age", "income", "visits"]
    )
    classes = pd.Series((rows.to_numpy() @ WEIGHTS).argmax(axis=1))
    graph = Fitted(network("class", "odds"), (rows[:40], classes[:40]), (rows[40:], classes[40:]))

    def publish() -> str:
        return registry.publish_fitted(deployed.registered, graph)

    asked = {"columns": list(rows.columns), "data": rows[40:].to_numpy().tolist()}
    serves_and_is_taken_back(deployed, registry, publish, asked, classes[40:].tolist())


@pytest.mark.skipif(pytorch.PYTORCH.is_missing(), reason="`make pytorch` installs PyTorch and runs this")
def test_a_network_of_pytorch_serves_and_is_taken_back(
    deployed: Deployed, registry: ClusterRegistry, tmp_path: Path
) -> None:
    report = pytorch.exported(tmp_path)
    rows = pd.DataFrame(np.array(report["rows"], np.float32), columns=["age", "spend", "visits"])
    classes, learnt = pd.Series(report["classes"]), 500
    assert (classes[learnt:] == report["answers"][learnt:]).mean() > 0.9, "it has learnt something"
    graph = onnx.load(tmp_path / "network.onnx")
    network = Fitted(graph, (rows[:learnt], classes[:learnt]), (rows[learnt:], classes[learnt:]))

    def publish() -> str:
        return registry.publish_fitted(deployed.registered, network)

    asked = {"columns": list(rows.columns), "data": rows[learnt:].to_numpy().tolist()}
    serves_and_is_taken_back(deployed, registry, publish, asked, report["answers"][learnt:])


def serves_and_is_taken_back(
    deployed: Deployed,
    registry: ClusterRegistry,
    publish: Callable[[], str],
    rows: dict[str, Any],
    answers: list[Any],
) -> None:
    """A second version is profiled, becomes champion and answers as its library does; then a person takes it back."""
    first = publish()
    deployed.apply()
    deployed.until_serves(first)
    second = publish()
    assert "viridian/profile.json" in registry.files(deployed.registered, second, "viridian")
    deployed.until_serves(second)
    address = f"/api/v1/namespaces/{deployed.namespace}/services/{deployed.name}:http/proxy/invocations"
    assert deployed.kube.request("POST", address, {"dataframe_split": rows})["predictions"] == answers
    deployed.annotate("rollback", deployed.revision_of(second))
    deployed.until_rejected(second)
    deployed.until_serves(first)
