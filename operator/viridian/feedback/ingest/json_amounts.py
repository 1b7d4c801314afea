"""How much a JSON document holds, counted before anything is made of it: one byte of it can become forty in memory."""

from __future__ import annotations

from typing import Final

from viridian.feedback.problems import HttpProblem

MAX_VALUES: Final = 1_000_000
_SIGNS: Final = b",:[{"
"""One of them stands before each value but the first; those within texts are counted too."""


def values(body: bytes) -> int:
    """How many there are, or a few less."""
    return len(body) - len(body.translate(None, _SIGNS))


def check_values(body: bytes) -> None:
    """Nothing, or a problem: there are more values than one request may have."""
    if len(body) > MAX_VALUES and values(body) > MAX_VALUES:
        raise HttpProblem(413, f"a body has at most {MAX_VALUES} JSON values; send it in parts")
