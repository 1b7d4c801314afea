"""What docs/monitoring.md tells people to write is what the API server takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kube import Kube
from tests.support.manifests import model_deployment

PAGE = Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"
PARTS: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.S)
]
"""Of a ModelDeployment's spec."""


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_a_part_of_a_spec_is_taken(kube: Kube, namespace: str, part: dict[str, Any]) -> None:
    whole = model_deployment(namespace)
    stored = kube.create({**whole, "spec": {**whole["spec"], **part}})
    assert stored["spec"].keys() >= part.keys()


def test_every_kind_of_monitor_is_shown() -> None:
    shown = {kind for part in PARTS for monitor in part["monitoring"].get("monitors", ()) for kind in monitor}
    assert shown >= {"drift", "predictionDrift", "performance", "estimatedPerformance", "conceptDrift", "decay"}
