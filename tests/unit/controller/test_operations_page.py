"""docs/operations.md names every flag, every right, and every metric with its labels, in alerts as well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from viridian.api.resources import OWN
from viridian.controller.backoff import Backoff
from viridian.controller.config import argument_parser
from viridian.controller.keys import Key
from viridian.controller.queue import Ending, Settled, WorkQueue
from viridian.controller.telemetry import Telemetry
from viridian.controller.watched import CHILDREN

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text()
ROW = re.compile(r"^\| ((?:`(?:workqueue|viridian)_\w+`(?:, )?)+) \| ([a-z, ]*?) ?\|", re.MULTILINE)
NAME = re.compile(r"`(\w+)`")
EXPR = re.compile(r"^  expr: (.+)$", re.MULTILINE)
SELECTOR = re.compile(r"\b((?:workqueue|viridian)_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)[=!]")
GROUPING = re.compile(r"\b(?:by|on) ?\(([a-z, ]+)\)")


def test_every_flag_and_its_variable() -> None:
    flags = [flag for action in argument_parser({})._actions for flag in action.option_strings if flag.startswith("--")]
    for flag in flags:
        if flag not in ("--help", "--version"):
            assert f"`{flag}`" in PAGE
            assert f"`VIRIDIAN_{flag[2:].replace('-', '_').upper()}`" in PAGE


async def test_every_metric_and_its_labels() -> None:
    table = {name: labels for names, labels in ROW.findall(PAGE) for name in NAME.findall(names)}
    rendered = metrics()
    assert set(table) == set(rendered)
    for name, labels in rendered.items():
        assert set(filter(None, table[name].split(", "))) == labels, name


@pytest.mark.parametrize("expression", EXPR.findall(PAGE))
async def test_alerts_use_metrics_and_labels_that_are_rendered(expression: str) -> None:
    rendered = metrics()
    used = [(name, LABEL.findall(labels)) for name, labels in SELECTOR.findall(expression)]
    assert used
    for name, labels in used:
        assert name in rendered
        assert set(labels) <= rendered[name], name
    everywhere = set[str].intersection(*(rendered[name] for name, _ in used))
    for grouping in GROUPING.findall(expression):
        assert set(grouping.split(", ")) <= everywhere, grouping


def test_the_alert_of_a_full_queue_adds_up_its_lanes() -> None:
    """Keys that wait in different lanes wait for the same workers."""
    assert "sum by (name) (workqueue_depth)" in PAGE


def metrics() -> dict[str, set[str]]:
    """The operator's own metrics, by the names that Prometheus stores, and the labels of each."""

    async def handle(key: Key) -> Ending:
        return Settled()

    telemetry = Telemetry()
    observer = telemetry.of("rollout", "ModelDeployment")
    telemetry.watch_queue("rollout", WorkQueue(handle, backoff=Backoff(lambda: 0.5), observer=observer))
    telemetry.watch_lag(lambda: 0.0)
    telemetry.watch_leader(lambda: True)
    found: dict[str, set[str]] = {}
    for collector in telemetry.registry._collector_to_names:
        for family in collector.collect():
            # A metric without a series has no sample that would show its labels.
            labels = getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ())
            found[f"{family.name}_total" if family.type == "counter" else family.name] = set(labels)
    return {name: labels for name, labels in found.items() if not name.startswith("process_")}


@pytest.mark.parametrize("resource", [*OWN, *CHILDREN], ids=lambda resource: resource.plural)
def test_every_resource_that_it_has_rights_to(resource: object) -> None:
    assert f"`{resource.plural}`" in PAGE  # type: ignore[attr-defined]
