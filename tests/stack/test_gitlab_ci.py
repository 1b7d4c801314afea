"""The pipeline for GitLab by gitlab-ci-local, which runs a .gitlab-ci.yml on this computer; the cluster is real."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.stack.environment import environment
from tests.support.stack.pipeline import Pipeline, PipelineEnd
from tests.support.stack.releases import Releases
from tests.support.stack.systems import named

pytestmark = pytest.mark.needs_programs
SYSTEM = named("gitlab-ci")


def run(pipeline: Pipeline, *flags: str) -> PipelineEnd:
    """The default branch is `main`."""
    kubeconfig = f"--variable=KUBECONFIG={pipeline.kubeconfig}"
    return pipeline.run("gitlab-ci-local", "--force-shell-executor", "--no-color", kubeconfig, *flags)


class TestReleases(Releases):
    def run(self, pipeline: Pipeline) -> PipelineEnd:
        return run(pipeline)


def test_with_a_manual_approval_nothing_is_applied_before_a_person_starts_the_job(pipeline: Pipeline) -> None:
    pipeline.commit("2")
    waits = run(pipeline, "--variable=APPROVAL=manual")
    assert "is a new revision" in waits.log, "the plan that the person reads"
    assert pipeline.asked_for == "1"
    approved = run(pipeline, "--variable=APPROVAL=manual", "--manual=apply")
    assert approved.succeeded, approved.log
    assert pipeline.model.champion == "2"


def test_another_branch_is_checked_and_planned_only(pipeline: Pipeline) -> None:
    pipeline.git("checkout", "-b", "trial")
    pipeline.commit("2")
    ended = run(pipeline)
    assert ended.succeeded, ended.log
    assert "is a new revision" in ended.log
    assert pipeline.asked_for == "1"


def test_the_file_fits_gitlabs_schema() -> None:
    command = [str(environment(SYSTEM) / "check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci"]
    subprocess.run([*command, str(SYSTEM.folder / ".gitlab-ci.yml")], check=True)
