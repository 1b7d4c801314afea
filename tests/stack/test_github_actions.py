"""The workflow and the actions for GitHub by act, which runs a workflow on this computer; the cluster is real."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from localcluster.binaries import program
from tests.support.stack.environment import environment
from tests.support.stack.pipeline import Pipeline, PipelineEnd
from tests.support.stack.releases import Releases
from tests.support.stack.systems import named

pytestmark = pytest.mark.needs_programs
SYSTEM = named("github-actions")
WORKFLOW: Final = SYSTEM.folder / ".github" / "workflows" / "model.yml"


def run(pipeline: Pipeline, event: str = "push") -> PipelineEnd:
    """On this computer itself, in the place of a container. Of a push to `main`, or of a pull request."""
    folder = pipeline.kubeconfig.parent
    secrets, cause = folder / "secrets.yaml", folder / "event.json"
    secrets.touch(mode=0o600)
    secrets.write_text(yaml.safe_dump({"KUBECONFIG": pipeline.kubeconfig.read_text()}))
    cause.write_text(json.dumps({"ref": "refs/heads/main"}))
    platforms = ("--platform=self-hosted=-self-hosted", "--platform=kubectl=-self-hosted")
    given = (f"--secret-file={secrets}", f"--eventpath={cause}", f"--action-cache-path={folder / 'actions'}")
    return pipeline.run(program("act"), event, "--pull=false", *platforms, *given, XDG_CACHE_HOME=str(folder))


class TestReleases(Releases):
    def run(self, pipeline: Pipeline) -> PipelineEnd:
        return run(pipeline)


def test_a_pull_request_is_checked_and_planned_only(pipeline: Pipeline) -> None:
    pipeline.commit("2")
    ended = run(pipeline, "pull_request")
    assert ended.succeeded, ended.log
    assert "is a new revision" in ended.log
    assert pipeline.asked_for == "1"


def test_the_secret_stands_in_no_log(pipeline: Pipeline) -> None:
    pipeline.commit("1")
    ended = run(pipeline)
    assert ended.succeeded, ended.log
    secret = pipeline.kubeconfig.read_text().rpartition("token: ")[2].split()[0]
    assert secret not in ended.log


def test_the_workflow_has_no_mistake_that_actionlint_finds(tmp_path: Path) -> None:
    labels = tmp_path / "actionlint.yaml"
    labels.write_text("self-hosted-runner: {labels: [kubectl]}")
    flags = (f"-config-file={labels}", "-shellcheck=", "-pyflakes=")
    subprocess.run([program("actionlint"), *flags, WORKFLOW], cwd=SYSTEM.folder, check=True)


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        (WORKFLOW, "vendor.github-workflows"),
        *((one, "vendor.github-actions") for one in sorted(SYSTEM.folder.glob(".github/actions/*/action.yml"))),
    ],
    ids=lambda given: given.parent.name if isinstance(given, Path) else given,
)
def test_the_files_fit_githubs_schemas(file: Path, schema: str) -> None:
    subprocess.run([environment(SYSTEM) / "check-jsonschema", "--builtin-schema", schema, file], check=True)
