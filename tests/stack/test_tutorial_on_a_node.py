"""docs/tutorial.md from its first command to its last, on a node that is not there before: `make tutorial`.

One shell runs them all, in a copy of this checkout. With --record-tutorial, the page gets what they print.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from docs.scripts import tutorial
from localcluster.paths import REPOSITORY, cache_root
from tests.support.mlflow_server import end_group

pytestmark = [pytest.mark.needs_node, pytest.mark.timeout(3600)]

INSTALLED_BY_HELM = "--set mlflow.install=true"
WITHOUT_STORAGE = "--set collector.storage.persistent=false --set mlflow.storage.persistent=false"
"""What the page says for a node without a StorageClass."""
PERSON, READER = "viridian-admin", "ada"
"""Who the node takes us for, and what the page has instead."""


@dataclass(frozen=True)
class Shell:
    """A shell that goes on from command to command."""

    commands: IO[str]
    printed: IO[str]
    complaints: Path

    def types(self, command: str) -> str:
        """What it prints; AssertionError with all that it says where it fails."""
        end = f"--{uuid.uuid4()}"
        self.commands.write(f"{command}\nprintf '\\n{end} %s\\n' $?\n")
        self.commands.flush()
        lines: list[str] = []
        while not (line := self.printed.readline()).startswith(end):
            assert line, f"the shell has ended: {self.complaints.read_text()[-2000:]}"
            lines.append(line)
        output = "".join(lines)
        assert line.split() == [end, "0"], f"{command}\n{output}\n{self.complaints.read_text()[-2000:]}"
        return output.removesuffix("\n").replace(PERSON, READER)


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """It stands in a copy of the checkout, and has `kubectl viridian` as a person has installed it."""
    checkout, programs, complaints = folder / "viridian", folder / "bin", folder / "complaints"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(checkout)], check=True)
    programs.mkdir()
    plugin = programs / "kubectl-viridian"
    python = cache_root() / "cli-venv" / "bin" / "python"
    plugin.write_text(f'#!/bin/sh\nPYTHONPATH="{checkout}/operator" exec "{python}" -m viridian.cli "$@"\n')
    plugin.chmod(0o755)
    (programs / "python3").symlink_to(sys.executable)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    with (
        complaints.open("w") as told,
        subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=checkout,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Shell(process.stdin, process.stdout, complaints)
        finally:
            end_group(process)
            subprocess.run([sys.executable, "-m", "localcluster", "down"], cwd=checkout, check=True)


def test_the_tutorial_works_as_it_is_written(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    page = tutorial.PAGE.read_text()
    assert WITHOUT_STORAGE in page
    with shell(tmp_path) as person:

        def typed(block: re.Match[str]) -> str:
            if block[1] == "console":
                return tutorial.transcript(block[0], person.types)
            person.types(block[2].replace(INSTALLED_BY_HELM, f"{INSTALLED_BY_HELM} {WITHOUT_STORAGE}"))
            return block[0]

        printed = re.sub(r"^```(sh|console)\n(.*?)^```$", typed, page, flags=re.MULTILINE | re.DOTALL)
    if request.config.getoption("--record-tutorial"):
        tutorial.PAGE.write_text(printed)
    assert tutorial.lasting(printed) == tutorial.lasting(page), "make tutorial"
