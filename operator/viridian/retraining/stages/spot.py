"""How pods come to spot nodes: by the taints and labels that clouds and node provisioners put on those.

A pod tolerates the taints, and prefers nodes with the labels. It requires none, so a cluster without spot nodes runs it
on others. Both are added to what the user's template says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from viridian.core.lookup import entries, mapping

SPOT_NODES: Final = (
    "cloud.google.com/gke-spot=true",
    "kubernetes.azure.com/scalesetpriority=spot",
    "karpenter.sh/capacity-type=spot",
    "eks.amazonaws.com/capacityType=SPOT",
)
"""Labels of spot nodes, and taints of the same key and value where the cloud taints them."""


def on_spot_nodes(template: dict[str, Any], nodes: Sequence[str]) -> dict[str, Any]:
    """The template of a pod that may run on spot nodes and prefers them."""
    pairs = [(key, value) for key, _, value in (node.partition("=") for node in nodes)]
    spec = mapping(template, "spec")
    tolerations = [
        *entries(spec, "tolerations"),
        *({"key": key, "operator": "Equal", "value": value} for key, value in pairs),
    ]
    preferences = [
        {"weight": 100, "preference": {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}}
        for key, value in pairs
    ]
    affinity, node_affinity = mapping(spec, "affinity"), mapping(spec, "affinity", "nodeAffinity")
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    wanted = {**node_affinity, preferred: [*entries(node_affinity, preferred), *preferences]}
    return {**template, "spec": {**spec, "tolerations": tolerations, "affinity": {**affinity, "nodeAffinity": wanted}}}
