"""Writes docs/clients.md: which clients were tried, and what they were answered.

    python -m docs.scripts.clients

Starts a model server and a collector and runs the clients of the tests (`tests/support/clients`) against them. The
tests compare the page with what they see.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final

from localcluster.paths import REPOSITORY
from tests.support.background import in_background
from tests.support.clients import suite
from tests.support.clients.targets import collecting, serving

PAGE: Final = REPOSITORY / "docs" / "clients.md"
LOCK: Final = REPOSITORY / "locks" / "clients.txt"
NAMED: Final = ("aiohttp", "httpx", "kserve", "requests", "tritonclient", "urllib3")

TEXT: Final = """\
<!-- Written by `python -m docs.scripts.clients`. -->

# Clients that are tried

These clients run in the tests against the real model server and the real collector. Both have a limit of 1 MB for
bodies, and give a request one second to arrive. The table is what the clients were answered;
[what holds for every client](model-server.md#clients-of-all-kinds) says why. `–`: the client does not speak to it.
Python packages: {versions}.

* curl with `--http2`, and Java's HttpClient as it comes, ask for an upgrade to HTTP/2 with their first request. It is
  ignored, and the request answered.
* A body above the limit is refused while it is being sent. Every client sees the refusal.
* Compressed bodies are refused with 415.

{table}
"""


def versions(lock: str) -> str:
    """Of those clients that come from a package index."""
    return ", ".join(
        f"{name} {found[1]}" for name in NAMED if (found := re.search(rf"^{name}==(\S+)", lock, re.MULTILINE))
    )


def main() -> None:
    """Run everything, and write the page."""
    with (
        tempfile.TemporaryDirectory() as folder,
        in_background(serving(Path(folder) / "server")) as (server, _),
        in_background(collecting(Path(folder) / "collector")) as collector,
    ):
        rows = suite.run(server, collector)
    PAGE.write_text(TEXT.format(versions=versions(LOCK.read_text()), table=suite.table(rows)))


if __name__ == "__main__":
    main()
