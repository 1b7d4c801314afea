"""The alerts that can be installed are those that the docs explain, and both ways install the same."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.install.rendering import ROOT, by_identity, helm, kustomize

RULE = ROOT / "manifests" / "components" / "alerts" / "prometheusrule.yaml"


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULE.read_text())["spec"]["groups"][0]["rules"]
    return found


def test_they_are_those_of_the_docs_and_each_says_what_to_do() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    listed = next(block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "alert:" in block)
    compared = [{key: rule[key] for key in ("alert", "expr", "for") if key in rule} for rule in rules()]
    assert compared == yaml.safe_load(listed)
    for rule in rules():
        assert len(rule["annotations"]["description"]) > 40
        assert rule["labels"]["severity"] in ("info", "warning", "critical")


def test_bad_data_raises_an_alert_at_once() -> None:
    rule = next(rule for rule in rules() if rule["alert"] == "BadTrainingData")
    assert rule["expr"] == 'viridian_condition{kind="RetrainPolicy",type="DataQuality"} == 0'
    assert "for" not in rule


@pytest.mark.needs_programs
def test_both_ways_install_them_only_where_they_are_asked_for(tmp_path: Path) -> None:
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    components = [f"{root}/components/alerts"]
    own = {"namespace": "viridian-system", "resources": [f"{root}/overlays/cluster-wide"], "components": components}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    identity = ("PrometheusRule", "viridian-system", "viridian")
    by_helm, by_kustomize = by_identity(helm("viridian-system", "alerts.enabled=true")), kustomize(str(tmp_path))
    assert by_helm[identity] == by_identity(by_kustomize)[identity]
    assert identity not in by_identity(helm("viridian-system"))
