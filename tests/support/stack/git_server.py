"""A team's Git repository of data: a working copy, and a bare one behind `git daemon` from which others fetch."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from localcluster.ports import free_port
from tests.support.kube import eventually
from tests.support.mlflow_server import end_group

_AUTHOR: Final = ("-c", "user.name=data", "-c", "user.email=data@acme.example")


class GitRepository:
    """What is committed to `main` can be fetched at once, and so can its tag."""

    def __init__(self, root: Path, settings: Mapping[str, str] | None = None) -> None:
        self.work = root / "work"
        self._settings = {"GIT_CONFIG_GLOBAL": "/dev/null", **(settings or {})}
        self.run("git", "init", "-q", "-b", "main", str(self.work), where=root)
        self.run("git", "init", "-q", "--bare", "-b", "main", str(root / "data.git"), where=root)
        self.run("git", "remote", "add", "origin", str(root / "data.git"))

    def write(self, path: str, content: str) -> Path:
        """A file of the working copy."""
        file = self.work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def replace(self, folder: str, files: Mapping[str, str]) -> None:
        """The folder has these files from now on, and no others."""
        for old in (self.work / folder).glob("*"):
            old.unlink()
        for name, content in files.items():
            self.write(f"{folder}/{name}", content)

    def commit(self, tag: str) -> str:
        """The commit with all that has changed."""
        self.run("git", "add", "-A")
        self.run("git", *_AUTHOR, "commit", "-q", "-m", tag)
        self.run("git", "tag", tag)
        self.run("git", "push", "-q", "--tags", "origin", "main")
        return self.run("git", "rev-parse", "HEAD")

    def revert(self) -> str:
        """The commit that takes back the newest one."""
        self.run("git", *_AUTHOR, "revert", "--no-edit", "HEAD")
        self.run("git", "push", "-q", "origin", "main")
        return self.run("git", "rev-parse", "HEAD")

    def run(self, *command: str, where: Path | None = None) -> str:
        """What a command prints that runs in the working copy."""
        given = {**os.environ, **self._settings}
        done = subprocess.run(command, cwd=where or self.work, env=given, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@contextmanager
def git_daemon(root: Path) -> Iterator[str]:
    """The address of the bare repository below this folder."""
    port = free_port()
    where = ("--listen=127.0.0.1", f"--port={port}", f"--base-path={root}")
    command = ["git", "daemon", "--reuseaddr", "--export-all", *where]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as daemon:
        try:
            eventually(lambda: _answers(port), what="git daemon")
            yield f"git://127.0.0.1:{port}/data.git"
        finally:
            end_group(daemon)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
