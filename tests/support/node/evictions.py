"""The end of a pod as a node that is drained or taken back brings it."""

from __future__ import annotations

from tests.support.kube import Kube, Object


def evict(kube: Kube, pod: Object) -> None:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    kube.request("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", eviction)
