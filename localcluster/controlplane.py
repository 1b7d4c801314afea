"""A Kubernetes API without a node: etcd, API server, controller manager and scheduler on free ports of this computer.

Needs no root. Deployments, Jobs, garbage collection and the deletion of namespaces are real; pods stay Pending.
Several may run at once.

    with ControlPlane() as plane:
        run("kubectl", f"--kubeconfig={plane.kubeconfig}", "get", "namespaces")
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from localcluster import components
from localcluster.binaries import CONTROL_PLANE, OLDEST
from localcluster.builder import ensure
from localcluster.components import Layout
from localcluster.errors import LocalClusterError
from localcluster.ports import free_ports
from localcluster.processes import Process, Roll, spawn, stop, this_process
from localcluster.waiting import answers, request, until

PREFIX = "viridian-control-plane-"
OWNER_FILE = "owner.json"
START_SECONDS = 90.0
PORT_ATTEMPTS = 3


class ControlPlane:
    """A running control plane; `start` (or `with`) begins it, `stop` leaves neither process nor file."""

    def __init__(self, apiserver_flags: Sequence[str] = (), *, oldest: bool = False, ipv6: bool = False) -> None:
        """`oldest`: of the oldest supported release in the place of the newest; etcd and kubectl are the same.

        `ipv6`: on ::1, and all of the cluster's addresses are of IPv6.
        """
        self._flags = tuple(apiserver_flags)
        self._address, self._networks = ("::1", components.IPV6) if ipv6 else ("127.0.0.1", components.IPV4)
        self._release, self._programs = ("-oldest", OLDEST) if oldest else ("", CONTROL_PLANE)
        self._layout: Layout | None = None

    def __enter__(self) -> ControlPlane:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig("admin")

    @property
    def server(self) -> str:
        """The API server's address, for example ``https://127.0.0.1:40123``; it stays the same over restarts."""
        return self.layout.server

    def pid(self, name: str) -> int:
        """Of a running program, such as `kube-apiserver`."""
        process = _roll(self.layout.root).get(name)
        if process is None:
            raise LocalClusterError(f"{name} is not running")
        return process.pid

    @property
    def layout(self) -> Layout:
        if self._layout is None:
            raise LocalClusterError("this control plane is not running")
        return self._layout

    def start(self) -> ControlPlane:
        """Begin and return when the API server is ready and the default namespace has its service account."""
        ensure(self._programs)
        sweep()
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                self._start_once()
            except BaseException as error:
                self.stop()
                # A port that was free a moment ago may have been taken since: the next attempt picks others.
                if attempt == PORT_ATTEMPTS or not isinstance(error, LocalClusterError):
                    raise
            else:
                break
        return self

    def stop(self) -> None:
        """End every process and remove every file; harmless when nothing runs."""
        if self._layout is not None:
            _dismantle(self._layout.root)
            self._layout = None

    def stop_apiserver(self) -> None:
        """End the API server alone, as if it had crashed; clients get connection refused until it is started."""
        self._stop("kube-apiserver")

    def start_apiserver(self) -> None:
        """Start the API server on the port it had and return when it is ready."""
        layout = self.layout
        command = components.kube_apiserver(layout, self._server_flags(), release=self._release)
        process = self._spawn("kube-apiserver", command)
        until(
            "the API server's readiness",
            lambda: answers(f"{layout.server}/readyz", layout.identity),
            START_SECONDS,
            process,
        )

    def restart_apiserver(self) -> None:
        """Cut every connection and watch, and lose the API server's watch cache."""
        self.stop_apiserver()
        self.start_apiserver()

    def restart_controller_manager(self) -> None:
        """Start it anew, so that it knows the custom kinds of this moment.

        Its garbage collector looks for new kinds when it starts and then every 30 seconds: what an object of a newer
        kind owns is not deleted with its owner until then.
        """
        self._stop("kube-controller-manager")
        self._start_controller_manager()

    def compact_etcd(self) -> int:
        """Forget all history up to now and return the revision up to which it is forgotten.

        A watch from an older resourceVersion is answered with 410 as soon as the API server's own cache no longer
        covers it either, that is after `restart_apiserver`.
        """
        head = json.loads(self._etcd("range", {"key": base64.b64encode(b"compact_rev_key").decode()}))
        revision = int(head["header"]["revision"])
        self._etcd("compaction", {"revision": revision, "physical": True})
        return revision

    def _etcd(self, method: str, body: dict[str, object]) -> bytes:
        return request(f"{self.layout.etcd}/v3/kv/{method}", self.layout.identity, json.dumps(body).encode())

    def _start_once(self) -> None:
        root = Path(tempfile.mkdtemp(prefix=PREFIX))
        (root / OWNER_FILE).write_text(json.dumps(asdict(this_process("owner"))))
        api, client, peer = free_ports(3)
        self._layout = layout = Layout("viridian-control-plane", root, self._address, api, client, peer, self._networks)
        components.create_credentials(layout)
        self._spawn("etcd", components.etcd(layout))
        self.start_apiserver()
        self._start_controller_manager()
        self._spawn("kube-scheduler", components.kube_scheduler(layout, release=self._release))
        account = f"{layout.server}/api/v1/namespaces/default/serviceaccounts/default"
        until("the default service account", lambda: answers(account, layout.identity), START_SECONDS)

    def _start_controller_manager(self) -> None:
        command = components.kube_controller_manager(self.layout, release=self._release)
        self._spawn("kube-controller-manager", command)

    def _server_flags(self) -> tuple[str, ...]:
        # The Service `kubernetes` may not point at 127.0.0.1, and without pods nobody needs it.
        return ("--endpoint-reconciler-type=none", *self._flags)

    def _spawn(self, name: str, command: Sequence[str]) -> Process:
        process = spawn(name, command, self.layout.log(name))
        _roll(self.layout.root).add(process)
        return process

    def _stop(self, name: str) -> None:
        process = _roll(self.layout.root).get(name)
        if process is not None:
            stop(process, signal.SIGKILL)


def sweep() -> None:
    """Remove control planes whose owner died without stopping them, for example a test run that was killed."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, PermissionError, json.JSONDecodeError):
            owner = Process(**json.loads((root / OWNER_FILE).read_text()))
            if not owner.alive:
                _dismantle(root)


def _dismantle(root: Path) -> None:
    for process in reversed(_roll(root).read()):
        # Nothing is worth saving, and a polite API server takes five seconds to leave.
        stop(process, signal.SIGKILL)
    shutil.rmtree(root, ignore_errors=True)


def _roll(root: Path) -> Roll:
    return Roll(root / "processes.json")
