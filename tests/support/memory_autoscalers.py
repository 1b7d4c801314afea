"""Autoscalers in memory: the controller of HorizontalPodAutoscalers, and scalers that are not the operator's.

As the real one it does nothing about a Deployment without pods. Unlike the real one that of the operator's autoscalers
never waits, so that what is taken from a slot by mistake is gone at once. Other people's wait before they scale down.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from tests.support.memory_cluster import MemoryCluster
from viridian.api.names import SLOT_LABEL, Slot, slot_deployment
from viridian.ports.cluster import Object

STABILIZATION: Final = timedelta(seconds=15)


class MemoryAutoscalers:
    """Keeps as many pods of each slot as its users need."""

    def __init__(self, cluster: MemoryCluster, *, name: str = "churn") -> None:
        self.load = 0
        """Pods that all users together need."""
        self.others: dict[str, tuple[int, int]] = {}
        """Scalers of other people: the least and the most pods, by the Deployment."""
        self._lower_since: dict[str, datetime] = {}
        self._cluster = cluster
        self._name = name

    def step(self) -> None:
        """A round of every scaler."""
        for found in self._cluster.all("HorizontalPodAutoscaler"):
            spec = found["spec"]
            self._scale(spec["scaleTargetRef"]["name"], spec["minReplicas"], spec["maxReplicas"])
        for deployment, bounds in self.others.items():
            self._scale(deployment, *bounds, patience=STABILIZATION)

    def _scale(self, deployment: str, least: int, most: int, patience: timedelta = timedelta()) -> None:
        found = self._cluster.find("Deployment", deployment)
        if found is None or found["spec"]["replicas"] == 0:
            return
        needed = min(max(ceil(self.load * self._share(deployment)), least), most)
        now = self._cluster.clock()
        lower = needed < found["spec"]["replicas"]
        since = self._lower_since.setdefault(deployment, now) if lower else self._lower_since.pop(deployment, now)
        if found["spec"]["replicas"] != needed and (not lower or now - since >= patience):
            self._cluster.edit("Deployment", deployment, _to(needed), manager="kube-controller-manager")

    def _share(self, deployment: str) -> float:
        """The part of the users that a slot has."""
        route = self._cluster.find("HTTPRoute", self._name)
        if route is not None:
            weights = {ref["name"]: int(ref["weight"]) for ref in route["spec"]["rules"][-1]["backendRefs"]}
            return weights[deployment] / sum(weights.values())
        live = self._cluster.find("Service", self._name)
        if live is None:
            return 0.0
        selected = live["spec"]["selector"].get(SLOT_LABEL)
        if selected is not None:
            return 1.0 if slot_deployment(self._name, Slot(selected)) == deployment else 0.0
        ready = {slot_deployment(self._name, slot): self._ready(slot) for slot in Slot}
        return ready[deployment] / max(1, sum(ready.values()))

    def _ready(self, slot: Slot) -> int:
        return len(self._cluster.ready_pods({SLOT_LABEL: str(slot)}))


def _to(replicas: int) -> Any:
    def change(found: Object) -> None:
        found["spec"]["replicas"] = replicas

    return change
