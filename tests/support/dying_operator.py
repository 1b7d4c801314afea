"""The operator, which dies right after its k-th write.

No clean-up, no last words: the API server has stored the write, and nobody is left to learn of it.

Many of them are started, and most of what a start costs are imports. So each is forked from one process that has
nothing but these imports behind it.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Final

from viridian.controller import main
from viridian.ports.cluster import Object, ObjectRef
from viridian.ports.kubernetes import KubernetesCluster

DIED: Final = 86
"""The exit code that tells this death from all others."""


class DyingCluster(KubernetesCluster):
    """The real adapter, which lives for so many writes."""

    left = 0

    async def apply(self, manifest: Mapping[str, Any], *, manager: str, force: bool = True) -> Object:
        stored = await super().apply(manifest, manager=manager, force=force)
        self._one_less()
        return stored

    async def apply_status(self, manifest: Mapping[str, Any], *, manager: str) -> Object:
        stored = await super().apply_status(manifest, manager=manager)
        self._one_less()
        return stored

    async def delete(self, reference: ObjectRef, *, uid: str, version: str = "") -> None:
        await super().delete(reference, uid=uid, version=version)
        self._one_less()

    async def record_event(self, regarding: Mapping[str, Any], *, kind: str, reason: str, message: str) -> None:
        await super().record_event(regarding, kind=kind, reason=reason, message=message)
        self._one_less()

    @classmethod
    def _one_less(cls) -> None:
        cls.left -= 1
        if cls.left == 0:
            os._exit(DIED)


def _live(k: int, flags: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    """What the forked process does."""
    os.chdir("/")
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    DyingCluster.left = k
    main.KubernetesCluster = DyingCluster  # type: ignore[attr-defined]
    sys.exit(main.main(list(flags)))


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])
_ONE_AT_A_TIME = threading.Lock()
"""Whoever starts or asks after a process also asks after all others, and each may be asked by one thread only."""


class Dying:
    """One such process, as far as tests look at it; it has the face of `subprocess.Popen`."""

    def __init__(self, k: int, flags: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._process = _FORKS.Process(target=_live, args=(k, flags, log, environment), daemon=True)
        with _ONE_AT_A_TIME:
            self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def poll(self) -> int | None:
        with _ONE_AT_A_TIME:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("the dying operator", timeout or 0)
        return code

    def kill(self) -> None:
        with _ONE_AT_A_TIME:
            self._process.kill()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)
