"""A server and everything that it starts: on one core, measured as a whole, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
LEAVE_SECONDS = 15.0


class Tree:
    """A process and its descendants."""

    def __init__(self, root: subprocess.Popen[bytes], log: Path) -> None:
        self.root = root
        self.log = log
        self.started = time.perf_counter()

    def processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.root.pid)
            return [first, *first.children(recursive=True)]
        return []

    def cpu_seconds(self) -> float:
        """User and system time of all that live, and of children that they outlived."""
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])
        return total

    def megabytes(self) -> float:
        """Proportional set size: what is shared counts once."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total / 1e6

    def check(self) -> None:
        """Raises with the end of the log when the process has ended."""
        if self.root.poll() is not None:
            tail = self.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"the server ended with {self.root.returncode}:\n{tail}")


@contextlib.contextmanager
def launched(
    command: Sequence[str], *, core: int, log: Path, folder: Path, variables: Mapping[str, str]
) -> Iterator[Tree]:
    """The process on its core. Nothing of it is left afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VIRIDIAN_")}
    with log.open("wb") as output:
        root = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**environment, **ONE_THREAD, **variables},
            start_new_session=True,
        )
    tree = Tree(root, log)
    try:
        yield tree
    finally:
        _end(tree)


def _end(tree: Tree) -> None:
    everyone = tree.processes()
    if tree.root.poll() is None:
        tree.root.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(everyone, timeout=LEAVE_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    tree.root.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def busy_seconds() -> float:
    """Processor time of the whole computer that was not idle."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
