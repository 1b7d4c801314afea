"""The `tests` stage: a real pytest suite, and reports that others have written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.retraining.world import World, policy, stage_spec
from viridian.api.stage import MAX_REPORT_BYTES, ExitCode, StageReport, parse_report
from viridian.training import junit
from viridian.training.junit_xml import MAX_DEPTH, UnreadableReport, read_junit

SUITE = """
import pytest

def test_the_candidate_is_monotone():
    assert {monotone}

@pytest.mark.parametrize("region", ["north", "south"])
def test_every_region_is_answered(region):
    assert region

@pytest.mark.skip
def test_later():
    raise AssertionError
"""
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def pytest_in(stage: Path) -> tuple[str, ...]:
    """Names of tests begin at this folder, wherever this checkout is."""
    return (*PYTEST, f"--rootdir={stage}")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIRIDIAN_TERMINATION_LOG", str(tmp_path / "termination-log"))
    monkeypatch.setenv("VIRIDIAN_OUT_DIR", str(tmp_path))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return tmp_path


def report(stage: Path) -> StageReport:
    return parse_report((stage / "termination-log").read_text())


def suite(stage: Path, *, monotone: bool) -> str:
    path = stage / "test_candidate.py"
    path.write_text(SUITE.format(monotone=monotone))
    return str(path)


def test_a_suite_that_passes_ends_well(stage: Path) -> None:
    assert junit.main(["--", *pytest_in(stage), suite(stage, monotone=True)]) == ExitCode.DONE
    assert report(stage).failures == ()
    assert read_junit(stage / "junit.xml").ran == 3


def test_a_test_that_fails_rejects_the_candidate_by_name(stage: Path) -> None:
    assert junit.main(["--", *pytest_in(stage), suite(stage, monotone=False)]) == ExitCode.BAD_CANDIDATE
    assert report(stage).failures == ("test test_candidate::test_the_candidate_is_monotone failed",)


def test_a_run_whose_suite_fails_hands_nothing_over_and_names_the_test(stage: Path) -> None:
    world = World(policy=policy(stages={"training": stage_spec(), "tests": stage_spec()}))
    world.ask_by_hand("once").settle()
    world.train(auc=0.9).settle()
    code = junit.main(["--", *pytest_in(stage), suite(stage, monotone=False)])
    world.end(code, (stage / "termination-log").read_text()).settle()
    assert world.last_run["outcome"] == "Rejected"
    assert "test test_candidate::test_the_candidate_is_monotone failed" in world.last_run["message"]
    assert world.stage_states()["tests"] == "Failed"
    assert "candidate" not in world.aliases()


def test_the_report_of_an_attempt_before_does_not_count(stage: Path) -> None:
    junit.main(["--", *pytest_in(stage), suite(stage, monotone=True)])
    assert junit.main(["--", *PYTEST, str(stage / "none.py")]) == 2
    assert junit.main(["--", str(stage / "no-such-program")]) == 2
    assert report(stage).failures == ("there is no test report junit.xml; the command ended with exit code 127",)


def test_a_suite_that_runs_nothing_does_not_pass(stage: Path) -> None:
    path = stage / "test_nothing.py"
    path.write_text("import pytest\n\n@pytest.mark.skip\ndef test_later(): ...\n")
    assert junit.main(["--", *PYTEST, str(path)]) == 2
    assert report(stage).failures == ("no test ran: a suite that runs nothing shows nothing",)


def test_a_command_that_breaks_after_its_tests_does_not_pass(stage: Path) -> None:
    (stage / "junit.xml").write_text("")
    program = f"open({str(stage / 'junit.xml')!r}, 'w').write('<testsuite><testcase name=\"a\"/></testsuite>'); exit(3)"
    assert junit.main(["--", sys.executable, "-c", program]) == 2
    assert report(stage).failures == ("no test failed, but the command ended with exit code 3",)


def test_reports_of_several_files_count_together(stage: Path) -> None:
    folder = stage / "results"
    folder.mkdir()
    cases = "".join(f'<testcase classname="s" name="t{place}"><error/></testcase>' for place in range(5))
    (folder / "TEST-a.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    (folder / "TEST-b.xml").write_text('<testsuite><testcase classname="s" name="ok"/></testsuite>')
    assert junit.main([str(folder)]) == ExitCode.BAD_CANDIDATE
    assert report(stage).failures == (
        *(f"test s::t{place} failed" for place in range(3)),
        "and 2 more of 6 tests",
    )


def test_names_of_any_length_and_kind_fit_into_the_report(stage: Path) -> None:
    cases = "".join(f'<testcase name="{"é" * 900}{place}"><failure/></testcase>' for place in range(9))
    (stage / "junit.xml").write_text(f"<testsuite>{cases}</testsuite>")
    assert junit.main([]) == ExitCode.BAD_CANDIDATE
    assert len((stage / "termination-log").read_bytes()) <= MAX_REPORT_BYTES
    assert len(report(stage).failures) == 4


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><testsuite><testcase name="&c;"/></testsuite>'
OUTSIDE = (
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><testsuite><testcase name="a">&b;</testcase></testsuite>'
)
WRONG = {
    "entities": (BOMB, "declares a document type"),
    "entities of files": (OUTSIDE, "declares a document type"),
    "depth": ("<testsuite>" * (MAX_DEPTH + 1), "nested more than 32 deep"),
    "cut off": ('<testsuite><testcase name="a"><failure>', "it was cut off"),
    "no XML": ("all tests passed", "is no XML"),
    "no JUnit": ("<html><body/></html>", "it has no testsuite"),
    "empty": ("", "is no XML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_report_that_is_none_is_an_error(stage: Path, case: str) -> None:
    content, why = WRONG[case]
    (stage / "junit.xml").write_text(content)
    assert junit.main([]) == 2
    assert why in report(stage).failures[0]


def test_a_report_that_is_too_large_is_not_read(stage: Path) -> None:
    with (stage / "junit.xml").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(UnreadableReport, match="more than 64 MiB"):
        read_junit(stage / "junit.xml")


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.xml"
    path.write_bytes(content)
    with pytest.raises(UnreadableReport):
        read_junit(path)
