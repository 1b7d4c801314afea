"""Processes that outlive the command that started them, and are ended by their identity, never by their name.

A pid alone is not an identity: the kernel gives it out again. A pid with the time its process started is one.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from localcluster.errors import LocalClusterError

LOG_TAIL_LINES = 20


@dataclass(frozen=True)
class Process:
    """One process of ours: what it is, and the pair of numbers that nobody else can have."""

    name: str
    pid: int
    started: int
    """Clock ticks since boot, as in field 22 of ``/proc/<pid>/stat``."""
    boot: str
    log: str

    @property
    def alive(self) -> bool:
        return self.boot == boot_id() and start_time(self.pid) == self.started


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When the process started; None when there is none, or when it is dead and merely not collected yet."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_start_time(fields)


def parse_start_time(stat: str) -> int | None:
    """The second field of stat may hold spaces and brackets, so counting starts behind its last bracket."""
    state, *rest = stat[stat.rindex(")") + 1 :].split()
    return None if state in "ZX" else int(rest[18])


def this_process(name: str) -> Process:
    started = start_time(os.getpid())
    assert started is not None, "a running process has a start time"  # noqa: S101
    return Process(name, os.getpid(), started, boot_id(), "")


_SPARING = {"GOGC": "400"}
"""All that is started here is made with Go: collect garbage a quarter as often, for cores are rarer than memory."""


def spawn(name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Start a process in a session of its own, so that neither Ctrl-C nor a closed terminal reaches it."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            env={**_SPARING, **(os.environ if environment is None else environment)},
            start_new_session=True,
        )
    # Whoever drops the handle of a running child is warned of it; here that is meant: `stop` collects it by pid.
    child.returncode = 0
    return Process(name, child.pid, start_time(child.pid) or 0, boot_id(), str(log))


def stop(process: Process, first: signal.Signals = signal.SIGTERM, patience: float = 5.0) -> None:
    """End the process, gently at first, and return when it is gone; a pid that belongs to another now is left alone."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        # Asked after the handle was opened: from here on the handle cannot come to mean another process.
        for by in (first, signal.SIGKILL):
            if not process.alive:
                break
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, by)
            select.select([handle], [], [], patience)
    finally:
        os.close(handle)
        _collect(process.pid)


def kill_all(pids: Iterable[int], patience: float = 5.0) -> None:
    """Kill these processes at once and wait until each is gone."""
    handles = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            handles.append(handle)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    deadline = time.monotonic() + patience
    for handle in handles:
        select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        os.close(handle)


def _collect(pid: int) -> None:
    """Take the exit status if the process was our own child, so that no zombie is left."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def require_alive(process: Process) -> None:
    if not process.alive:
        raise LocalClusterError(f"{process.name} ended unexpectedly; the end of {process.log}:\n{tail(process.log)}")


def tail(log: str, lines: int = LOG_TAIL_LINES) -> str:
    path = Path(log)
    text = path.read_text(errors="replace") if path.is_file() else ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:]) or "    (it wrote nothing)"


class Roll:
    """The list of our processes on disk: each is written down the moment it is started."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Process]:
        if not self._path.exists():
            return []
        return [Process(**entry) for entry in json.loads(self._path.read_text())]

    def add(self, process: Process) -> None:
        self._write([*(known for known in self.read() if known.name != process.name), process])

    def get(self, name: str) -> Process | None:
        return next((process for process in self.read() if process.name == name), None)

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)

    def _write(self, processes: Iterable[Process]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(process) for process in processes], indent=1))
        fresh.replace(self._path)
