"""One real node on this computer: the control plane, containerd, kubelet and kube-proxy as plain processes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from localcluster import components, host, nodeconfig
from localcluster.binaries import CONTROL_PLANE, NODE, binary, program
from localcluster.builder import ensure
from localcluster.certs import Subject
from localcluster.components import Layout
from localcluster.console import say, step
from localcluster.errors import LocalClusterError
from localcluster.images import load, program_images
from localcluster.nodeconfig import NODE_ADDRESS, NODE_NAME, NodeFiles
from localcluster.paths import node_root
from localcluster.ports import free_ports
from localcluster.processes import Process, Roll, spawn
from localcluster.teardown import pod_processes, take_down
from localcluster.waiting import answers, request, until

PROCESSES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
)
PORTS = (
    (NODE_ADDRESS, nodeconfig.API_PORT),
    (NODE_ADDRESS, nodeconfig.KUBELET_PORT),
    ("127.0.0.1", nodeconfig.PROXY_HEALTH_PORT),
    ("127.0.0.1", nodeconfig.PROXY_METRICS_PORT),
)
START_SECONDS = 90.0
# Bytes that the kernel allows for a socket's path, and what the longest of ours adds to the node's folder.
SOCKET_PATH_LIMIT = 107
LONGEST_SOCKET = len("/run/kubelet/pod-resources/kubelet.sock")


class Node:
    """The node whose files lie in `root`; at most one can run on a computer, since addresses and ports are fixed."""

    def __init__(self, root: Path | None = None) -> None:
        self.files = NodeFiles(root or node_root())
        self._roll = Roll(self.files.processes)

    @property
    def kubeconfig(self) -> Path:
        return self.files.kubeconfig

    def up(self) -> None:
        """Return when the node is Ready and DNS is on its way; at once when it runs already."""
        with self._locked():
            if self.healthy():
                say("the node is up already")
                return
            if self.files.before.exists():
                say("cleaning up after a node that did not end well")
            take_down(self.files)
            self._check_host()
            try:
                self._start()
            except BaseException:
                self._keep_logs()
                take_down(self.files)
                raise

    def down(self) -> None:
        with self._locked():
            take_down(self.files)

    def healthy(self) -> bool:
        """Whether every process lives and the API server calls the node Ready."""
        return all(self.alive().values()) and self._node_ready()

    def alive(self) -> dict[str, bool]:
        """Which of the node's processes live."""
        known = {process.name: process for process in self._roll.read()}
        return {name: name in known and known[name].alive for name in PROCESSES}

    def ctr(self, *arguments: str) -> str:
        """Run containerd's own client in the namespace of Kubernetes."""
        return _run([*self._ctr, *arguments])

    def import_images(self, write: Callable[[IO[bytes]], None]) -> None:
        """Import the archive that `write` writes, without a copy of it on disk."""
        command = [*self._ctr, "images", "import", "-"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as ctr:
            assert ctr.stdin is not None and ctr.stderr is not None, "both were asked for"  # noqa: S101, PT018
            with contextlib.suppress(BrokenPipeError), ctr.stdin as archive:
                write(archive)
            complaint = ctr.stderr.read().decode()
        if ctr.returncode != 0:
            raise LocalClusterError(f"importing an image failed: {complaint.strip()}")

    @property
    def _ctr(self) -> list[str]:
        return [program("ctr"), "--address", str(self.files.socket), "--namespace", "k8s.io"]

    def kubectl(self, *arguments: str) -> str:
        return _run([program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments])

    def _check_host(self) -> None:
        host.require_root("a node")
        host.require_programs(host.PROGRAMS, cni=True)
        host.require_free_ports(PORTS)
        if pod_processes():
            raise LocalClusterError(
                "pods of another kubelet run on this computer, and two cannot share it; stop it first"
            )
        if len(str(self.files.root)) + LONGEST_SOCKET > 107:
            raise LocalClusterError(
                f"{self.files.root} is too long for sockets; set VIRIDIAN_CACHE to a shorter folder"
            )

    def _start(self) -> None:
        ensure(CONTROL_PLANE)
        self.files.run.mkdir(parents=True)
        host.remember(self.files.before)
        host.ip("address", "replace", f"{NODE_ADDRESS}/32", "dev", "lo")
        host.allow_forwarding()
        etcd_port, peer_port = free_ports(2)
        layout = Layout("viridian", self.files.run, NODE_ADDRESS, nodeconfig.API_PORT, etcd_port, peer_port)
        with step("starting the control plane"):
            self._start_control_plane(layout)
        ensure(NODE)
        with step("starting the node"):
            self._start_node(layout)
        with step("starting DNS"):
            load(program_images(), self)
            self._apply_dns()

    def _start_control_plane(self, layout: Layout) -> None:
        components.create_credentials(layout)
        node = Subject(f"system:node:{NODE_NAME}", "system:nodes", (NODE_NAME, NODE_ADDRESS))
        components.add_client(layout, "kubelet", node)
        components.add_client(layout, "kube-proxy", Subject("system:kube-proxy"))
        nodeconfig.write_all(self.files, layout)
        self._spawn("etcd", components.etcd(layout))
        server = self._spawn("kube-apiserver", components.kube_apiserver(layout))
        until(
            "the API server's readiness",
            lambda: answers(f"{layout.server}/readyz", layout.identity),
            START_SECONDS,
            server,
        )
        self._spawn("kube-controller-manager", components.kube_controller_manager(layout))
        self._spawn("kube-scheduler", components.kube_scheduler(layout))

    def _start_node(self, layout: Layout) -> None:
        shims = str(binary("containerd-shim-runc-v2").path.parent)
        path = {**os.environ, "PATH": f"{shims}:{os.environ['PATH']}"}
        containerd = self._spawn(
            "containerd", [program("containerd"), f"--config={self.files.config('containerd.toml')}"], path
        )
        # The kubelet gives up at once when nobody answers on this socket.
        until("containerd's socket", self._containerd_answers, START_SECONDS, containerd)
        kubelet = self._spawn(
            "kubelet",
            [
                program("kubelet"),
                f"--config={self.files.config('kubelet.json')}",
                f"--kubeconfig={layout.kubeconfig('kubelet')}",
                f"--hostname-override={NODE_NAME}",
                f"--node-ip={NODE_ADDRESS}",
                f"--root-dir={self.files.run / 'kubelet'}",
            ],
        )
        self._spawn("kube-proxy", [program("kube-proxy"), f"--config={self.files.config('kube-proxy.json')}"])
        until("the node's readiness", self._node_ready, START_SECONDS, kubelet)

    def _spawn(self, name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> Process:
        process = spawn(name, command, self.files.run / f"{name}.log", environment)
        self._roll.add(process)
        return process

    def _containerd_answers(self) -> bool:
        with contextlib.suppress(LocalClusterError):
            self.ctr("version")
            return True
        return False

    def _node_ready(self) -> bool:
        layout = Layout("viridian", self.files.run, NODE_ADDRESS, nodeconfig.API_PORT, 0, 0)
        try:
            answer = request(f"{layout.server}/api/v1/nodes/{NODE_NAME}", layout.identity)
        except OSError:
            return False
        conditions = json.loads(answer)["status"].get("conditions", [])
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    def _apply_dns(self) -> None:
        manifest = (Path(__file__).parent / "manifests" / "coredns.yaml").read_text()
        forward = "forward . /etc/resolv.conf" if host.nameservers() else "# no server to forward to"
        rendered = self.files.config("coredns.yaml")
        rendered.write_text(manifest.replace("FORWARD\n", f"{forward}\n"))
        self.kubectl("apply", "--server-side", f"--filename={rendered}")
        self.kubectl("rollout", "status", "--namespace=kube-system", "deployment/coredns", "--timeout=90s")

    def _keep_logs(self) -> None:
        """Logs of a start that failed are moved out of the folder that is about to be removed."""
        kept = self.files.root / "last-failure"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for log in self.files.run.glob("*.log"):
            log.rename(kept / log.name)
        with contextlib.suppress(FileNotFoundError):
            (self.files.run / "pod-logs").rename(kept / "pod-logs")
        say(f"the logs of the failed start are in {kept}")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.files.root.mkdir(parents=True, exist_ok=True)
        with (self.files.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _run(command: Sequence[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LocalClusterError(f"`{' '.join(command)}` failed: {result.stderr.strip()}")
    return result.stdout
