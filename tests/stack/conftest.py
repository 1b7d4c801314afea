"""The systems that teams use beside the operator, each of them real: `make stack`, and no part of `make test`.

With --record-stack, a system whose tests have all run gets a new result, also where one of them has failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.stack import results
from tests.support.stack.environment import versions
from tests.support.stack.systems import with_example

_DIGESTS = pytest.StashKey[dict[str, str]]()


@pytest.fixture
def note_program(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """`note_program("git", "2.39.5")`: the version of a program that ran and is no package of the example's lock."""
    return record_property


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-stack", action="store_true", help="write what ran to tests/stack/results")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_DIGESTS] = {system.slug: system.digest() for system in with_example()}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not terminalreporter.config.option.record_stack:
        return
    digests, reports = terminalreporter.config.stash[_DIGESTS], defaultdict(list)
    for kept in terminalreporter.stats.values():
        for report in kept:
            if isinstance(report, pytest.TestReport):
                reports[report.nodeid.partition("::")[0]].append(report)
    for system in with_example():
        ran = reports[f"tests/stack/{system.test.name}"]
        if ran and (result := results.of_reports(system, digests[system.slug], ran, versions(system))):
            results.write(system, result)
            terminalreporter.line(f"{system.slug}: {len(result.passed)} passed, {len(result.failed)} failed")
