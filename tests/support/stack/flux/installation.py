"""A real Flux on a control plane: its kinds, and its source, kustomize and helm controllers as processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from localcluster import builder
from localcluster.binaries import FLUX, binary, program
from localcluster.gomodules import downloaded, pinned
from localcluster.ports import free_ports
from tests.support.kube import Kubectl
from tests.support.stack.server import served

NAMESPACE: Final = "flux-system"


@contextmanager
def flux(kubectl: Kubectl, folder: Path) -> Iterator[None]:
    """The controllers act as the administrator: Flux's own installation makes them one."""
    builder.ensure(FLUX)
    kubectl("create", "namespace", NAMESPACE)
    for name in FLUX:
        controller = binary(name)
        module = downloaded(controller.group.name, controller.package, pinned(controller))
        kubectl("apply", "--server-side", "-f", str(module / "config" / "crd" / "bases"))
    storage, *ports = free_ports(1 + 2 * len(FLUX))
    with ExitStack() as stack:
        for name in FLUX:
            home, health, metrics = folder / name, ports.pop(), ports.pop()
            home.mkdir()
            command = [program(name), f"--health-addr=127.0.0.1:{health}", f"--metrics-addr=127.0.0.1:{metrics}"]
            if name == "source-controller":
                at = f"127.0.0.1:{storage}"
                command += [f"--storage-path={home}", f"--storage-addr={at}", f"--storage-adv-addr={at}"]
            settings = {"KUBECONFIG": str(kubectl.kubeconfig), "RUNTIME_NAMESPACE": NAMESPACE, "TMPDIR": str(home)}
            stack.enter_context(
                served(command, home, f"http://127.0.0.1:{health}", health="/healthz", settings=settings)
            )
        yield
