"""The split by one Service, without any other software: its selector takes one slot, or both by their ready pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from viridian.api.names import MODEL_DEPLOYMENT_LABEL, SLOT_LABEL, TRAFFIC_ANNOTATION, Slot
from viridian.core.ownership import Owner
from viridian.core.plan import Target
from viridian.rollout.manifests import Manifest, service
from viridian.rollout.traffic import record
from viridian.rollout.traffic.capacity import PodSplit, pods_for
from viridian.rollout.traffic.provider import LiveObjects, TrafficProvider, Unsettled
from viridian.rollout.traffic.record import Traffic


class ServiceTraffic:
    """The live Service has the name of the ModelDeployment."""

    follows_ready_pods = True
    keeps_connections = True
    confirms = False
    copies_requests = False

    def target(self, name: str) -> Target:
        return "Service", name

    def read(self, name: str, live: LiveObjects) -> Traffic | None:
        return record_of(live.get(self.target(name)))

    def receiving(self, name: str, live: LiveObjects) -> frozenset[Slot]:
        if self.target(name) not in live:
            return frozenset()
        selected = (live[self.target(name)].get("spec", {}).get("selector") or {}).get(SLOT_LABEL)
        return frozenset(slot for slot in Slot if selected == slot)

    def port(self, name: str, live: LiveObjects) -> int | None:
        ports = live.get(self.target(name), {}).get("spec", {}).get("ports") or ()
        return next((int(port["port"]) for port in ports), None)

    def objects(self, owner: Owner, port: int, traffic: Traffic) -> Sequence[Manifest]:
        before = traffic.predecessor
        if before is not None and traffic.serves_predecessor and traffic.receiving == {traffic.champion}:
            live = service(owner, owner.name, port, before.selector)
            live["spec"]["ports"] = [dict(entry) for entry in before.ports]
        else:
            live = service(owner, owner.name, port, _selector(owner.name, traffic))
        live["metadata"]["annotations"] = {TRAFFIC_ANNOTATION: record.dump(traffic)}
        return (live,)

    def replicas(self, weight: int, replicas: int, max_surge: int) -> PodSplit:
        return pods_for(weight, replicas, max_surge)

    def weight(self, traffic: Traffic, ready: Mapping[Slot, int]) -> int:
        asked = traffic.trial.weight if traffic.trial else 0
        if asked in (0, 100):
            return asked
        return round(100 * ready[traffic.champion.other] / sum(ready.values())) if sum(ready.values()) else 0

    def unsettled(self, name: str, live: LiveObjects) -> Unsettled | None:  # noqa: ARG002 - pods follow at once
        return None


def record_of(live: Mapping[str, Any] | None) -> Traffic | None:
    """The record on a live Service; None where it has none."""
    metadata = (live or {}).get("metadata", {})
    return record.parse((metadata.get("annotations") or {}).get(TRAFFIC_ANNOTATION, ""))


def _selector(name: str, traffic: Traffic) -> dict[str, str]:
    """One slot, or both while they share the traffic by their ready pods."""
    owner = {MODEL_DEPLOYMENT_LABEL: name}
    receiving = traffic.receiving
    return owner if len(receiving) > 1 else {**owner, SLOT_LABEL: str(next(iter(receiving)))}


SERVICE: Final[TrafficProvider] = ServiceTraffic()
