"""Other people's clients against the real processes; the table in the docs is what they were answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clients import suite
from tests.support.clients.suite import Row
from tests.support.clients.targets import Target

pytestmark = pytest.mark.needs_programs

PAGE = Path(__file__).parents[3] / "docs" / "clients.md"


@pytest.mark.parametrize("program", suite.PROGRAMS)
def test_clients_are_answered(
    server: Target, collector: Target, program: Callable[[Target, Target], list[Row]]
) -> None:
    rows = program(server, collector)
    assert rows
    assert [row for row in rows if not row.right] == []
    clients = {row.client for row in rows}
    told = [line for line in PAGE.read_text().splitlines() if line[2:].partition(" |")[0] in clients]
    assert told == suite.table(rows).splitlines()[2:], (
        "the page is not what is seen here: python -m docs.scripts.clients"
    )
