"""Images in a registry: what `make images` pushes, a node pulls by the digest that was printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from demo.kubectl import Kubectl
from localcluster.paths import REPOSITORY
from tests.support.container_registry import container_registry
from tests.support.kube import eventually

RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def test_a_pushed_image_runs_by_its_digest(kubectl: Kubectl, tmp_path: Path) -> None:
    with container_registry(tmp_path) as registry:
        prefix = f"{registry.address}/viridian"
        push = ["images", "push", "operator", f"--registry={prefix}", "--tag=1.2.3", "--insecure"]
        done = subprocess.run(
            [sys.executable, "-m", "localcluster", *push], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        (reference,) = done.stdout.split()
        name, _, digest = reference.partition("@")
        assert name == f"{prefix}/operator"
        assert registry.digest_of("viridian/operator", "1.2.3") == digest
        assert registry.digest_of("viridian/operator", digest) == digest
        assert f"--set image.digests.operator={digest}" in done.stderr

        kubectl.apply(json.dumps(pod(reference)))
        eventually(
            lambda: phase(kubectl) == "Succeeded", what=f"the end of the pod; it is {phase(kubectl)}", timeout=120
        )
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
