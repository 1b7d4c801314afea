"""Takes a node down until nothing of it is left but its image store; also one that was half dead already."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from localcluster import host, iptables, residue
from localcluster.binaries import binary, program
from localcluster.errors import LocalClusterError
from localcluster.images import loaded
from localcluster.nodeconfig import NODE_ADDRESS, NodeFiles
from localcluster.processes import Process, Roll, kill_all, stop

# First what would start things anew; containerd and the API's store last.
STOP_ORDER = ("kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")


def take_down(files: NodeFiles) -> None:
    """End all processes, then undo everything they did to the computer. Harmless when nothing is there."""
    if not files.processes.exists() and not files.before.exists() and not files.run.exists():
        return
    host.require_root("taking the node down")
    roll = Roll(files.processes)
    for name in STOP_ORDER:
        if process := roll.get(name):
            stop(process, signal.SIGKILL)
    kept_images = _stop_containers(files, roll.get("containerd"))
    _unmount_below(files.root)
    _restore_host(files)
    shutil.rmtree(files.run, ignore_errors=True)
    if not kept_images:
        shutil.rmtree(files.images, ignore_errors=True)
    roll.clear()


def _stop_containers(files: NodeFiles, containerd: Process | None) -> bool:
    """End every container and containerd; tell whether its store is in order and may be used again."""
    orderly = containerd is not None and containerd.alive
    if orderly:
        try:
            _remove_containers(files)
        except (LocalClusterError, subprocess.TimeoutExpired):
            orderly = False
    kill_all(pod_processes())
    kill_all(_shims(files))
    if containerd is not None:
        stop(containerd)
    return orderly


def _remove_containers(files: NodeFiles) -> None:
    if tasks := _ctr(files, "tasks", "ls", "--quiet").split():
        _ctr(files, "tasks", "rm", "--force", *tasks)
    if containers := _ctr(files, "containers", "ls", "--quiet").split():
        _ctr(files, "containers", "rm", *containers)
    # This list has no quiet form: a heading, then a line each that begins with the id.
    if sandboxes := [line.split()[0] for line in _ctr(files, "sandboxes", "ls").splitlines()[1:]]:
        _ctr(files, "sandboxes", "rm", "--force", *sandboxes)
    if stale := stale_images(_ctr(files, "images", "ls")):
        _ctr(files, "images", "rm", "--sync", *stale)


def stale_images(listing: str) -> list[str]:
    """Former versions of our images: known by their id alone, since a newer one took over the name."""
    images = loaded(listing)
    current = {digest for name, digest in images.items() if not name.startswith("sha256:")}
    return [name for name, digest in images.items() if digest not in current]


def _ctr(files: NodeFiles, *arguments: str) -> str:
    command = [program("ctr"), "--address", str(files.socket), "--namespace", "k8s.io", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if result.returncode != 0:
        raise LocalClusterError(f"ctr {' '.join(arguments)} failed: {result.stderr.strip()}")
    return result.stdout


def pod_processes() -> set[int]:
    """Whatever runs in the pods' control groups."""
    found: set[int] = set()
    for top in residue.pod_cgroups():
        for listing in top.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(map(int, listing.read_text().split()))
    return found


def _shims(files: NodeFiles) -> Iterator[int]:
    """Processes that run our shim and were told our containerd's address: the one thing we did not start ourselves."""
    address = str(files.socket).encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            ours = (entry / "exe").resolve() == binary("containerd-shim-runc-v2").path.resolve()
            if ours and address in (entry / "cmdline").read_bytes().split(b"\0"):
                yield int(entry.name)


def _unmount_below(root: Path) -> None:
    for point in mounts_below(Path("/proc/self/mountinfo").read_text(), root):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)


def mounts_below(mountinfo: str, root: Path) -> list[str]:
    """Mount points under a folder, the innermost first."""
    points = (line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines())
    return sorted((point for point in points if Path(point).is_relative_to(root)), key=len, reverse=True)


def _restore_host(files: NodeFiles) -> None:
    before = host.recall(files.before)
    # Without a memory the computer was restarted since, and with it rules and settings are as they were.
    if before is not None:
        iptables.clean(keep=before.chains)
        host.restore_settings(before)
    host.ip("address", "del", f"{NODE_ADDRESS}/32", "dev", "lo", check=False)
    residue.remove(files)
    files.before.unlink(missing_ok=True)
