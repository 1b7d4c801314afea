"""What people copy for Alertmanager: checked by its own tool, with labels that alerts have and names that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.scripts.alerts import rules
from tests.support.prometheus_server import amtool

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "alertmanager"
FILES = sorted(FOLDER.glob("*.yml"))
NAMES = {rule["alert"] for rule in rules()}
LABELS = {"alertname", "severity", "namespace", "kind", "name", "model", "ticket"}
ANNOTATIONS = {"description", "runbook_url"}
USED = re.compile(r"\.(CommonLabels|Annotations)\.(\w+)")
MATCHER = re.compile(r'^(\w+)=~?"([^"]*)"$')


@pytest.mark.needs_prometheus
def test_debians_alertmanager_takes_the_file_for_it() -> None:
    amtool("check-config", str(FOLDER / "alertmanager.yml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_they_name_alerts_labels_and_receivers_that_there_are(file: Path) -> None:
    written = file.read_text()
    settings = yaml.safe_load(written)
    for kind, name in USED.findall(written):
        assert name in (LABELS if kind == "CommonLabels" else ANNOTATIONS), name
    for matcher in _matchers(settings):
        found = MATCHER.match(matcher)
        assert found, matcher
        assert found[1] in LABELS
        if found[1] == "alertname":
            assert set(found[2].split("|")) <= NAMES
    receivers = {one["name"] for one in settings["receivers"]}
    assert {one["receiver"] for one in [settings["route"], *settings["route"]["routes"]]} == receivers


def test_no_secret_stands_in_them() -> None:
    for file in FILES:
        for line in file.read_text().splitlines():
            assert not re.search(
                r"(password|token|credentials|api_url|webhook_url): *['\"]?(?!https://jira)\S", line
            ), line


def _matchers(settings: Any) -> list[str]:
    """All matchers, of routes and of what inhibits."""
    if isinstance(settings, dict):
        own = [text for key, texts in settings.items() if key.endswith("matchers") for text in texts]
        return own + [text for part in settings.values() for text in _matchers(part)]
    return [text for part in settings for text in _matchers(part)] if isinstance(settings, list) else []
