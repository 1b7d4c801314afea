"""The team's own tests of a candidate: a real suite by pytest, and JUnit XML of another program."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.stack.stage_run import StackRun, StageEnd
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

SYSTEM = named("pytest")
GOOD = {
    "no-complaint": 0.1,
    "one-complaint": 0.2,
    "five-complaints": 0.9,
    "usual": 0.3,
    "usual-de": 0.32,
    "usual-fr": 0.25,
}
OTHER_XML = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="candidate" tests="2" failures="1">
  <testcase name="answers in time" classname="candidate"/>
  <testcase name="keeps its promise" classname="candidate"><failure message="customer 4711">4711</failure></testcase>
</testsuite></testsuites>
"""


@pytest.fixture
def run(tmp_path: Path) -> StackRun:
    """A run whose training has ended well."""
    found = StackRun(SYSTEM, tmp_path).begin("r1", tmp_path / "customers.csv")
    found.world.train(auc=0.9)
    found.world.settle()
    assert found.at_work == "tests"
    return found


def judged(run: StackRun, **answers: float) -> StageEnd:
    """How the stage ends where the candidate answers so."""
    volume = run.folder / "in" / "training"
    volume.mkdir(parents=True)
    rows = "".join(f"{customer.replace('_', '-')},{leaves}\n" for customer, leaves in {**GOOD, **answers}.items())
    (volume / "answers.csv").write_text("customer,leaves\n" + rows)
    return run.work(VIRIDIAN_IN_DIR=str(run.folder / "in"))


def test_a_candidate_that_passes_goes_on_to_the_gate(run: StackRun) -> None:
    ended = judged(run)
    assert ended.code == ExitCode.DONE, ended.log
    assert run.world.stage_states()["tests"] == "Complete"
    assert run.world.last_run["outcome"] == "HandedOver"


def test_a_candidate_that_fails_is_rejected_and_the_test_is_named(run: StackRun) -> None:
    ended = judged(run, **{"usual-fr": 0.8})
    assert ended.code == ExitCode.BAD_CANDIDATE
    assert run.world.last_run["outcome"] == "Rejected"
    assert "test_the_country_alone_changes_little[fr]" in run.world.last_run["message"]
    assert "0.8" not in ended.message, "no value of a row"


def test_a_suite_that_runs_nothing_shows_nothing(run: StackRun) -> None:
    command = ["--", "python", "-m", "pytest", "-q", "-k", "nothing", "checks_of_candidate.py"]
    ended = run.python(f"import sys; from viridian.training import junit; sys.exit(junit.main({command}))")
    assert ended.code == 2


def test_junit_xml_of_another_program_is_read(run: StackRun, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "TEST-candidate.xml").write_text(OTHER_XML)
    command = f"import sys; from viridian.training import junit; sys.exit(junit.main([{str(tmp_path / 'results')!r}]))"
    ended = run.python(command)
    assert ended.code == ExitCode.BAD_CANDIDATE
    assert "keeps its promise" in ended.report.failures[0]
    assert "4711" not in ended.message
