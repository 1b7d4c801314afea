"""Where the API server keeps the objects of a kind, and where it keeps those of our two kinds."""

from __future__ import annotations

from dataclasses import dataclass

from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, RETRAIN_POLICY


@dataclass(frozen=True, slots=True)
class ApiResource:
    """A resource of the API server."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        return self.api_version.rpartition("/")[2]


OWN = (
    ApiResource(API_VERSION, MODEL_DEPLOYMENT, "modeldeployments"),
    ApiResource(API_VERSION, RETRAIN_POLICY, "retrainpolicies"),
)
