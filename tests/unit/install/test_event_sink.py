"""Events about transitions are off by default, and are switched on the same way by Helm and kustomize."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.install.rendering import by_identity, helm
from tests.unit.install.test_events import settings, with_components
from viridian.controller.config import parse

pytestmark = pytest.mark.needs_programs
URL = "https://events.example.com/viridian"


def test_both_ways_send_events_to_the_same_sink_only_where_it_is_asked_for(tmp_path: Path) -> None:
    by_helm = by_identity(
        helm("viridian-system", f"eventSink.url={URL}", "eventSink.existingSecret=viridian-event-sink")
    )
    assert by_helm == with_components(tmp_path, "event-sink")
    assert parse([], settings(by_helm)).event_sink_url == URL
    assert not [name for name in settings(by_identity(helm("viridian-system"))) if "SINK" in name]


def test_the_port_of_the_sink_is_open() -> None:
    objects = by_identity(helm("viridian-system", "eventSink.url=http://broker.example:8181/ml"))
    policy = objects["NetworkPolicy", "viridian-system", "viridian-operator"]
    assert {"port": 8181, "protocol": "TCP"} in [
        port for rule in policy["spec"]["egress"] for port in rule.get("ports", ())
    ]
