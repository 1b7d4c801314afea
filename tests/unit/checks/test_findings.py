"""The scanners fail the build on what is new, and so does an exception that nothing needs any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.findings import Excepted, Finding, Unreasoned, complaints, read_exceptions
from checks.scanners import Broken, bandit, checkov, kube_score
from localcluster.paths import cache_root

pytestmark = pytest.mark.needs_programs

PROGRAMS = cache_root() / "checks-venv" / "bin"
CPU = Finding("checkov", "CKV_K8S_11", "Deployment/viridian-operator", "CPU limits should be set")
ALLOWED = Excepted("checkov", "CKV_K8S_11", ("Deployment/viridian-*",), "an event loop must not be stopped")

HOSTILE = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: planted
  namespace: default
spec:
  selector: {matchLabels: {app: planted}}
  template:
    metadata: {labels: {app: planted}}
    spec:
      hostNetwork: true
      containers:
      - name: server
        image: planted
        securityContext: {privileged: true}
"""


def test_a_finding_without_an_exception_is_new() -> None:
    (said,) = complaints([CPU], [])
    assert said.startswith("new: checkov CKV_K8S_11 at Deployment/viridian-operator")


@pytest.mark.parametrize(
    "other",
    [
        Finding("checkov", "CKV_K8S_12", CPU.where, "another check"),
        Finding("checkov", CPU.check, "Deployment/another", "another object"),
        Finding("bandit", CPU.check, CPU.where, "another tool"),
    ],
)
def test_an_exception_is_about_its_own_tool_check_and_objects(other: Finding) -> None:
    assert complaints([CPU], [ALLOWED]) == []
    (said,) = complaints([CPU, other], [ALLOWED])
    assert said == f"new: {other}"


def test_what_no_finding_needs_has_to_go() -> None:
    (said,) = complaints([], [ALLOWED])
    assert said.startswith("no longer needed")
    two = Excepted(ALLOWED.tool, ALLOWED.check, (*ALLOWED.where, "Job/*"), ALLOWED.because)
    (said,) = complaints([CPU], [two])
    assert said.endswith("at Job/*")


@pytest.mark.parametrize(
    "entry",
    [
        "{tool: checkov, check: CKV_K8S_11, where: '*'}",
        "{tool: checkov, check: CKV_K8S_11, where: '*', because: ''}",
        "{tool: checkov, check: CKV_K8S_11, where: '*', because: not now}",
        "{tool: trivy, check: CKV_K8S_11, where: '*', because: this is a whole reason}",
        "CKV_K8S_11",
    ],
)
def test_an_exception_without_a_reason_is_refused(entry: str, tmp_path: Path) -> None:
    (tmp_path / "exceptions.yaml").write_text(f"- {entry}\n")
    with pytest.raises(Unreasoned):
        read_exceptions(tmp_path / "exceptions.yaml")


def test_the_exceptions_of_the_project_are_reasoned() -> None:
    assert read_exceptions()


def test_a_planted_object_is_found_by_both_scanners(tmp_path: Path) -> None:
    planted = tmp_path / "planted.yaml"
    planted.write_text(HOSTILE)
    found = [*kube_score([planted]), *checkov([planted], PROGRAMS)]
    said = complaints([one for one in found if one.where != "Dockerfile"], read_exceptions())
    new = {line.partition(":")[2].split(" at ")[0].strip() for line in said if line.startswith("new: ")}
    assert {
        "kube-score container-security-context-privileged",
        "kube-score pod-networkpolicy",
        "checkov CKV_K8S_16",
        "checkov CKV_K8S_19",
        "checkov CKV2_K8S_6",
    } <= new


def test_planted_code_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("import subprocess\n\nsubprocess.call(input(), shell=True)\neval(input())\n")
    assert {"B602", "B307"} <= {finding.check for finding in bandit(PROGRAMS, str(planted))}


def test_a_scanner_that_sees_nothing_is_no_good_news(tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.yaml", tmp_path / "broken.py"
    empty.write_text("# nothing\n")
    broken.write_text("def (:\n")
    with pytest.raises(Broken):
        kube_score([empty])
    with pytest.raises(Broken):
        checkov([empty], PROGRAMS)
    with pytest.raises(Broken):
        bandit(PROGRAMS, str(broken))
    with pytest.raises(OSError, match="bandit"):
        bandit(tmp_path, str(broken))
