"""What the API server refuses, as far as an operator or the fragments of its users can get it wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from viridian.ports.cluster import ClusterRefused

Object = dict[str, Any]

_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

# Fields that keep the value they were made with.
IMMUTABLE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "Deployment": (("spec", "selector"),),
    "ReplicaSet": (("spec", "selector"),),
    "Job": (("spec", "selector"), ("spec", "template"), ("spec", "completionMode"), ("spec", "podFailurePolicy")),
    "ControllerRevision": (("data",),),
}

# The fields of a pod and of a container; users write fragments of these, and a typing error must not go unnoticed.
_POD_FIELDS = frozenset(
    """
    activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy
    enableServiceLinks ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname
    imagePullSecrets initContainers nodeName nodeSelector os overhead preemptionPolicy priority
    priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName schedulerName
    schedulingGates securityContext serviceAccount serviceAccountName setHostnameAsFQDN shareProcessNamespace
    subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes
    """.split()  # noqa: SIM905 - a list of so many words reads better so
)
_CONTAINER_FIELDS = frozenset(
    """
    args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe
    resizePolicy resources restartPolicy securityContext startupProbe stdin stdinOnce terminationMessagePath
    terminationMessagePolicy tty volumeDevices volumeMounts workingDir
    """.split()  # noqa: SIM905 - a list of so many words reads better so
)


def check(new: Object) -> None:
    """Raises `ClusterRefused` with every fault of the object as it was sent, or does nothing."""
    refuse(new, [*_metadata_faults(new), *_kind_faults(new)])


def check_change(new: Object, old: Object | None) -> None:
    """The same for changes of what may never change; both with their defaults."""
    if old is not None:
        refuse(new, list(_immutable_faults(new, old)))


def refuse(new: Mapping[str, Any], faults: list[str]) -> None:
    if faults:
        raise ClusterRefused(f"{new['kind']} {new['metadata']['name']}: " + "; ".join(faults))


def _metadata_faults(new: Object) -> Iterator[str]:
    metadata = new["metadata"]
    short = new["kind"] == "Service"
    name, allowed = metadata["name"], _DNS_LABEL if short else _DNS_NAME
    if not allowed.fullmatch(name) or len(name) > (63 if short else 253):
        yield f"metadata.name: Invalid value: {name!r}"
    yield from _label_faults(metadata, "metadata.labels")
    for reference in metadata.get("ownerReferences", []):
        if not reference.get("uid"):
            yield "metadata.ownerReferences.uid: must not be empty"


def _label_faults(metadata: Mapping[str, Any], path: str) -> Iterator[str]:
    for value in metadata.get("labels", {}).values():
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            yield f"{path}: Invalid value: {value!r}"


def _kind_faults(new: Object) -> Iterator[str]:
    kind, spec = new["kind"], new.get("spec") or {}
    if kind == "Deployment":
        yield from _deployment_faults(spec)
    elif kind == "Job":
        template = spec.get("template", {})
        yield from _template_faults(template)
        if template.get("spec", {}).get("restartPolicy") not in ("Never", "OnFailure"):
            yield 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    elif kind == "Service" and not spec.get("ports"):
        yield "spec.ports: Required value"
    elif kind == "ControllerRevision" and "revision" not in new:
        yield "revision: Required value"


def _deployment_faults(spec: Mapping[str, Any]) -> Iterator[str]:
    selector = (spec.get("selector") or {}).get("matchLabels", {})
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    if not selector:
        yield "spec.selector: Required value"
    if any(labels.get(key) != value for key, value in selector.items()):
        yield f"spec.template.metadata.labels: Invalid value: {labels}: `selector` does not match template `labels`"
    if spec.get("replicas", 1) < 0:
        yield f"spec.replicas: Invalid value: {spec['replicas']}: must be greater than or equal to 0"
    yield from _template_faults(spec.get("template", {}))


def _template_faults(template: Mapping[str, Any]) -> Iterator[str]:
    yield from _label_faults(template.get("metadata", {}), "spec.template.metadata.labels")
    spec = template.get("spec", {})
    for unknown in sorted(spec.keys() - _POD_FIELDS):
        yield f".spec.template.spec.{unknown}: field not declared in schema"
    if not spec.get("containers"):
        yield "spec.template.spec.containers: Required value"
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group, [])):
            yield from _container_faults(container, f"spec.template.spec.{group}[{index}]")


def _container_faults(container: Mapping[str, Any], path: str) -> Iterator[str]:
    for unknown in sorted(container.keys() - _CONTAINER_FIELDS):
        yield f".{path}.{unknown}: field not declared in schema"
    if not container.get("image"):
        yield f"{path}.image: Required value"


def _immutable_faults(new: Object, old: Object) -> Iterator[str]:
    for path in IMMUTABLE.get(new["kind"], ()):
        if _at(new, path) != _at(old, path):
            yield f"{'.'.join(path)}: Invalid value: field is immutable"


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
