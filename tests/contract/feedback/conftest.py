"""A real PostgreSQL, started once; each test has a database of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.support.postgres import Postgres, postgres
from tests.unit.feedback.conftest import stand

__all__ = ["stand"]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres]:
    with postgres(durable=False) as server:
        yield server


@pytest.fixture
def database_url(postgresql: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    with postgresql.database(f"test-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}") as url:
        yield url
