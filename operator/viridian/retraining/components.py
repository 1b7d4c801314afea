"""`status.components`: which parts of a model's life are configured, and for those that are absent, what to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from viridian.api.component_status import ComponentStatus
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.retraining.input import PolicyFacts

MAX_NAMES: Final = 5
"""Names that one message lists."""


@dataclass(frozen=True, slots=True)
class _ReadComponent:
    configured: bool
    message: str


def component_statuses(spec: RetrainPolicySpec, facts: PolicyFacts) -> Iterator[ComponentStatus]:
    """Every part, in the order in which a model's life goes through them."""
    deployment = facts.deployment.spec if facts.deployment is not None else None
    for name, read in COMPONENTS.items():
        part = read(spec, facts, deployment)
        yield ComponentStatus(name=name, state="Configured" if part.configured else "Absent", message=part.message)


def _data_versions(
    spec: RetrainPolicySpec, facts: PolicyFacts, deployment: ModelDeploymentSpec | None
) -> _ReadComponent:
    if spec.data is None:
        frozen = deployment is not None and deployment.feedback is not None and facts.settings.collector
        return _ReadComponent(frozen, "rows are frozen for each run" if frozen else "write spec.data with resolver: {}")
    if spec.data.resolver is not None:
        return _ReadComponent(True, "spec.data.resolver")
    if spec.data.revision:
        return _ReadComponent(True, "spec.data.revision")
    return _ReadComponent(False, "spec.data has an address that may change: write resolver: {} beside it")


def _features(spec: RetrainPolicySpec, _facts: PolicyFacts, deployment: ModelDeploymentSpec | None) -> _ReadComponent:
    named = deployment.model.features if deployment is not None else None
    parts = [
        *(["spec.stages.features"] if spec.stages.features is not None else []),
        *([f"definition {named.ref} of the ModelDeployment"] if named is not None else []),
    ]
    return _ReadComponent(bool(parts), ", ".join(parts) or "training makes its features by itself")


def _registry(spec: RetrainPolicySpec, facts: PolicyFacts, deployment: ModelDeploymentSpec | None) -> _ReadComponent:
    if deployment is None:
        return _ReadComponent(False, f"there is no ModelDeployment {spec.model_deployment}")
    model = deployment.model.registry
    if model is None:
        return _ReadComponent(
            False, f"ModelDeployment {spec.model_deployment} names no registered model: write model.registry"
        )
    if not facts.settings.mlflow_uri:
        return _ReadComponent(False, "the operator knows no MLflow: start it with --mlflow-uri")
    return _ReadComponent(True, f"registered model {model.name}")


def _feedback(spec: RetrainPolicySpec, facts: PolicyFacts, deployment: ModelDeploymentSpec | None) -> _ReadComponent:
    if deployment is None or deployment.feedback is None:
        return _ReadComponent(False, f"write feedback: {{}} in ModelDeployment {spec.model_deployment}")
    if not facts.settings.collector:
        return _ReadComponent(False, "the operator knows no collector: install it")
    return _ReadComponent(True, "predictions and outcomes are collected")


def _monitoring(spec: RetrainPolicySpec, _facts: PolicyFacts, deployment: ModelDeploymentSpec | None) -> _ReadComponent:
    monitors = deployment.monitoring.monitors if deployment is not None and deployment.monitoring is not None else ()
    if not monitors:
        return _ReadComponent(False, f"write monitoring: {{}} in ModelDeployment {spec.model_deployment}")
    return _ReadComponent(True, f"monitors {_names([monitor.name for monitor in monitors])}")


def _retraining(
    spec: RetrainPolicySpec, _facts: PolicyFacts, _deployment: ModelDeploymentSpec | None
) -> _ReadComponent:
    if not spec.triggers:
        return _ReadComponent(False, "only a person or an edit starts runs: write spec.triggers")
    return _ReadComponent(True, f"triggers {_names([trigger.name for trigger in spec.triggers])}")


def _names(names: list[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


ReadPart = Callable[[RetrainPolicySpec, PolicyFacts, ModelDeploymentSpec | None], _ReadComponent]
COMPONENTS: Final[Mapping[str, ReadPart]] = {
    "DataVersions": _data_versions,
    "Features": _features,
    "Registry": _registry,
    "Feedback": _feedback,
    "Monitoring": _monitoring,
    "Retraining": _retraining,
}
