"""Many ends of one beginning: each is told in a child of this process, and the beginning stays as it was.

A child has everything that this process has, memory and event loop included, as no copy of objects would.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import NoReturn


def in_a_child(check: Callable[[], None]) -> None:
    """AssertionError with the child's traceback where the check fails there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _tell(check, writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code == 0, told or f"the child ended with {code}"


def _tell(check: Callable[[], None], writing: int) -> NoReturn:
    """Ends the child without what this process does at its own end."""
    code = 1
    try:
        check()
        code = 0
    except BaseException:
        with os.fdopen(writing, "w") as pipe:
            pipe.write(traceback.format_exc())
    finally:
        os._exit(code)
