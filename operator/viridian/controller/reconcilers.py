"""The reconcilers, each with what it needs. A further one is a function here and a line in `controllers`.

| reconciler | of a | decides about | part of the status |
|---|---|---|---|
| rollout | ModelDeployment | pods and traffic, what the registry is told, what the monitors say | `ROLLOUT` |
| retraining | RetrainPolicy | runs | `RETRAINING` |
"""

from __future__ import annotations

from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller import status_parts
from viridian.controller.controller import Controller, controller
from viridian.controller.environment import Common
from viridian.controller.last_seen import LastSeen
from viridian.controller.monitors import Monitors
from viridian.controller.observe_model_deployment import ModelDeployments
from viridian.controller.observe_retrain_policy import RetrainPolicies
from viridian.controller.reference_profiles import ReferenceProfiles
from viridian.controller.resolve import Resolver
from viridian.controller.samples import Samples


def controllers(common: Common) -> tuple[Controller, ...]:
    """All reconcilers, each with its queue."""
    return rollout(common), retraining(common)


def rollout(common: Common) -> Controller:
    """Who serves the users of a ModelDeployment."""
    environment, settings = common.environment, common.settings
    subject = ModelDeployments(
        environment.cluster,
        Resolver(common.views.shared, settings.mlflow_uri is not None, common.views.own, settings.requires_signature),
        Samples(environment.pods),
        settings,
        environment.clock,
        Monitors(environment.feedback, ReferenceProfiles(environment.bundles), common.telemetry.monitoring),
    )
    children = frozenset({"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "ControllerRevision", "Pod"})
    return controller(common, "rollout", MODEL_DEPLOYMENT, subject, status_parts.ROLLOUT, children=children)


def retraining(common: Common) -> Controller:
    """The runs of a RetrainPolicy."""
    environment, last_seen = common.environment, LastSeen()
    subject = RetrainPolicies(
        environment.cluster,
        common.registry,
        environment.feedback,
        common.settings,
        environment.clock,
        last_seen,
        common.own_registries,
    )
    return controller(
        common,
        "retraining",
        RETRAIN_POLICY,
        subject,
        status_parts.RETRAINING,
        children=frozenset({"Job", "Pod", "ControllerRevision"}),
        saw=last_seen.saw,
    )
