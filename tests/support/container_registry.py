"""A container registry of Debian's packages on a free port of this computer, empty at first, without TLS or login."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.debian import REGISTRY
from tests.support.kube import eventually

MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True)
class ContainerRegistry:
    """Its address on this computer, and what can be pulled from it."""

    address: str

    def digest_of(self, repository: str, reference: str) -> str:
        """The digest that the registry itself gives for a tag or a digest."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", f"/v2/{repository}/manifests/{reference}", headers={"Accept": MANIFESTS})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            return str(answer.headers["Docker-Content-Digest"])


@contextlib.contextmanager
def container_registry(folder: Path) -> Iterator[ContainerRegistry]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = folder / "config.yml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}\nhttp: {{addr: '{address}'}}\n"
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([str(REGISTRY.find()), "serve", str(settings)], stdout=log, stderr=log)
    try:
        eventually(lambda: _answers(address), what=f"the registry at {address}", timeout=30)
        yield ContainerRegistry(address)
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    return False
