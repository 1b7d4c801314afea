"""`lint` answers as the API server does, and names the line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.paths import REPOSITORY, cache_root
from tests.api.test_wrong_manifests import RIGHT
from tests.api.wrong_manifests import Refused, merged, rows
from tests.support.manifests import model_deployment, retrain_policy
from viridian.api.names import API_VERSION
from viridian.cli.located_yaml import located_documents
from viridian.cli.manifest_rules import ManifestRules, dotted


def linted(*arguments: str | Path, stdin: str = "") -> tuple[int, dict[str, Any], str]:
    """Exit code, report, and standard error of the command, in the environment that people install."""
    python = str(cache_root() / "cli-venv" / "bin" / "python")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")}
    command = [python, "-m", "viridian.cli", "lint", "-o", "json", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def as_the_api_server_writes_it(finding: dict[str, Any]) -> str:
    path, message = finding["path"], finding["message"]
    return f"{path}: {message}\n{path}: Invalid value: {message.rpartition(': ')[2]}: {path} in body {message}"


@pytest.mark.needs_programs
def test_all_wrong_manifests_get_the_answer_of_the_api_server_and_right_ones_none(tmp_path: Path) -> None:
    wrong = {f"wrong-{number}.yaml": row for number, row in enumerate(rows(Refused))}
    for file, row in wrong.items():
        tmp_path.joinpath(file).write_text(yaml.safe_dump(row.manifest("default")))
    for number, (build, change) in enumerate(RIGHT.values()):
        manifest = merged(build("default"), yaml.safe_load(change))
        tmp_path.joinpath(f"right-{number}.yaml").write_text(yaml.safe_dump(manifest))
    code, report, _ = linted("-f", tmp_path)
    assert (code, report["objects"]) == (3, len(wrong) + len(RIGHT))
    found: dict[str, str] = {}
    for finding in report["findings"]:
        file = Path(finding["file"]).name
        found[file] = found.get(file, "") + as_the_api_server_writes_it(finding)
    assert not [file for file in found if file.startswith("right")]
    others = {
        row.mistake: found.get(file, "")
        for file, row in wrong.items()
        if isinstance(row.answer, Refused) and row.answer.says not in found.get(file, "")
    }
    assert not others


GOVERNED = """\
apiVersion: viridian.dev/v1alpha1
kind: GovernancePolicy
metadata: {name: risky}
spec: {requirements: [{name: signed, riskTiers: [High], require: {signature: true, reviewEvery: 90d}}]}
---
apiVersion: v1
kind: Service
---
apiVersion: viridian.dev/v1alpha1
kind: ModelDeploymentList
items:
- apiVersion: viridian.dev/v1alpha1
  kind: ModelDeployment
  metadata: {name: risky-one}
  spec:
    model: {registry: {name: churn, alias: candidate}}
    hold: {reason: a, until: 2026-11-28T12:00:00Z}
    governance: {riskTier: High}
- apiVersion: viridian.dev/v1alpha1
  kind: ModelDeployment
  metadata: {name: another}
  spec:
    model: {registry: {name: churn, alias: champion}}
    governance: {riskTier: Low}
"""


@pytest.mark.needs_programs
def test_policies_in_the_files_count_and_lines_are_those_of_the_file() -> None:
    code, report, problem = linted("-f", "-", stdin=GOVERNED)
    assert (code, report["objects"], problem) == (3, 3, "")
    demanded, alias = report["findings"]
    assert (demanded["object"], demanded["line"]) == ("ModelDeployment risky-one", 15)
    assert "requirement signed of GovernancePolicy risky: write spec.model.signature" in demanded["message"]
    assert "write spec.review.every: 90d" in demanded["message"]
    assert (alias["path"], alias["line"]) == ("spec.model.registry.alias", 23)


@pytest.mark.needs_programs
def test_no_yaml_is_a_finding_and_no_file_is_a_failure(tmp_path: Path) -> None:
    tmp_path.joinpath("a.yaml").write_text("a: [\n b: }")
    code, report, _ = linted("-f", tmp_path)
    assert (code, [one["line"] for one in report["findings"]]) == (3, [2])
    assert linted("-f", tmp_path / "none.yaml")[0] == 1
    assert linted("-f", "-", stdin=yaml.safe_dump(model_deployment("ml")))[0] == 0


def structural(manifest: dict[str, Any]) -> list[str]:
    rules = ManifestRules(lambda *_: True)
    return [f"{dotted(problem.path)}: {problem.message}" for problem in rules.problems(manifest)]


def test_the_structure_is_checked_before_any_rule() -> None:
    wrong = model_deployment("ml", rollout={"steps": [{"weigth": 5}, {"weight": "5"}], "window": {}})
    assert structural(wrong) == [
        'spec.rollout.steps[0].weigth: unknown field "spec.rollout.steps[0].weigth"; did you mean weight?',
        'spec.rollout.steps[1].weight: must be of type integer: "string"',
        "spec.rollout.window.cron: Required value",
        "spec.rollout.window.duration: Required value",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apiVersion": "viridian.dev/v1"}, f"apiVersion: no version viridian.dev/v1: write {API_VERSION}"),
        ({"kind": "Model"}, "kind: no kind Model in viridian.dev: there are ModelDeployment, "),
        ({"metadata": None}, "metadata: Required value"),
        ({"metadata": {"name": None}}, "metadata.name: Required value"),
    ],
)
def test_what_is_no_object_of_ours(change: dict[str, Any], message: str) -> None:
    assert structural(merged(model_deployment("ml"), change))[0].startswith(message)


def test_a_status_and_whatever_a_pod_template_holds_are_no_mistakes() -> None:
    policy = retrain_policy("ml")
    policy["spec"]["stages"]["training"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"any": "thing"}]
    assert structural({**policy, "status": {"what": "ever"}}) == []


def test_a_field_that_stands_twice() -> None:
    (document,) = located_documents(b"a: {b: 1}\nc: &x {b: 1}\nd: {<<: *x, b: 3}\na: 2\n")
    assert document.repeated == ((4, "a"),)
    assert document.line(("c", "b")) == 2


def test_aliases_that_make_a_small_file_large_are_refused() -> None:
    rows = [b"a: &a0 [x]"] + [b"b%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 30)]
    with pytest.raises(ValueError, match="stands for more than 200000 values"):
        located_documents(b"\n".join(rows))
    with pytest.raises(ValueError, match="stands for more than 200000 values"):
        located_documents(b"a: &x [*x]")
    (document,) = located_documents(b"\n".join(rows[:4]))
    assert document.line(("b3",)) == 4
