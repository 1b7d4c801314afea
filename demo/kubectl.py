"""kubectl as the demo uses it: run a line, read an object, wait for a condition."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True)
class Kubectl:
    """One cluster, one namespace."""

    program: str
    kubeconfig: Path
    namespace: str

    def command(self, *arguments: str) -> list[str]:
        return [self.program, f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *arguments]

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(self.command(*arguments), input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, manifest: str) -> None:
        self("apply", "--server-side", "--force-conflicts", "--field-manager=demo", "-f", "-", stdin=manifest)

    def get(self, *what: str) -> dict[str, Any] | None:
        """The object or list as the API server has it, None when there is none."""
        found = self("get", *what, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found.strip() else None

    def watch(self, *what: str) -> subprocess.Popen[str]:
        """A process whose output is each object that is there, and then each that is made or changed."""
        command = self.command("get", *what, "--watch", "-o", "json")
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def documents(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Objects that follow each other, each indented as kubectl writes them: only its last brace begins a line."""
    read: list[str] = []
    for line in lines:
        read.append(line)
        if line.rstrip() == "}":
            yield json.loads("".join(read))
            read.clear()


def wait_for(check: Callable[[], Found | None], what: str, timeout: float = 180.0, every: float = 0.5) -> Found:
    """The first result that is something; TimeoutError names what did not happen."""
    deadline = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout:.0f} s")
        time.sleep(every)
