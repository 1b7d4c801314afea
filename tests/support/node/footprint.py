"""What a node could leave behind on this computer: processes, mounts, addresses, routes, filter rules, settings."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

from localcluster import host, residue
from localcluster.paths import binaries_root

MOUNTS = Path("/proc/self/mountinfo")
COUNTERS = re.compile(r" \[\d+:\d+\]$")
BUILTIN_CHAIN = re.compile(r":[A-Z]+ (ACCEPT|DROP)")


@dataclass(frozen=True)
class Footprint:
    """Equal before a node came and after it has gone."""

    processes: frozenset[str]
    mounts: frozenset[str]
    network: frozenset[str]
    packet_filter: frozenset[str]
    settings: frozenset[str]
    control_groups: frozenset[str]

    @classmethod
    def now(cls) -> Footprint:
        return cls(
            processes=frozenset(_processes()),
            mounts=frozenset(line.split()[4] for line in MOUNTS.read_text().splitlines()),
            network=frozenset(_network()),
            packet_filter=frozenset(_packet_filter()),
            settings=frozenset(_settings()),
            control_groups=frozenset(map(str, residue.pod_cgroups())),
        )

    def beyond(self, before: Footprint) -> dict[str, list[str]]:
        """What is there now and was not before, or is no more, by kind; empty when nothing is."""
        differences = {one.name: sorted(getattr(self, one.name) ^ getattr(before, one.name)) for one in fields(self)}
        return {name: found for name, found in differences.items() if found}


def _processes() -> list[str]:
    """Programs of a node that run now. One that serves a control plane alone, beside the node, is none of it."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "exe").resolve().is_relative_to(binaries_root()):
                name = (entry / "exe").resolve().name
                if name in ("kubelet", "kube-proxy", "containerd", "containerd-shim-runc-v2", "coredns", "pause"):
                    found.append(f"{name} ({entry.name})")
    return found


def _network() -> list[str]:
    lines = [
        *host.ip("-brief", "link").stdout.splitlines(),
        *host.ip("-brief", "address").stdout.splitlines(),
        *host.ip("route").stdout.splitlines(),
    ]
    return [" ".join(line.split()) for line in lines]


def _packet_filter() -> list[str]:
    """Rules and chains; not counters, and not builtin chains, which come with a table that is only looked at."""
    found = []
    for program in ("iptables-save", "ip6tables-save"):
        if shutil.which(program):
            done = subprocess.run([program], capture_output=True, text=True, check=False)
            rules = (COUNTERS.sub("", line) for line in done.stdout.splitlines() if line.startswith(("-A", ":")))
            found += [f"{program} {rule}" for rule in rules if not BUILTIN_CHAIN.match(rule)]
    return found


def _settings() -> list[str]:
    return [f"{name} = {Path('/proc/sys', name).read_text().strip()}" for name in host.SETTINGS]
