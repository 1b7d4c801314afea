"""What a run of a system's tests came to. The tests write it, and docs/stack.md is written from it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

import msgspec
import pytest

from tests.support.stack.releases import Releases
from tests.support.stack.run_records import read_record, write_record
from tests.support.stack.systems import StackSystem


class ShownSystem(msgspec.Struct, frozen=True, kw_only=True):
    """One run of all tests of a system."""

    on: date
    files: str
    """The digest of the example and the test that ran."""
    versions: dict[str, str]
    """Of Python and the packages that the example asks for, as its environment reports them."""
    programs: dict[str, str] = {}
    """Versions of other programs that ran, as the tests noted them with `note_program`."""
    seconds: float
    passed: tuple[str, ...] = ()
    """Names of the tests, in the order of the file."""
    failed: tuple[str, ...] = ()

    @property
    def product(self) -> str:
        """The system itself: the first package that is asked for, else the first program, with its version."""
        named = {**self.versions, **self.programs}
        return next((f"{name} {version}" for name, version in named.items() if name != "Python"), "")


def read(system: StackSystem) -> ShownSystem | None:
    """The newest result; None before the first run."""
    return read_record(system.result, ShownSystem)


def write(system: StackSystem, result: ShownSystem) -> None:
    """In the form in which it is committed."""
    system.result.parent.mkdir(exist_ok=True)
    write_record(system.result, result)


def of_reports(
    system: StackSystem, files: str, reports: Sequence[pytest.TestReport], versions: Mapping[str, str]
) -> ShownSystem | None:
    """The result of these reports; None where a test of the system has neither passed nor failed in them.

    `files` is the digest from before the tests began: an edit meanwhile is not what ran.
    """
    outcomes: dict[str, set[str]] = {}
    for report in reports:
        if report.when == "call" or report.failed:
            outcomes.setdefault(_function(report.nodeid), set()).add(report.outcome)
    names = names_of_tests(system)
    if any(not outcomes.get(name, set()) & {"passed", "failed"} for name in names):
        return None
    return ShownSystem(
        on=datetime.now(UTC).date(),
        files=files,
        versions=dict(versions),
        programs={name: str(version) for report in reports for name, version in report.user_properties},
        seconds=round(sum(report.duration for report in reports), 1),
        passed=tuple(name for name in names if outcomes[name] == {"passed"}),
        failed=tuple(name for name in names if outcomes[name] != {"passed"}),
    )


def names_of_tests(system: StackSystem) -> list[str]:
    """The tests of the system, in the order of the file; those that it takes over come where it does so."""
    return list(_tests_in(ast.parse(system.test.read_text())))


def _tests_in(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == Releases.__name__ for base in node.bases):
            yield from (name for name in vars(Releases) if name.startswith("test_"))


def _function(nodeid: str) -> str:
    return nodeid.rpartition("::")[2].partition("[")[0]
