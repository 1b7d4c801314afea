"""Every picture shows something: each query of each dashboard, on a Prometheus with the operator's own metrics."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from docs.scripts.dashboards import DASHBOARDS, document
from tests.support.prometheus_server import prometheus
from tests.unit.controller.test_operations_page import with_a_series_of_each

pytestmark = pytest.mark.needs_prometheus
START, STEP, STEPS = 1_795_320_000, 15, 60
END = START + STEP * (STEPS - 1)
SERVER = """\
# TYPE viridian_requests_total counter
viridian_requests_total{model="churn",version="1",revision="a",slot="blue",code="2xx"} 10
# TYPE viridian_request_duration_seconds histogram
viridian_request_duration_seconds_bucket{model="churn",version="1",revision="a",slot="blue",le="0.1"} 5
viridian_request_duration_seconds_bucket{model="churn",version="1",revision="a",slot="blue",le="+Inf"} 10
viridian_request_duration_seconds_count{model="churn",version="1",revision="a",slot="blue"} 10
viridian_request_duration_seconds_sum{model="churn",version="1",revision="a",slot="blue"} 1
"""
VALUES = {"$namespace": "default", "$name": "churn", "$__rate_interval": "1m"}


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """The series that Prometheus answers with."""
    asked = urllib.parse.urlencode({"query": expression, "time": END})
    with urllib.request.urlopen(f"http://{address}/api/v1/query?{asked}", timeout=10) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


async def test_every_query_returns_data() -> None:
    exposition = b"".join(with_a_series_of_each().exposition()).decode()
    expressions = [(board.title, expression) for board in DASHBOARDS for expression in _expressions(document(board))]
    with prometheus("\n".join([*_scrapes(exposition + SERVER), "# EOF"]) + "\n") as address:
        silent = [asked for asked in expressions if not query(address, asked[1])]
    assert len(expressions) > 30
    assert silent == []


def _expressions(board: dict[str, Any]) -> Iterator[str]:
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield re.sub(r"\$\w+", lambda found: VALUES[found[0]], target["expr"])


def _scrapes(exposition: str) -> Iterator[str]:
    """The text as Prometheus would store it from scrapes of one pod: counters grow, everything else stays."""
    for family in text_string_to_metric_families(exposition):
        grows = family.type in ("counter", "histogram")
        for sample in family.samples:
            whose = {"job": "viridian", "instance": "a", **sample.labels}
            if family.name.startswith("viridian_request") and "slot" in sample.labels:
                whose |= {"namespace": "default", "name": "churn"}  # by the relabelling of the PodMonitor
            labels = ",".join(f'{name}="{value}"' for name, value in whose.items())
            for step in range(STEPS):
                value = sample.value * step + step if grows else sample.value
                yield f"{sample.name}{{{labels}}} {value} {START + step * STEP}"
