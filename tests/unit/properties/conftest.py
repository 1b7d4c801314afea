"""What the properties share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.churn import Churn
from tests.support.operator_world import OperatorWorld
from tests.support.safety import violations


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
