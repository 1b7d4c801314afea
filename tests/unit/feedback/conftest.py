"""A collector on SQLite in a folder of the test's own. tests/contract/feedback runs the same tests on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.collecting import Stand, collecting


@pytest.fixture
def database_url() -> str:
    """SQLite in the data folder."""
    return ""


@pytest.fixture
async def stand(tmp_path: Path, database_url: str) -> AsyncIterator[Stand]:
    """A collector that knows nothing yet."""
    async with collecting(tmp_path, database_url) as stand:
        yield stand
