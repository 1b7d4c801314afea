"""helm on the node, in one namespace, with the images of this checkout."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from demo.kubectl import Kubectl
from localcluster.binaries import program

IMAGES: Final = {"image.registry": "viridian", "image.tag": "dev", "collector.storage.persistent": "false"}
"""Values of the chart. The node has the images loaded, and no storage class."""


@dataclass(frozen=True)
class Helm:
    """Runs where `kubectl` runs."""

    kubectl: Kubectl

    def __call__(self, *arguments: str) -> str:
        """What it prints; RuntimeError where it fails."""
        where = (f"--kubeconfig={self.kubectl.kubeconfig}", f"--namespace={self.kubectl.namespace}")
        command = [program("helm"), *arguments, *where]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
        if done.returncode != 0:
            raise RuntimeError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


def settings(values: Mapping[str, str]) -> list[str]:
    """Flags for these values of the chart, and for the images."""
    return [f"--set={key}={value}" for key, value in {**IMAGES, **values}.items()]
