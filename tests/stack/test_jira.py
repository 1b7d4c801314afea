"""From a rejected version to an issue: operator, Prometheus and Alertmanager are real, Jira is its interface."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from localcluster.binaries import program
from localcluster.paths import REPOSITORY
from localcluster.ports import free_port
from tests.support.debian import PROMETHEUS
from tests.support.kube import Kube, eventually
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.memory_pods import BROKEN
from tests.support.operator_process import OperatorProcess
from tests.support.stack.environment import environment
from tests.support.stack.jira import JiraProject, jira
from tests.support.stack.server import served
from tests.support.stack.systems import named

pytestmark = [pytest.mark.needs_programs, pytest.mark.needs_prometheus]
SYSTEM = named("jira")
RULES: Final = REPOSITORY / "manifests" / "components" / "alerts" / "viridian.rules.yaml"
SCHEMA: Final = "node_modules/@atlaskit/adf-schema/dist/json-schema/v1/full.json"
SPEC: Final[dict[str, Any]] = {"governance": {"ticketRef": "ML-42"}, "rollout": {"progressDeadline": "10m"}}


@pytest.fixture(scope="module")
def project() -> JiraProject:
    return JiraProject("ML")


@pytest.fixture(scope="module")
def alerting(
    project: JiraProject, operator: OperatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The shipped rules in Prometheus, which reads the operator, and the example's settings in Alertmanager."""
    folder, other = tmp_path_factory.mktemp("prometheus"), tmp_path_factory.mktemp("alertmanager")
    user, secret = "alerts@example.com", other / "secret"
    secret.write_text("planted")
    basic = base64.b64encode(f"{user}:planted".encode()).decode()
    prometheus, alertmanager = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with jira(project, f"Basic {basic}") as address:
        settings = (SYSTEM.folder / "alertmanager.yml").read_text()
        settings = settings.replace("https://example.atlassian.net", address)
        settings = settings.replace("/etc/alertmanager/secrets/jira", str(secret))
        for interval in ("group_wait: 10s", "group_interval: 5m", "repeat_interval: 12h"):
            assert interval in settings
            settings = settings.replace(interval, f"{interval.partition(':')[0]}: 2s")
        (other / "alertmanager.yml").write_text(settings)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(scraping(operator.metrics_port, alertmanager)))
        flags = ("--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=")
        begin = [program("alertmanager"), *flags, f"--web.listen-address={alertmanager}"]
        scrape = [str(PROMETHEUS.find()), "--config.file=prometheus.yml", f"--web.listen-address={prometheus}"]
        with (
            served(begin, other, f"http://{alertmanager}", health="/-/ready"),
            served(scrape, folder, f"http://{prometheus}", health="/-/ready"),
        ):
            yield


def scraping(port: int, alertmanager: str) -> dict[str, Any]:
    operator = {"job_name": "viridian", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [operator],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    }


@pytest.fixture(scope="module")
def model(kube: Kube, pods: Kubelet, alerting: None) -> Iterator[LiveModel]:
    """A model with a ticket, whose version 2 was rejected while users met it. The last test deletes it."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "jira"}}
    kube.create(namespace)
    found = LiveModel(kube, pods, "jira")
    found.apply("1", **SPEC)
    found.until_serves("1")
    found.behave("2", BROKEN)
    found.apply("2", **SPEC)
    found.until_rejected("2")
    yield found
    kube.delete(namespace)


def issues_of(project: JiraProject, model: LiveModel) -> list[dict[str, Any]]:
    return [one for one in project.issues.values() if f"{model.namespace}/{model.name}" in one["summary"]]


def issue_of(project: JiraProject, model: LiveModel) -> dict[str, Any]:
    found = eventually(lambda: issues_of(project, model) or None, what="the issue")
    assert len(found) == 1, found
    return found[0]


def test_a_rejected_version_opens_an_issue_with_the_ticket_of_its_model(project: JiraProject, model: LiveModel) -> None:
    issue = issue_of(project, model)
    assert issue["summary"] == f"RolledBack: {model.namespace}/churn ML-42"
    assert {"viridian", "churn", "ML-42"} < set(issue["labels"])
    text = json.dumps(issue["description"])
    assert f"kubectl viridian why churn -n {model.namespace}" in text
    assert "docs/runbooks.md#rolledback" in text
    assert project.refused == []


def test_an_alert_that_goes_on_edits_its_issue_and_opens_no_other(project: JiraProject, model: LiveModel) -> None:
    issue = issue_of(project, model)
    key = next(key for key, one in project.issues.items() if one is issue)
    eventually(lambda: f"PUT /rest/api/3/issue/{key}" in project.asked, what="the edit")
    assert len(issues_of(project, model)) == 1


def test_its_description_is_a_document_by_the_schema_of_atlassian(
    project: JiraProject, model: LiveModel, tmp_path: Path
) -> None:
    description = issue_of(project, model)["description"]
    assert is_document(description, tmp_path)
    assert not is_document({**description, "content": [{"type": "text", "text": "in no paragraph"}]}, tmp_path)


def is_document(description: Any, folder: Path) -> bool:
    programs, file = environment(SYSTEM), folder / "document.json"
    file.write_text(json.dumps(description))
    command = [str(programs / "check-jsonschema"), "--schemafile", str(programs.parent / SCHEMA), str(file)]
    return subprocess.run(command, check=False).returncode == 0


def test_what_jira_refuses_is_refused() -> None:
    fields = {"project": {"key": "ML"}, "issuetype": {"name": "Task"}, "summary": "s", "labels": []}
    path = "/rest/api/3/issue"
    for wrong in ({"description": "text"}, {"description": {"type": "doc"}}, {"labels": ["a b"]}, {"summary": ""}):
        other = JiraProject("ML")
        assert other.answer("POST", path, {"fields": {**fields, **wrong}})[0] == 400, wrong
        assert other.refused == list(wrong)


def test_an_alert_that_ends_closes_its_issue(project: JiraProject, model: LiveModel) -> None:
    issue = issue_of(project, model)
    assert issue["status"]["name"] == "To Do"
    model.delete()
    eventually(lambda: issue["status"]["name"] == "Done", what="the transition", timeout=120)
