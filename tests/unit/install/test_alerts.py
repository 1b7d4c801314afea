"""The alerts that can be installed: one source for all ways, a runbook for each, and commands that exist."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import typer.main
import yaml

from docs.scripts.alerts import PAGE, PLAIN, groups, page, plain, rules
from tests.support.alerting import hastened
from tests.unit.install.rendering import ROOT, by_identity, helm, kustomize
from viridian.cli.main import application

RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL))
COMMAND = re.compile(r"kubectl viridian (\w+)")
PARTS = ("**Means.**", "**Users notice**", "**First:**", "**Ends**")
NUMBER = re.compile(r"\d+[smhd]?")
NAMES = [rule["alert"] for rule in rules()]
IDENTITY = ("PrometheusRule", "viridian-system", "viridian")


def test_what_is_made_from_them_is_up_to_date() -> None:
    assert PLAIN.read_text() == plain(), "run python -m docs.scripts.alerts"
    assert PAGE.read_text() == page(PAGE.read_text()), "run python -m docs.scripts.alerts"
    assert all(f"[{name}](runbooks.md#{name.lower()})" in PAGE.read_text() for name in NAMES)


def test_there_is_a_runbook_for_each_and_no_other() -> None:
    assert list(SECTIONS) == NAMES
    for name, section in SECTIONS.items():
        places = [section.find(part) for part in PARTS]
        assert -1 not in places, name
        assert places == sorted(places), name
        assert "`kubectl" in section.partition("**First:**")[2], name


def test_each_says_what_to_do_and_where_its_runbook_is() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for rule in rules():
        assert len(rule["annotations"]["description"]) > 40
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"


def test_the_commands_exist() -> None:
    known = set(typer.main.get_command(application()).commands)  # type: ignore[attr-defined]
    texts = [RUNBOOKS, *(rule["annotations"]["description"] for rule in rules())]
    used = {command for text in texts for command in COMMAND.findall(text)}
    assert len(used) > 5
    assert used <= known


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
    by_helm, by_kustomize = by_identity(helm("viridian-system", "alerts.enabled=true")), kustomize(str(tmp_path))
    assert by_helm[IDENTITY] == by_identity(by_kustomize)[IDENTITY]
    assert IDENTITY not in by_identity(helm("viridian-system"))


@pytest.mark.needs_programs
def test_runbooks_may_lie_anywhere() -> None:
    base = "https://wiki.example.com/books.html"
    rendered = by_identity(helm("viridian-system", "alerts.enabled=true", f"alerts.runbooks={base}"))[IDENTITY]
    given = [rule["annotations"]["runbook_url"] for group in rendered["spec"]["groups"] for rule in group["rules"]]
    assert sorted(given) == sorted(f"{base}#{name.lower()}" for name in NAMES)
    assert {group["name"] for group in rendered["spec"]["groups"]} == {group["name"] for group in groups()}


def test_a_hastened_rule_is_the_same_rule_with_other_times() -> None:
    by_name = {rule["alert"]: rule for rule in map(hastened, rules())}
    assert by_name["ModelNotServed"]["for"] == "5s"
    assert by_name["MonitorsSilent"]["for"] == "1440s"
    assert by_name["RolledBack"]["expr"] == "time() - viridian_rolled_back_at_seconds < 60"
    assert "[5s]" in by_name["ApiServerUnreachable"]["expr"]
    for rule in rules():
        other = by_name[rule["alert"]]
        assert {**rule, "expr": "", "for": ""} == {**other, "expr": "", "for": ""}
        assert ("for" in rule) == ("for" in other)
        assert NUMBER.sub("", rule["expr"]) == NUMBER.sub("", other["expr"])
