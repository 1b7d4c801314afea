"""The transcript of docs/tutorial.md: its commands, and what they printed when a test ran them.

    make tutorial

runs them on a node and writes the page anew with what they print. `make test` compares the page with what they print on
an API server whose pods are scripted, but for what differs between runs: ids, times, and figures of traffic.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[1] / "tutorial.md"
_BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ID: Final = re.compile(r"\b[0-9a-f]{8,16}\b")
_TIME: Final = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?Z")
_FIGURE: Final = re.compile(
    r"\b[0-9]+(?:\.[0-9]+)?e[+-]?[0-9]+\b|\b[0-9]+\.[0-9]+\b|\b[0-9]{2,}\b|\b[0-9]+(?= (?:%|requests|s)\b| %)"
)
"""A single digit may be a version, which is the same in each run, unless a unit follows."""
_BLANKS: Final = re.compile(r"[ \u2500-\u257f]+")


def transcript(page: str, printed: Callable[[str], str]) -> str:
    """The page with what each command prints in the place of what stands there; commands are run in their order."""

    def renewed(block: re.Match[str]) -> str:
        commands = [line.removeprefix("$ ") for line in block[1].splitlines() if line.startswith("$ ")]
        return "```console\n" + "".join(f"$ {one}\n{_lines(printed(one))}" for one in commands) + "```"

    return _BLOCK.sub(renewed, page)


def _lines(output: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in output.strip("\n").splitlines())


def lasting(page: str) -> list[str]:
    """The lines of a page without what differs from one run to the next. Columns are as wide as their figures."""
    text = page
    for pattern, instead in ((_TIME, "<time>"), (_ID, "<id>"), (_FIGURE, "<figure>"), (_BLANKS, " ")):
        text = pattern.sub(instead, text)
    return [line.strip() for line in text.splitlines()]
