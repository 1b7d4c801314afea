"""What the objects of a ModelDeployment have in common: names, labels and owners; and the form of a Service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viridian.api.names import HTTP_PORT, MODEL_DEPLOYMENT, MODEL_DEPLOYMENT_LABEL
from viridian.core.kube import managed_labels
from viridian.core.ownership import Owner, owned_metadata

Manifest = dict[str, Any]


def labels(name: str, **more: str) -> dict[str, str]:
    return {MODEL_DEPLOYMENT_LABEL: name, **managed_labels("model-server", name), **more}


def metadata(owner: Owner, name: str, **more_labels: str) -> Manifest:
    """Of an object that is made for this ModelDeployment and goes with it."""
    return owned_metadata(owner, MODEL_DEPLOYMENT, name, labels(owner.name, **more_labels))


def service(owner: Owner, name: str, port: int, selector: Mapping[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(owner, name),
        "spec": {
            "selector": dict(selector),
            "ports": [{"name": HTTP_PORT, "port": port, "protocol": "TCP", "targetPort": HTTP_PORT}],
        },
    }
