"""What this container has used so far, by the accounts of its control group.

A pod sees its own group alone, under the one version of control groups or the other. Nothing is measured outside of a
pod, where the group is that of the whole computer.

Version 2: https://docs.kernel.org/admin-guide/cgroup-v2.html (`cpu.stat`, `memory.peak`, which Linux has since 5.19).
Version 1: https://docs.kernel.org/admin-guide/cgroup-v1/ (`cpuacct.usage`, `memory.max_usage_in_bytes`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

GROUP: Final = Path("/sys/fs/cgroup")
IN_A_POD: Final = "KUBERNETES_SERVICE_HOST"
"""Kubernetes sets this variable in every container."""


def used_cpu_seconds(group: Path = GROUP) -> float | None:
    """CPU time of all processes that the container has had; None outside of a pod, and where no account is kept."""
    lines = (line.partition(" ") for line in _text(group / "cpu.stat").splitlines())
    if (microseconds := _number(next((value for key, _, value in lines if key == "usage_usec"), ""))) is not None:
        return microseconds / 1e6
    nanoseconds = _number(_text(group / "cpuacct" / "cpuacct.usage"))
    return None if nanoseconds is None else nanoseconds / 1e9


def peak_memory_bytes(group: Path = GROUP) -> int | None:
    """The most memory that the container used at a time, as its limit counts it: with files in the cache.

    None as for `used_cpu_seconds`.
    """
    peak = _number(_text(group / "memory.peak"))
    return peak if peak is not None else _number(_text(group / "memory" / "memory.max_usage_in_bytes"))


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _text(path: Path) -> str:
    """The text of the file; empty outside of a pod, and where there is no such file."""
    try:
        return path.read_text() if IN_A_POD in os.environ else ""
    except OSError:
        return ""
