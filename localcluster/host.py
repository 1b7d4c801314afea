"""What the node needs of this computer, what it changes there, and how that is put back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from localcluster import iptables
from localcluster.console import step
from localcluster.errors import LocalClusterError
from localcluster.processes import boot_id

CNI_PLUGINS = ("ptp", "host-local", "portmap", "loopback")
CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
# program: the Debian package that brings it
PROGRAMS = {
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "mount": "mount",
    "openssl": "openssl",
}
_ONE_INSTALLER = threading.Lock()
"""apt-get refuses to run twice at a time."""
INSTALLER_SECONDS = 600
# Kernel settings that kubelet, kube-proxy or we write.
SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
CAP_SYS_RESOURCE = 24
IP_FREEBIND = 15  # socket.IP_FREEBIND came with Python 3.13


@dataclass(frozen=True)
class Before:
    """How the computer was before the node, as far as the node changes it."""

    boot: str
    settings: dict[str, str]
    chains: list[str]


def remember(path: Path) -> None:
    settings = {name: value for name in SETTINGS if (value := _setting(name)) is not None}
    path.write_text(json.dumps(asdict(Before(boot_id(), settings, iptables.current_chains()))))


def recall(path: Path) -> Before | None:
    """What was remembered since the computer was last started; None when that is nothing."""
    with contextlib.suppress(FileNotFoundError):
        before = Before(**json.loads(path.read_text()))
        return before if before.boot == boot_id() else None
    return None


def restore_settings(before: Before) -> None:
    for name, value in before.settings.items():
        if _setting(name) != value:
            Path("/proc/sys", name).write_text(value)


def allow_forwarding() -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _setting(name: str) -> str | None:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return None


def require_root(purpose: str) -> None:
    if os.geteuid() != 0:
        raise LocalClusterError(
            f"{purpose} needs root: run the same command with sudo (`sudo -E`, to keep the cache's place), "
            "or install kind and a container engine, or name a cluster with --kubeconfig.\n"
            "  `python3 -m localcluster control-plane` serves an API without a node and needs no root."
        )


def require_programs(needed: dict[str, str], cni: bool = False) -> None:
    """Install what is missing when that is possible; otherwise say the line to run."""
    packages = sorted({package for name, package in needed.items() if shutil.which(name) is None})
    if cni and cni_folder() is None:
        packages.append("containernetworking-plugins")
    if not packages:
        return
    line = f"apt-get install --yes --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LocalClusterError(f"programs are missing; on Debian run as root:\n  {line}")
    with step(f"installing {' '.join(packages)}"):
        apt_get(line.split())


def apt_get(install: Sequence[str]) -> None:
    """Run this line of apt-get on fresh lists; LocalClusterError with what it said where it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _ONE_INSTALLER:
        # A source that cannot be refreshed need not be one of those that the packages come from.
        subprocess.run(["apt-get", "update"], env=environment, capture_output=True, check=False)
        # Another process may be installing as well.
        patient = [install[0], f"-o=DPkg::Lock::Timeout={INSTALLER_SECONDS}", *install[1:]]
        result = subprocess.run(patient, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LocalClusterError(f"`{' '.join(install)}` failed:\n{result.stdout[-1500:]}{result.stderr[-1500:]}")


def cni_folder() -> Path | None:
    """The folder that holds the network plugins we use."""
    for folder in map(Path, CNI_FOLDERS):
        if all((folder / plugin).exists() for plugin in CNI_PLUGINS):
            return folder
    return None


def runc() -> Path | None:
    """The program that starts containers."""
    found = shutil.which("runc")
    return Path(found) if found else None


def require_free_ports(ports: Iterable[tuple[str, int]]) -> None:
    taken = [f"{address}:{port}" for address, port in ports if not _is_free(address, port)]
    if taken:
        raise LocalClusterError(
            f"another program listens on {', '.join(taken)}; is another Kubernetes running on this computer?\n"
            "  `ss -ltnp` shows which program it is."
        )


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The node's address may not be there yet; a listener on all addresses is found all the same.
        listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        try:
            listener.bind((address, port))
        except OSError:
            return False
        return True


def cgroup_v1() -> bool:
    return not Path("/sys/fs/cgroup/cgroup.controllers").exists()


def may_lower_oom_score() -> bool:
    """Whether this process holds CAP_SYS_RESOURCE; without it runc dies with a message that says nothing."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    return False


def nameservers() -> list[str]:
    """The computer's DNS servers that a pod can reach as well: a resolver on the loopback is not one."""
    found = []
    for path in ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"):
        with contextlib.suppress(FileNotFoundError):
            words = (line.split() for line in Path(path).read_text().splitlines())
            found = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
            found = [server for server in found if not server.startswith("127.") and server != "::1"]
        if found:
            break
    return found


def ip(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        raise LocalClusterError(f"`ip {' '.join(arguments)}` failed: {result.stderr.strip()}")
    return result
