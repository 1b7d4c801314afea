"""What is watched: our two kinds, and our own children, chosen by label on the server's side."""

from __future__ import annotations

from dataclasses import dataclass

from viridian.api.names import GROUP, MANAGED_BY, MANAGED_BY_LABEL, MODEL_DEPLOYMENT, RETRAIN_POLICY, VERSION
from viridian.controller.tracing import stream_name


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the API server."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


OWN = (
    Resource(GROUP, VERSION, "modeldeployments", MODEL_DEPLOYMENT),
    Resource(GROUP, VERSION, "retrainpolicies", RETRAIN_POLICY),
)
CHILDREN = (
    Resource("apps", "v1", "deployments", "Deployment"),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    Resource("", "v1", "services", "Service"),
    Resource("", "v1", "pods", "Pod"),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    Resource("batch", "v1", "jobs", "Job"),
)
CHILDREN_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


def expected_streams(namespaces: tuple[str, ...]) -> frozenset[str]:
    """The watches that must stand before the operator is ready."""
    return frozenset(
        stream_name(resource.plural, namespace)
        for resource in (*OWN, *CHILDREN)
        for namespace in (namespaces or (None,))
    )
