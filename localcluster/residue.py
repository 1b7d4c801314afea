"""Files and folders that containers leave in places of the whole computer, and how they are removed again."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from localcluster.nodeconfig import NETWORK_NAME, NodeFiles

CGROUPS = Path("/sys/fs/cgroup")
POD_CGROUP = "kubepods"
CONTAINER_LOG_LINKS = Path("/var/log/containers")
CNI_RESULTS = Path("/var/lib/cni/results")
SOCKETS = (Path("/run/containerd/s"), Path("/var/lib/kubelet/device-plugins"))
# Folders that kubelet, containerd and the network plugins create whatever they are told.
SHARED_FOLDERS = (CONTAINER_LOG_LINKS, CNI_RESULTS.parent, *(folder.parent for folder in SOCKETS))


def remove(files: NodeFiles) -> None:
    """Remove what can only be the node's, and then folders that are empty."""
    remove_pod_cgroups()
    remove_links(CONTAINER_LOG_LINKS, files.run)
    remove_network_results(CNI_RESULTS)
    for folder in SOCKETS:
        remove_dead_sockets(folder)
    for folder in SHARED_FOLDERS:
        prune(folder)


def pod_cgroups() -> list[Path]:
    """One per hierarchy with cgroup v1, the only one with v2."""
    return [path for path in (CGROUPS / POD_CGROUP, *CGROUPS.glob(f"*/{POD_CGROUP}")) if path.is_dir()]


def remove_pod_cgroups(patience: float = 5.0) -> None:
    """A control group can be removed a moment after its last process is gone, from the innermost outwards."""
    deadline = time.monotonic() + patience
    for top in pod_cgroups():
        folders = [top, *(path for path in top.rglob("*") if path.is_dir())]
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            while not _removed(folder) and time.monotonic() < deadline:
                time.sleep(0.02)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove_links(folder: Path, target: Path) -> None:
    if not folder.is_dir():
        return
    for link in folder.iterdir():
        if link.is_symlink() and link.readlink().is_relative_to(target):
            link.unlink()


def remove_network_results(folder: Path) -> None:
    """The network plugins keep a file per pod and interface; the loopback's are recognised by our pods' ids."""
    for ours in list(folder.glob(f"{NETWORK_NAME}-*")):
        pod = ours.name.removeprefix(f"{NETWORK_NAME}-").rsplit("-", 1)[0]
        for result in folder.glob(f"*-{pod}-*"):
            result.unlink(missing_ok=True)


def remove_dead_sockets(folder: Path, listening: Path = Path("/proc/net/unix")) -> None:
    """Shims and kubelet, when killed, leave their sockets behind; one unknown to the kernel is dead."""
    if not folder.is_dir():
        return
    known = listening.read_text()
    for socket in folder.iterdir():
        if socket.is_socket() and str(socket) not in known:
            socket.unlink()


def prune(folder: Path) -> None:
    """Remove a folder as far as there are no files in it."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            prune(entry)
    with contextlib.suppress(OSError):
        folder.rmdir()
