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
    _await(child, reading)


def _await(child: int, reading: int) -> None:
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


class Turns:
    """A story that goes on in two ways at each of its turns: in a child otherwise than here.

    The story asks `here_otherwise()` at a turn: it is True in a child, which goes on from there and never returns from
    `tell`.
    """

    def __init__(self) -> None:
        self._writing: int | None = None

    @property
    def otherwise(self) -> bool:
        """Whether this is one of the children."""
        return self._writing is not None

    def here_otherwise(self) -> bool:
        """AssertionError with the child's traceback where its story ends badly."""
        if self.otherwise:
            return False
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            self._writing = writing
            return True
        os.close(writing)
        _await(child, reading)
        return False

    def tell(self, story: Callable[[], None], check: Callable[[], None]) -> None:
        """The story with all its turns; `check` is made in the children alone."""
        try:
            story()
        except BaseException:
            if self._writing is not None:
                _tell(_raise_again, self._writing)
            raise
        if self._writing is not None:
            _tell(check, self._writing)


def _raise_again() -> None:
    raise
