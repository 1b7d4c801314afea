"""Builds what is missing in the cache: one binary at a time, one builder at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster.binaries import CATALOGUE, Binary, binary
from localcluster.console import say, step
from localcluster.errors import LocalClusterError
from localcluster.paths import binaries_root

LOG_TAIL_LINES = 25
COLLECT_AT = "400"
"""Percent of growth at which the compiler collects garbage (Go's own GOGC): a seventh less time, for some memory."""
NO_GO = """\
Go is needed to build the local cluster's binaries and no `go` was found on the PATH.
  Install Go 1.26.7 or newer from the Go project's download page and put its bin folder on the PATH.
  (Debian's own golang package is too old before Debian 14.) Then run the same command again."""
BROKEN_BUILD = """\
building {name} failed; the end of {log}:

{tail}

  Needed: Go 1.26.7 or newer (here: {version}), 8 GB of disk for Go's caches, 4 GB of memory, and on Debian the packages
  git and ca-certificates (`apt-get install git ca-certificates`). Behind a proxy or a private module mirror set
  Go's own GOPROXY, HTTPS_PROXY and SSL_CERT_FILE. The next run goes on where this one stopped."""


def ensure(names: Iterable[str]) -> None:
    """Make sure that these binaries are in the cache; returns at once when they are."""
    wanted = set(names)
    for candidate in CATALOGUE:
        if candidate.name in wanted and not candidate.path.exists():
            _build(candidate)


def missing(names: Iterable[str]) -> list[str]:
    return [name for name in names if not binary(name).path.exists()]


def _build(target: Binary) -> None:
    """The lock is held for one binary only, so whoever needs another one next need not wait for the whole set."""
    go = shutil.which("go")
    if go is None:
        raise LocalClusterError(NO_GO)
    with _only_builder(binaries_root()):
        if target.path.exists():
            return
        with step(f"building {target.name}"):
            _run_go(go, target)


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another builder is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_go(go: str, target: Binary) -> None:
    target.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.path.with_name(f".{target.name}.unfinished")
    log = target.path.with_name(f".{target.name}.log")
    command = [go, "build", *target.group.build_flags, "-o", str(unfinished), target.package]
    fixed = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "", **target.group.go_settings}
    environment = {"GOGC": COLLECT_AT, **os.environ, **fixed}
    with log.open("w") as out:
        result = subprocess.run(command, cwd=target.group.folder, env=environment, stdout=out, stderr=out, check=False)
    if result.returncode != 0:
        raise LocalClusterError(_explain(go, target, log))
    unfinished.rename(target.path)


def _explain(go: str, target: Binary, log: Path) -> str:
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    return BROKEN_BUILD.format(name=target.name, log=log, tail=tail, version=version or "unknown")
