"""The reconcilers, each with what it needs. A further one is a function here and a line in `controllers`.

| reconciler | of a | decides about | part of the status |
|---|---|---|---|
| rollout | ModelDeployment | pods and traffic | `ROLLOUT` |
| monitoring | ModelDeployment | what its monitors find in the collector's windows | `MONITORING` |
| registry-sync | ModelDeployment | tags and aliases in MLflow | `REGISTRY_SYNC` |
| retraining | RetrainPolicy | runs | `RETRAINING` |
| trail, trail-of-policies | each | the trail of audit, in the cluster and in MLflow | `TRAIL` |
"""

from __future__ import annotations

from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller import status_parts
from viridian.controller.analysis_answers import AnalysisAnswers
from viridian.controller.arrivals import Arrivals
from viridian.controller.collector_rules import CollectorRules
from viridian.controller.controller import Controller, controller
from viridian.controller.environment import Common
from viridian.controller.evaluations import Evaluations
from viridian.controller.event_outbox import EventOutbox
from viridian.controller.last_seen import LastSeen
from viridian.controller.observe_model_deployment import ModelDeployments
from viridian.controller.observe_monitoring import CollectorWork, MonitoredModels
from viridian.controller.observe_registry_sync import RegistrySync
from viridian.controller.observe_retrain_policy import RetrainPolicies
from viridian.controller.observe_trail import Trails
from viridian.controller.reference_profiles import ReferenceProfiles
from viridian.controller.resolve import Resolver
from viridian.controller.samples import Samples
from viridian.controller.switch_times import timing
from viridian.controller.trigger_readings import TriggerReadings
from viridian.controller.user_routes import UserRoutes


def controllers(common: Common) -> tuple[Controller, ...]:
    """All reconcilers, each with its queue."""
    sink = common.environment.sink
    outbox = EventOutbox(sink, common.telemetry.sent) if sink is not None else None
    trails = trail(common, MODEL_DEPLOYMENT, outbox), trail(common, RETRAIN_POLICY, outbox)
    return rollout(common), monitoring(common), registry_sync(common), retraining(common), *trails


def rollout(common: Common) -> Controller:
    """Who serves the users of a ModelDeployment."""
    environment, settings = common.environment, common.settings
    samples, streams, arrivals = Samples(environment.pods), environment.streams, None
    if streams is not None:
        arrivals = Arrivals(streams, samples, environment.clock, wake=lambda key: made.wake(key))
    subject = ModelDeployments(
        environment.cluster,
        Resolver(common.registry_tables, settings.mlflow_uri is not None, settings.requires_signature),
        environment.pods,
        samples,
        AnalysisAnswers(
            environment.prometheus, environment.feedback, environment.clock, wake=lambda key: made.wake(key)
        ),
        settings,
        environment.clock,
        UserRoutes(environment.cluster),
        common.policies_of,
        arrivals,
    )
    children = frozenset(
        {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy"}
        | {"ControllerRevision", "Pod", "HTTPRoute"}
    )
    made = controller(
        common,
        "rollout",
        MODEL_DEPLOYMENT,
        subject,
        status_parts.ROLLOUT,
        children=children,
        follows_registry=True,
        stand_by=subject.stand_by,
        wrote=timing(environment.clock, common.telemetry.figures.switched),
    )
    return made


def monitoring(common: Common) -> Controller:
    """What the monitors of a ModelDeployment find. It alone waits for the collector."""
    environment, collector = common.environment, common.environment.feedback
    work = None
    if collector is not None:
        profiles, metrics = ReferenceProfiles(environment.bundles), common.telemetry.monitoring
        evaluations = Evaluations(collector, profiles, metrics, environment.clock)
        work = CollectorWork(CollectorRules(collector), evaluations)
    subject = MonitoredModels(environment.cluster, work, environment.clock)
    return controller(
        common,
        "monitoring",
        MODEL_DEPLOYMENT,
        subject,
        status_parts.MONITORING,
        children=frozenset({"Service", "ControllerRevision"}),
        reads_children_of=subject.monitored.__contains__,
    )


def registry_sync(common: Common) -> Controller:
    """What the registry has still to learn of the decisions about a ModelDeployment."""
    environment = common.environment
    subject = RegistrySync(environment.cluster, common.registries, common.settings.registry_models, environment.clock)
    return controller(
        common,
        "registry-sync",
        MODEL_DEPLOYMENT,
        subject,
        status_parts.REGISTRY_SYNC,
        children=frozenset({"Service", "ControllerRevision"}),
    )


def retraining(common: Common) -> Controller:
    """The runs of a RetrainPolicy."""
    environment, last_seen = common.environment, LastSeen()
    readings = TriggerReadings(
        environment.prometheus, environment.feedback, environment.clock, wake=lambda key: made.wake(key)
    )
    subject = RetrainPolicies(
        environment.cluster,
        common.registries,
        environment.feedback,
        common.settings,
        environment.clock,
        last_seen,
        readings,
    )
    made = controller(
        common,
        "retraining",
        RETRAIN_POLICY,
        subject,
        status_parts.RETRAINING,
        children=frozenset({"Job", "Pod", "ControllerRevision"}),
        saw=last_seen.saw,
    )
    return made


def trail(common: Common, kind: str, outbox: EventOutbox | None) -> Controller:
    """The changes of an object's life, one entry for each."""
    environment = common.environment
    has_registry = common.settings.mlflow_uri is not None
    cluster = environment.cluster
    subject = Trails(cluster, cluster, common.registries, has_registry, outbox, environment.clock)
    children = frozenset({"ControllerRevision"})
    if kind == MODEL_DEPLOYMENT:
        return controller(common, "trail", kind, subject, status_parts.TRAIL, children=children)
    return controller(common, "trail-of-policies", kind, subject, status_parts.TRAIL_OF_POLICY, children=children)
