"""What the properties share: how much chance is used, and how many kills there were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.churn import Churn
from tests.support.operator_world import OperatorWorld
from tests.support.safety import violations

settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)
settings.register_profile("long", settings.get_profile("ci"), derandomize=False, max_examples=1000)

KILLS = "kills"


@pytest.fixture
def world() -> Iterator[OperatorWorld]:
    """An operator on an empty cluster; at the end, users must have been safe all along (P5)."""
    made = OperatorWorld(copies=True)
    yield made
    made.close()
    assert violations(made.cluster.worlds) == []


@pytest.fixture
def churn(world: OperatorWorld) -> Churn:
    return Churn(world)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many ks each scenario of P4 has, for everyone who reads the end of a test run."""
    told = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in getattr(report, "user_properties", ())
        if name == KILLS
    ]
    if told:
        terminalreporter.section("killed after every k-th write (P4)")
        for line in sorted(told):
            terminalreporter.line(line)
