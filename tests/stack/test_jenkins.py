"""The Jenkinsfile by Groovy alone, with the few directives and steps that it uses; the cluster is real."""

from __future__ import annotations

import subprocess
from typing import Final

import pytest

from localcluster.paths import REPOSITORY
from tests.support.debian import JAVAC
from tests.support.stack.environment import environment
from tests.support.stack.pipeline import Pipeline, PipelineEnd
from tests.support.stack.releases import Releases
from tests.support.stack.systems import named

pytestmark = pytest.mark.needs_programs
SYSTEM = named("jenkins")
SHIM: Final = REPOSITORY / "tests" / "support" / "stack" / "jenkinsfile.groovy"


def run(pipeline: Pipeline, **answers: str) -> PipelineEnd:
    """By the Groovy that npm-groovy-lint brings with it."""
    linter = environment(SYSTEM).parent / "node_modules" / "npm-groovy-lint"
    groovy = ("-cp", f"{linter}/lib/java/groovy/lib/*", "groovy.ui.GroovyMain")
    given = {"CREDENTIAL_kubeconfig-ml": str(pipeline.kubeconfig), **answers}
    return pipeline.run(JAVAC.find().with_name("java"), *groovy, SHIM, "Jenkinsfile", **given)


class TestReleases(Releases):
    def run(self, pipeline: Pipeline) -> PipelineEnd:
        return run(pipeline)


def test_with_the_parameter_approval_nothing_is_applied_before_a_person_agrees(pipeline: Pipeline) -> None:
    pipeline.commit("2")
    aborted = run(pipeline, PARAM_APPROVAL="true", ANSWER="abort")
    assert not aborted.succeeded
    assert "is a new revision" in aborted.log, "the plan that the person reads"
    assert pipeline.asked_for == "1"
    approved = run(pipeline, PARAM_APPROVAL="true", ANSWER="approve")
    assert approved.succeeded, approved.log
    assert pipeline.model.champion == "2"


def test_npm_groovy_lint_finds_no_error_and_no_warning() -> None:
    programs = environment(SYSTEM)
    command = [str(programs / "npm-groovy-lint"), "--noserver", "--failon=warning", "Jenkinsfile"]
    path = f"{programs}:{JAVAC.find().parent}:/usr/bin:/bin"
    subprocess.run(command, cwd=SYSTEM.folder, env={"PATH": path, "LANG": "C.UTF-8"}, check=True)
