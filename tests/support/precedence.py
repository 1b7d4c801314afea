"""Who only computes gives way to who mostly waits.

Tests on servers and on the node are judged by the clock as well: they get a core as soon as they want one, although
other tests keep all cores busy.
"""

from __future__ import annotations

import os
from typing import Final

import pytest

GIVES_WAY: Final = 4
"""How much nicer tests that need nothing but Python are to the others."""
_BASE: Final = os.getpriority(os.PRIO_PROCESS, 0)


def give_way(item: pytest.Item) -> None:
    """Sets how nice this process is while the test runs, if it is one of several processes of tests.

    Only root can take back that it was nicer.
    """
    if os.geteuid() != 0 or "PYTEST_XDIST_WORKER" not in os.environ:
        return
    wanted = min(19, _BASE + GIVES_WAY) if item.get_closest_marker("unit") else _BASE
    if os.getpriority(os.PRIO_PROCESS, 0) != wanted:
        os.setpriority(os.PRIO_PROCESS, 0, wanted)
