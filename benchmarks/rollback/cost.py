"""What the programs of a tool use of this computer."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Cost:
    """So far, by program."""

    processor_seconds: dict[str, dict[int, float]]
    """Of each process."""
    megabytes: dict[str, float]
    """Resident, all processes of a program together."""

    @classmethod
    def of(cls, programs: Mapping[str, Sequence[int]]) -> Cost:
        """Processes that have ended count no more."""
        seconds, megabytes = {}, {}
        for name, pids in programs.items():
            processes = list(_alive(pids))
            seconds[name] = {process.pid: sum(process.cpu_times()[:2]) for process in processes}
            megabytes[name] = sum(process.memory_info().rss for process in processes) / 1e6
        return cls(seconds, megabytes)

    def since(self, before: Cost) -> dict[str, float]:
        """Seconds of processor time between the two, of the processes that are still there."""
        return {
            name: sum(used - before.processor_seconds.get(name, {}).get(pid, 0.0) for pid, used in processes.items())
            for name, processes in self.processor_seconds.items()
        }


def _alive(pids: Sequence[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found
