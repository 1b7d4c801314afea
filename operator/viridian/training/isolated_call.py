"""Calls in a process of their own: what does not end is ended, and what crashes takes nobody with it.

The process is a new interpreter, no copy of this one: no lock of another thread is copied with it, and the user's
script does not run twice. It is started once, and again after it had to be ended. Nothing but pipes between the two
carries the objects, and both run as the same user.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Final, TypeVar

import cloudpickle  # type: ignore[import-untyped]

T = TypeVar("T")

_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from viridian.training import isolated_call; isolated_call.serve(int(sys.argv[1]))"
)
"""With the paths of this process, so that what can be imported here can be imported there."""
IDLE_SECONDS: Final = 60
"""Nobody asked for so long: a script that trains on does not keep a second process for ever."""
START_SECONDS: Final = 60
_TAKEN: Final = b"taken"
_SHARE_OF_MEMORY: Final = 0.8
_CGROUP: Final = Path("/sys/fs/cgroup")
_MEMORY: Final = Path("/proc/meminfo")


class NotDone(Exception):
    """The call has no result, and why is one sentence for people."""


def call(function: Callable[..., T], *arguments: Any, seconds: float) -> T:
    """What the function returns or raises there; NotDone when it does not end in time or ends its process.

    Functions go by name, and so do their arguments' classes; those of the script itself go with their code. Each
    megabyte that is handed over adds a second.
    """
    try:
        task = cloudpickle.dumps((function, arguments))
    except Exception as error:
        # Whatever the user's own objects raise.
        raise NotDone(f"it cannot be handed to another process: {type(error).__name__}") from error
    allowed = seconds + len(task) / 1e6
    succeeded, result = _HELPER.answer(pickle.dumps((task, allowed)), allowed)
    if not succeeded:
        raise result
    return result  # type: ignore[no-any-return]


class _Helper:
    """The other process, seen from here. One call at a time."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """After a fork the other process is the parent's."""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def answer(self, job: bytes, seconds: float) -> tuple[bool, Any]:
        with self._lock:
            try:
                pipe = self._asked(job)
                if not pipe.poll(seconds):
                    raise NotDone(f"it takes longer than {seconds:.0f} s")
                answer = pipe.recv_bytes()
            except (EOFError, OSError) as error:
                raise NotDone(f"its process ended: {self._end()}") from error
            except BaseException:
                # Also when somebody interrupts: what comes later would be the answer to an earlier call.
                self._end()
                raise
        try:
            return pickle.loads(answer)  # type: ignore[no-any-return]  # noqa: S301
        except Exception as error:
            raise NotDone(f"its result cannot be handed over: {type(error).__name__}") from error

    def _asked(self, job: bytes) -> Connection:
        """The pipe, after the job was taken. A process that left for want of work is started anew."""
        for attempt in (1, 2):
            pipe = self._running()
            try:
                pipe.send_bytes(job)
                if not pipe.poll(START_SECONDS):
                    raise NotDone(f"another process does not start within {START_SECONDS} s")
                pipe.recv_bytes()
            except (EOFError, OSError) as error:
                ended = self._end()
                if attempt == 2:
                    raise NotDone(f"its process ended: {ended}") from error
            else:
                return pipe
        raise AssertionError("the second attempt returns or raises")

    def _running(self) -> Connection:
        if self._pipe is None or self._process is None or self._process.poll() is not None:
            self._end()
            self._start()
        assert self._pipe is not None  # noqa: S101
        return self._pipe

    def _start(self) -> None:
        ours, theirs = Pipe()
        command = [sys.executable or "python3", "-c", _START, str(theirs.fileno()), json.dumps(sys.path)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        except (OSError, ValueError) as error:
            ours.close()
            raise NotDone(f"no other process can be started: {error}") from error
        finally:
            theirs.close()
        self._pipe = ours

    def _end(self) -> str:
        """The process is gone; how it ended, in words."""
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if process is None:
            return "it could not be started"
        # An end of its own is given a moment, so that it can be named.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0 if pipe is None else 1)
        process.kill()
        code = process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def close(self) -> None:
        with self._lock:
            self._end()


_HELPER: Final = _Helper()
atexit.register(_HELPER.close)
if hasattr(os, "register_at_fork"):  # not where nothing can be forked
    os.register_at_fork(after_in_child=_HELPER.forget)


def serve(descriptor: int) -> None:
    """In the other process: answers calls until the pipe is closed or nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    with Connection(descriptor) as pipe:
        while pipe.poll(IDLE_SECONDS):
            try:
                job = pipe.recv_bytes()
            except EOFError:
                return
            pipe.send_bytes(_TAKEN)
            pipe.send_bytes(_result(job))


def _result(job: bytes) -> bytes:
    """Whether the call succeeded, and its result or what it raised."""
    try:
        task, allowed = pickle.loads(job)  # noqa: S301  from the process that started this one
        function, arguments = pickle.loads(task)  # noqa: S301
    except Exception as error:
        return cloudpickle.dumps((False, NotDone(f"another process cannot load it: {_describe(error)}")))  # type: ignore[no-any-return]
    _bound_memory()
    try:
        # If nobody is there any more to end this process, the alarm does.
        signal.alarm(int(allowed) + 5)
        answer = True, function(*arguments)
    except Exception as error:
        answer = False, error
    finally:
        signal.alarm(0)
    try:
        return cloudpickle.dumps(answer)  # type: ignore[no-any-return]
    except Exception:
        return cloudpickle.dumps((False, NotDone(f"{type(answer[1]).__name__} cannot be handed over")))  # type: ignore[no-any-return]


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _bound_memory() -> None:
    """What asks for more than there is gets a MemoryError, instead of ending the container with everything in it."""
    import resource

    room = _room()
    if room is not None:
        used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        bound = used + int(room * _SHARE_OF_MEMORY)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))


def _room() -> int | None:
    """Bytes that are free in this container and on this computer; None where nobody says."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        line = next(line for line in _MEMORY.read_text().splitlines() if line.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):
        limit, used = ((_CGROUP / name).read_text() for name in ("memory.max", "memory.current"))
        found.append(int(limit) - int(used))
    return max(0, min(found)) if found else None
