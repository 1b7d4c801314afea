"""A real Flux on a control plane: its kinds, and its source, kustomize and helm controllers as processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from localcluster import builder
from localcluster.binaries import FLUX, binary, program
from localcluster.gomodules import downloaded
from localcluster.ports import free_ports
from tests.support.kube import Kubectl
from tests.support.stack.server import served

NAMESPACE: Final = "flux-system"
_MODULES: Final = {name: f"github.com/fluxcd/{name}" for name in FLUX}


def versions() -> dict[str, str]:
    """Controller to the version that the go.mod pins."""
    pinned = (binary("source-controller").group.folder / "go.mod").read_text()
    found = {name: re.search(rf"^\s*{module} (v\S+)", pinned, re.MULTILINE) for name, module in _MODULES.items()}
    return {name: match[1] for name, match in found.items() if match}


@contextmanager
def flux(kubectl: Kubectl, folder: Path) -> Iterator[None]:
    """The controllers act as the administrator: Flux's own installation makes them one."""
    builder.ensure(FLUX)
    kubectl("create", "namespace", NAMESPACE)
    for name, version in versions().items():
        kinds = downloaded("flux", _MODULES[name], version) / "config" / "crd" / "bases"
        kubectl("apply", "--server-side", "-f", str(kinds))
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
