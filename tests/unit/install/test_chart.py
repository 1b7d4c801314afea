"""What the chart says of itself: its README, its metadata for Artifact Hub, and that a registry takes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from docs.scripts import chart_values
from localcluster.binaries import KUBERNETES_VERSION
from release import chart as release
from tests.support.container_registry import container_registry
from tests.support.documents import document
from tests.unit.install.rendering import ROOT
from viridian import __version__
from viridian.api import crd

CHART: Final = document((ROOT / "charts" / "viridian" / "Chart.yaml").read_text())
ANNOTATIONS: Final[Mapping[str, str]] = CHART["annotations"]
SCHEMA: Final = json.loads((chart_values.CHART / "values.schema.json").read_text())


def test_the_readme_is_current() -> None:
    assert chart_values.PAGE.read_text() == chart_values.page(), "run `make generate`"


def test_every_value_says_what_it_is_for() -> None:
    assert [one.name for one in chart_values.values() if not one.comment or not one.kind] == []


def test_the_schema_knows_every_value_and_no_other() -> None:
    shown = {one.path for one in chart_values.values()}
    known = set(properties(SCHEMA, ()))
    assert shown <= known
    # Below a value that is shown as a whole, the schema may know more.
    groups = {one[:length] for one in shown for length in range(1, len(one))}
    assert {path for path in known - groups if not any(path[: len(one)] == one for one in shown)} == set()


def properties(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    if path:
        yield path
    for name, inner in schema.get("properties", {}).items():
        yield from properties(inner, (*path, name))


def test_versions_are_those_of_the_project() -> None:
    assert CHART["version"] == CHART["appVersion"] == __version__


def test_the_docs_support_what_the_chart_takes_and_the_newest_that_is_tested() -> None:
    page = (ROOT / "docs" / "api-policy.md").read_text()
    oldest = re.match(r">=(\d+\.\d+)\.0-0$", CHART["kubeVersion"])
    newest = re.match(r"v(\d+\.\d+)", KUBERNETES_VERSION)
    assert oldest
    assert newest
    for minor in (oldest[1], newest[1]):
        assert f"| {minor} | supported" in page


def test_artifact_hub_shows_the_kinds_as_they_are() -> None:
    for listed in document(ANNOTATIONS["artifacthub.io/crds"]):
        (rendered,) = [one for one in map(crd.render, crd.KINDS) if one["spec"]["names"]["kind"] == listed["kind"]]
        assert listed["name"] == rendered["metadata"]["name"]
        assert listed["version"] in [one["name"] for one in rendered["spec"]["versions"]]


def test_its_examples_are_the_samples() -> None:
    names = ("modeldeployment", "retrainpolicy")
    samples = [document((ROOT / "manifests" / "samples" / f"{name}.yaml").read_text()) for name in names]
    assert document(ANNOTATIONS["artifacthub.io/crdsExamples"]) == samples


def test_its_changes_have_kinds_that_artifact_hub_knows() -> None:
    changes = document(ANNOTATIONS["artifacthub.io/changes"])
    kinds = {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert {change["kind"] for change in changes} <= kinds
    values = {one.name for one in chart_values.values()}
    groups = {name.partition(".")[0] for name in values}
    for change in changes:
        named = re.findall(r"\b[a-z]+\.[a-zA-Z]+\b", change["description"])
        assert [name for name in named if name not in values and name.partition(".")[0] in groups] == []


@pytest.mark.needs_programs
def test_a_registry_takes_it_and_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release, "DIST", tmp_path / "dist")
    for folder in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"HELM_{folder}_HOME", str(tmp_path / folder.lower()))
    with container_registry(tmp_path) as registry:
        assert release.main([f"oci://{registry.address}/charts", "--insecure"]) == 0
        digest = registry.digest_of("charts/viridian", __version__)
    assert digest in capsys.readouterr().out
    assert (tmp_path / "dist" / f"viridian-{__version__}.tgz").stat().st_size > 0


def test_only_registries_take_charts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        release.main(["https://charts.example.com"])
    assert "must begin with oci://" in capsys.readouterr().err
