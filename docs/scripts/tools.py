"""Writes docs/tools.md from `viridian.cli.known_tools`: `python -m docs.scripts.tools`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from viridian.cli.known_tools import KNOWN_TOOLS, KnownTool

PAGE: Final = Path(__file__).resolve().parents[1] / "tools.md"
_HEAD: Final = """\
<!-- Written by `python -m docs.scripts.tools`: edit operator/viridian/cli/known_tools.py instead. -->

# Tools

What teams use beside the operator, how each of them is connected, and in which state it is. A statement about another
project is true of the day on which it was checked. Look at its own documentation before you rely on it.
`python -m viridian.cli review` names the tools of this table that an object shows.

* **Checked** has the date, and what the state rests on: the software was run (measured), its own documentation or
  source says so (documented), others write so (reported). After a quarter, a row is to be checked again.
* **Connection**: *tested* against the software itself, *shape tested* against its published interface, *not tested*
  where it follows from a contract that is tested with something else.

| tool | state | checked | way in | connection | what to do |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(map(_row, sorted(KNOWN_TOOLS, key=lambda tool: tool.name.lower())))


def _row(tool: KnownTool) -> str:
    checked = f"{tool.checked}, {tool.basis}"
    return f"| {tool.name} | {tool.state} | {checked} | {tool.way_in} | {tool.connection} | {tool.advice} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
