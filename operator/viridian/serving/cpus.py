"""How many CPUs this process may really use: the container's limit, not the node's cores."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


def available(root: Path = CGROUP_ROOT, own: Path = Path("/proc/self/cgroup")) -> int:
    """At least 1; a limit of 1.5 CPUs counts as 2, so that the half is used."""
    allowed = len(os.sched_getaffinity(0))
    limits = [limit for limit in (_unified(root, own), _legacy(root)) if limit is not None]
    return max(1, min([allowed, *(math.ceil(limit) for limit in limits)]))


def _unified(root: Path, own: Path) -> float | None:
    """cgroup v2: quota and period in `cpu.max`. A container sees its own group as the root, other processes do not."""
    group = next((line[3:] for line in _text(own).splitlines() if line.startswith("0::/")), "/")
    for folder in (root / group.lstrip("/"), root):
        quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            return int(quota) / int(period)
    return None


def _legacy(root: Path) -> float | None:
    """cgroup v1: quota and period stand in two files; a quota of -1 means none."""
    quota = _text(root / "cpu" / "cpu.cfs_quota_us").strip()
    period = _text(root / "cpu" / "cpu.cfs_period_us").strip()
    if quota.isdigit() and period.isdigit() and int(period):
        return int(quota) / int(period)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
