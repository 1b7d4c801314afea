"""The NetworkPolicy of a ModelDeployment: everybody may ask for predictions, few may give orders to its servers.

Everybody reaches the ports that the pods declare, except for the management port: that is for the operator and for
whatever collects metrics. A network plugin that enforces no policies ignores it; the kubelet's probes always pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from viridian.api.names import (
    HTTP_PORT,
    MANAGEMENT_PORT,
    MODEL_DEPLOYMENT_LABEL,
    SLOT_LABEL,
    network_policy,
)
from viridian.api.samples import MANAGEMENT_PORT as MANAGEMENT_PORT_NUMBER
from viridian.rollout.input import NetworkAccess, RolloutInput
from viridian.rollout.manifests import Manifest, metadata

OPERATOR_POD: Mapping[str, str] = {
    "app.kubernetes.io/name": "viridian",
    "app.kubernetes.io/component": "operator",
}
"""Labels of the operator's own pod, however it is installed."""

Template = Mapping[str, Any]
Port = tuple[str | int, str]
"""Name or number, and protocol."""


def policy(inputs: RolloutInput, access: NetworkAccess, templates: Iterable[Template]) -> Manifest:
    """For pods of both slots. Ports go by name, since the two slots may number them differently."""
    known = tuple(templates)
    operator = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": access.operator_namespace}},
        "podSelector": {"matchLabels": dict(OPERATOR_POD)},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(inputs, network_policy(inputs.name)),
        "spec": {
            "podSelector": {
                "matchLabels": {MODEL_DEPLOYMENT_LABEL: inputs.name},
                "matchExpressions": [{"key": SLOT_LABEL, "operator": "Exists"}],
            },
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": _listed({(HTTP_PORT, "TCP")}.union(*map(_open, known)))},
                {
                    "from": [operator, *map(dict, access.metrics_from)],
                    "ports": _listed({_management(template) for template in known}),
                },
            ],
        },
    }


def _open(template: Template) -> set[Port]:
    """The declared ports that are open to everybody."""
    management = _management_number(template)
    return {
        (_called(port) or port["containerPort"], str(port.get("protocol") or "TCP"))
        for port in _declared(template)
        if _called(port) == HTTP_PORT or port["containerPort"] != management
    }


def _management(template: Template) -> Port:
    named = any(_called(port) == MANAGEMENT_PORT for port in _declared(template))
    return (MANAGEMENT_PORT if named else MANAGEMENT_PORT_NUMBER), "TCP"


def _management_number(template: Template) -> int:
    named = (port["containerPort"] for port in _declared(template) if _called(port) == MANAGEMENT_PORT)
    return next(named, MANAGEMENT_PORT_NUMBER)


def _called(port: Mapping[str, Any]) -> str:
    name = port.get("name")
    return name if isinstance(name, str) else ""


def _declared(template: Template) -> Iterator[Mapping[str, Any]]:
    """The ports of containers that run beside each other; what the API server would refuse is left out."""
    spec = template.get("spec") or {}
    containers = [one for one in spec.get("containers") or () if isinstance(one, Mapping)]
    inits = [one for one in spec.get("initContainers") or () if isinstance(one, Mapping)]
    for container in (*containers, *(one for one in inits if one.get("restartPolicy") == "Always")):
        ports = container.get("ports")
        for port in ports if isinstance(ports, list | tuple) else ():
            if isinstance(port, Mapping) and isinstance(port.get("containerPort"), int):
                yield port


def _listed(ports: Iterable[Port]) -> list[dict[str, Any]]:
    return [{"port": port, "protocol": protocol} for port, protocol in sorted(ports, key=str)]
