"""What Prometheus and Grafana find: monitors, and dashboards with the structure of Grafana."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.scripts.dashboards import DASHBOARDS, FOLDER, document, text
from tests.unit.install.rendering import ROOT, Identity, Object, by_identity, helm, kustomize

KINDS = {"ServiceMonitor", "PodMonitor"}
PANELS = {"timeseries", "stat", "table"}
BOARDS = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: str(board.uid))


def with_component(tmp_path: Path, component: str) -> dict[Identity, Object]:
    root = os.path.relpath(ROOT / "manifests", tmp_path)
    own = {
        "namespace": "viridian-system",
        "resources": [f"{root}/overlays/cluster-wide"],
        "components": [f"{root}/components/{component}"],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    return by_identity(kustomize(str(tmp_path)))


@pytest.mark.needs_programs
def test_both_ways_install_the_same_monitors_only_where_they_are_asked_for(tmp_path: Path) -> None:
    by_helm = by_identity(helm("viridian-system", "monitors.enabled=true"))
    by_kustomize = with_component(tmp_path, "monitors")
    chosen = {key for key in by_helm if key[0] in KINDS}
    assert len(chosen) == 3
    assert {key: by_helm[key] for key in chosen} == {key: by_kustomize[key] for key in by_kustomize if key[0] in KINDS}
    assert not [key for key in by_identity(helm("viridian-system")) if key[0] in KINDS]


@pytest.mark.needs_programs
def test_monitors_select_what_is_there_and_keep_the_namespace_of_the_object(tmp_path: Path) -> None:
    found = with_component(tmp_path, "monitors")
    for name, service in (("viridian", "viridian-operator-metrics"), ("viridian-collector", "viridian-collector")):
        spec = found["ServiceMonitor", "viridian-system", name]["spec"]
        selected = found["Service", "viridian-system", service]
        assert spec["selector"]["matchLabels"].items() <= selected["metadata"]["labels"].items()
        assert spec["endpoints"][0]["port"] in [port["name"] for port in selected["spec"]["ports"]]
    assert found["ServiceMonitor", "viridian-system", "viridian"]["spec"]["endpoints"][0]["honorLabels"] is True


@pytest.mark.needs_programs
def test_a_collector_with_tls_is_read_by_tls() -> None:
    tls = ("monitors.enabled=true", "collector.tls.existingSecret=tls")
    found = by_identity(helm("viridian-system", *tls))
    (endpoint,) = found["ServiceMonitor", "viridian-system", "viridian-collector"]["spec"]["endpoints"]
    assert (endpoint["scheme"], endpoint["tlsConfig"]["serverName"]) == (
        "https",
        "viridian-collector.viridian-system.svc",
    )


@pytest.mark.needs_programs
def test_an_install_for_some_namespaces_reads_no_other_models() -> None:
    given = helm("ml", "monitors.enabled=true", "namespaces={ml,ads}", "crds.install=false")
    selector = by_identity(given)["PodMonitor", "ml", "viridian-models"]["spec"]["namespaceSelector"]
    assert set(selector["matchNames"]) == {"ml", "ads"}


@pytest.mark.needs_programs
def test_both_ways_install_the_same_dashboards(tmp_path: Path) -> None:
    identity = ("ConfigMap", "viridian-system", "viridian-dashboards")
    by_helm = by_identity(helm("viridian-system", "dashboards.enabled=true"))[identity]
    assert by_helm == with_component(tmp_path, "dashboards")[identity]
    assert {name: json.loads(content)["uid"] for name, content in by_helm["data"].items()} == {
        f"{board.uid}.json": board.uid for board in DASHBOARDS
    }
    assert identity not in by_identity(helm("viridian-system"))


@BOARDS
def test_the_files_are_up_to_date(board: Any) -> None:
    assert (FOLDER / f"{board.uid}.json").read_text() == text(board), "run python -m docs.scripts.dashboards"


@BOARDS
def test_a_dashboard_has_the_structure_that_grafana_reads(board: Any) -> None:
    """There is no schema of Grafana's in a package; this is what its documentation asks for."""
    made = document(board)
    assert (made["uid"], made["schemaVersion"]) == (board.uid, 39)
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    taken: set[tuple[int, int]] = set()
    known = {variable["name"] for variable in made["templating"]["list"]}
    for panel in made["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells
        assert panel["type"] in PANELS
        assert [target["refId"] for target in panel["targets"]] == ["A", "B"][: len(panel["targets"])]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            used = {name for name in ("namespace", "name") if f'"${name}"' in target["expr"]}
            assert used <= known
