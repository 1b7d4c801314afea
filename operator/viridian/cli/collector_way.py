"""The way of a person to the collector: its address, or the Service of the cluster that has it.

Behind a Service a pod is reached as `kubectl port-forward` does it. The proxy of the API server would take the header
away that the collector knows a person by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from socket import socket
from typing import Any, Final
from urllib.parse import urlsplit

from viridian.api.child_kinds import child_kind
from viridian.api.feedback import COLLECTOR_PORT
from viridian.api.names import MODEL_DEPLOYMENT_LABEL
from viridian.cli.cluster_client import ClusterClient, ClusterProblem
from viridian.core.lookup import entries, mapping, text
from viridian.rollout.input import parse_records

DEFAULT_COLLECTOR: Final = f"http://viridian-collector.viridian-system.svc:{COLLECTOR_PORT}"
"""Of an operator that is installed as the manifests have it."""
_SERVICE: Final = "svc"
_PODS, _SERVICES = child_kind("Pod").resource, child_kind("Service").resource
_RECORDS: Final = child_kind("ControllerRevision").resource


@dataclass(frozen=True, slots=True)
class CollectorWay:
    """How requests reach the collector."""

    url: str
    dial: Callable[[], socket] | None = None
    """Makes a connection; None where the address of the URL does."""


def way_of(client: ClusterClient, given: str, model: str) -> CollectorWay:
    """By the address that the person has given, else by the one that the servers of the model send their rows to."""
    if given:
        return CollectorWay(given)
    url = _recorded(client, model) or DEFAULT_COLLECTOR
    service, namespace = _service_of(url)
    if not service:
        return CollectorWay(url)
    found = client.named(_SERVICES, namespace, service)
    if found is None:
        raise ClusterProblem(
            f"there is no Service {service} in {namespace}: write the collector's address, --collector"
        )
    selector = mapping(found, "spec", "selector")
    pods = client.listed(_PODS, namespace, ",".join(f"{label}={value}" for label, value in selector.items()))
    pod = next(filter(_is_ready, pods), None) if selector else None
    if pod is None:
        raise ClusterProblem(
            f"no pod of the Service {service} in {namespace} is ready (`kubectl get pods -n {namespace}`)"
        )
    port = pod_port(found, pod, urlsplit(url).port or COLLECTOR_PORT)
    return CollectorWay(url, lambda: client.forwarded(namespace, text(pod, "metadata", "name"), port))


def pod_port(service: Mapping[str, Any], pod: Mapping[str, Any], port: int) -> int:
    """The port of the pod that a port of the Service leads to."""
    target = next(
        (one.get("targetPort", port) for one in entries(service, "spec", "ports") if one["port"] == port), port
    )
    if isinstance(target, int):
        return target
    containers = entries(pod, "spec", "containers")
    named = {one.get("name"): one["containerPort"] for container in containers for one in entries(container, "ports")}
    return int(named.get(target, port))


def _recorded(client: ClusterClient, model: str) -> str:
    """The collector of the newest revision; empty where its servers send no rows."""
    found = client.listed(_RECORDS, client.namespace, f"{MODEL_DEPLOYMENT_LABEL}={model}")
    newest = max(parse_records(found).values(), key=lambda record: record.number, default=None)
    return newest.addresses.collector if newest is not None and newest.addresses is not None else ""


def _service_of(url: str) -> tuple[str, str]:
    """Name and namespace of the Service that an address within the cluster is about; empty for any other address."""
    name, *rest = (urlsplit(url).hostname or "").split(".")
    return (name, rest[0]) if rest[1:2] == [_SERVICE] else ("", "")


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = entries(pod, "status", "conditions")
    return any((one.get("type"), one.get("status")) == ("Ready", "True") for one in conditions)
