"""Which cluster is meant: one that the user names, kind, or the node on this computer."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from localcluster import images, ocilayout
from localcluster.binaries import TOOLS
from localcluster.builder import ensure
from localcluster.console import say, step
from localcluster.engine import docker_answers
from localcluster.errors import LocalClusterError
from localcluster.node import Node
from localcluster.paths import cache_root

KIND_NAME = "viridian"
KUBECONFIG_VARIABLE = "VIRIDIAN_KUBECONFIG"


class Cluster(Protocol):
    """A cluster that can be brought up, taken down, and given images."""

    @property
    def description(self) -> str: ...

    @property
    def kubeconfig(self) -> Path: ...

    def up(self) -> None: ...

    def down(self) -> None: ...

    def status(self) -> dict[str, str]: ...

    def load(self, layouts: dict[str, Path]) -> None: ...


class NamedCluster:
    """A cluster of the user's: nothing is started, nothing is stopped."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.description = f"the cluster of {kubeconfig}"

    def up(self) -> None:
        if not self.kubeconfig.is_file():
            raise LocalClusterError(f"there is no kubeconfig {self.kubeconfig}")
        ensure(TOOLS)

    def down(self) -> None:
        say(f"{self.description} is yours: nothing was started, nothing is stopped")

    def status(self) -> dict[str, str]:
        return {"kubeconfig": "present" if self.kubeconfig.is_file() else "missing"}

    def load(self, layouts: dict[str, Path]) -> None:
        raise LocalClusterError(
            f"images for {self.description} have to be pushed to a registry it pulls from; "
            f"as OCI layouts they lie in {', '.join(map(str, layouts.values()))}"
        )


class KindCluster:
    """A cluster of kind, in a container of the engine that answers."""

    description = f"the kind cluster {KIND_NAME}"

    @property
    def kubeconfig(self) -> Path:
        return cache_root() / "kind.kubeconfig"

    def up(self) -> None:
        ensure(TOOLS)
        if self._exists():
            _kind("export", "kubeconfig", f"--name={KIND_NAME}", f"--kubeconfig={self.kubeconfig}")
            return
        with step("creating a kind cluster"):
            _kind("create", "cluster", f"--name={KIND_NAME}", f"--kubeconfig={self.kubeconfig}", "--wait=120s")

    def down(self) -> None:
        if self._exists():
            _kind("delete", "cluster", f"--name={KIND_NAME}", f"--kubeconfig={self.kubeconfig}")
        self.kubeconfig.unlink(missing_ok=True)

    def status(self) -> dict[str, str]:
        return {KIND_NAME: "running" if self._exists() else "absent"}

    def load(self, layouts: dict[str, Path]) -> None:
        for name, layout in layouts.items():
            with step(f"loading viridian/{name}:{images.TAG}"), tempfile.NamedTemporaryFile(suffix=".tar") as archive:
                ocilayout.pack(layout, archive.file)
                archive.flush()
                _kind("load", "image-archive", archive.name, f"--name={KIND_NAME}")

    def _exists(self) -> bool:
        return KIND_NAME in _kind("get", "clusters").split()


class NodeCluster:
    """The node that is built from Go modules."""

    def __init__(self) -> None:
        self._node = Node()
        self.description = "the node on this computer"

    @property
    def kubeconfig(self) -> Path:
        return self._node.kubeconfig

    def up(self) -> None:
        self._node.up()
        ensure(TOOLS)

    def down(self) -> None:
        self._node.down()

    def status(self) -> dict[str, str]:
        return {name: "running" if alive else "absent" for name, alive in self._node.alive().items()}

    def load(self, layouts: dict[str, Path]) -> None:
        images.load(layouts, self._node)


def choose(kubeconfig: str | None = None, environ: Mapping[str, str] | None = None) -> Cluster:
    """The cluster to use, in the order in which people would expect it.

    A node that runs already is meant even where kind has become available since.
    """
    variables = os.environ if environ is None else environ
    if named := kubeconfig or variables.get(KUBECONFIG_VARIABLE):
        return NamedCluster(Path(named).absolute())
    node = NodeCluster()
    if "running" not in node.status().values() and shutil.which("kind") and docker_answers():
        return KindCluster()
    return node


def _kind(*arguments: str) -> str:
    result = subprocess.run(["kind", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LocalClusterError(f"`kind {' '.join(arguments)}` failed:\n{result.stderr.strip()}")
    return result.stdout
