"""Images in a registry: what `make images` pushes is there by the digest that it prints, and a node runs it by that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.kubectl import Kubectl
from localcluster import clusters, images
from localcluster import engine as engines
from localcluster.engine import Recipe
from localcluster.paths import REPOSITORY
from tests.support.container_registry import ContainerRegistry, container_registry
from tests.support.kube import eventually

RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture
def registry(cluster: Kubectl, tmp_path: Path) -> Iterator[ContainerRegistry]:
    """On this computer, as the node is: the node of another one would look for it on itself."""
    if not isinstance(clusters.choose(None), clusters.NodeCluster):
        pytest.skip("the node is not on this computer itself")
    with container_registry(tmp_path) as registry:
        yield registry


def test_what_make_images_prints_can_be_pulled(registry: ContainerRegistry) -> None:
    prefix = f"{registry.address}/viridian"
    push = ["images", "push", "operator", f"--registry={prefix}", "--tag=1.2.3", "--insecure"]
    done = subprocess.run(
        [sys.executable, "-m", "localcluster", *push], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    name, _, digest = done.stdout.strip().partition("@")
    assert name == f"{prefix}/operator"
    assert registry.digest_of("viridian/operator", "1.2.3") == digest
    assert registry.digest_of("viridian/operator", digest) == digest
    assert f"--set image.digests.operator={digest}" in done.stderr


def test_a_node_runs_what_was_pushed_by_its_digest(
    kubectl: Kubectl, registry: ContainerRegistry, tmp_path: Path
) -> None:
    """An image of its own: one that the kubelet has pulled once is no longer one that was loaded beforehand."""
    (tmp_path / "Dockerfile").write_text(f"FROM {images.reference('operator')}\nLABEL pushed=true\n")
    engine, own, log = engines.find(), "docker.io/viridian/pushed:test", tmp_path / "log"
    engine.build(Recipe(tmp_path / "Dockerfile", tmp_path, own), log)
    digest = engine.push(own, f"{registry.address}/viridian/pushed:1.2.3", log, insecure=True)
    kubectl.apply(json.dumps(pod(f"{registry.address}/viridian/pushed@{digest}")))
    eventually(lambda: phase(kubectl) == "Succeeded", what="the end of the pod", timeout=120)
    assert kubectl("logs", "pushed").startswith("viridian ")
    (status,) = (kubectl.get("pod", "pushed") or {})["status"]["containerStatuses"]
    assert status["imageID"].endswith(digest)


def phase(kubectl: Kubectl) -> str:
    return str((kubectl.get("pod", "pushed") or {}).get("status", {}).get("phase"))


def pod(image: str) -> dict[str, object]:
    """It says which release it is, and ends."""
    container = {"name": "operator", "image": image, "args": ["--version"], "securityContext": RESTRICTED}
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pushed"},
        "spec": {"restartPolicy": "Never", "securityContext": security, "containers": [container]},
    }
