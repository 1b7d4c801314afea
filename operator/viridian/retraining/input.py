"""Everything that a pass over a RetrainPolicy has read, frozen. What is not in here plays no part in a decision.

A pass reads in this order; each step is a plain function of what was read before:

1. the RetrainPolicy; the ModelDeployment that it names (`named_deployment`), or None; with the label
   `viridian.dev/retrain-policy=<name>`, all ControllerRevisions and all objects of the kinds that do work of stages;
   where `records.has_volumes(records)`, all PersistentVolumeClaims with that label as well;
2. for each stage that `runs.open_stages(policy, records)` gives, the Pods whose label `kind.pod_label` names its
   object, and what was seen of the object and of pods that have been deleted since: `kind.state(object, pods)`;
3. `facts_of(...)` makes the facts of the cluster out of that;
4. `interpret(facts, now)` says what they mean, and in `query` what to read from registry and collector;
   `RegistryResult` says how;
5. `decide(...)` of that, with what was read as its `registry`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from viridian.api import reasons
from viridian.api.address import secret_of, shown
from viridian.api.feedback import FrozenRows as FrozenRows
from viridian.api.model_source import RegistryModel
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.objective import Objective
from viridian.api.registry import LoggedModel, ModelVersion, TrainingRun
from viridian.api.resources import ApiResource
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.version_quality import QualityStatus
from viridian.api.workflow import Workflow
from viridian.core.lookup import Object, annotations_of, dig, entries, mapping, text
from viridian.core.model_owners import OwnerRule, Owners
from viridian.core.monitor_results import MonitorResults, parse_results
from viridian.core.obstacles import Obstacles
from viridian.core.pod_platform import OWN_USER, PodPlatform
from viridian.core.templates import NO_LIMITS, TemplateRules
from viridian.core.times import parse_time
from viridian.retraining.stages.state import StageState
from viridian.retraining.triggers.readings import Readings
from viridian.retraining.workflow_defaults import WorkflowInForce, effective, in_force, workflow_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The ModelDeployment whose model is retrained."""

    # None when the stored object does not fit the present schema.
    spec: ModelDeploymentSpec | None
    champion_version: str = ""
    champion_digest: str = ""
    champion_uri: str = ""
    champion_revision: str = ""
    # The version on trial, or its revision where it has no version; empty while nothing is.
    challenger: str = ""
    # Versions that the rollout has rejected and does not try again.
    rejected_versions: frozenset[str] = frozenset()
    # What its monitors have found, of whichever revision; None where they have found nothing.
    monitoring: MonitorResults | None = None
    # Why its monitors judge nothing now; empty while they do.
    not_judged: str = ""

    @property
    def champion_results(self) -> MonitorResults | None:
        """What its monitors have found of the present champion."""
        known = self.monitoring
        return known if known is not None and known.revision == self.champion_revision else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestRun:
    """The run that ended last, as far as triggers compare with it."""

    id: str
    began: datetime | None
    image: str
    # Empty where an older release made it.
    server: str
    # None where an older release made it.
    objective: Objective | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """What the operator's own configuration adds."""

    # The operator's MLflow, also handed to the stages; None when there is none.
    mlflow_uri: str | None = None
    # Whether the operator knows a collector of feedback.
    collector: bool = False
    # Whether it knows a Prometheus.
    prometheus: bool = False
    # Whether it has a receiver of events.
    receives_events: bool = True
    # Which namespaces may have which registered models written to.
    registry_models: tuple[OwnerRule, ...] = ()
    # The image in which built-in stages run.
    trainer_image: str = ""
    # The image of the model server where a ModelDeployment names no other one.
    server_image: str = ""
    # Kinds of objects that may do the work of stages, beside Jobs.
    stage_resources: tuple[ApiResource, ...] = ()
    # Labels of spot nodes.
    spot_nodes: tuple[str, ...] = ()
    # Names of the Secrets with which the images of stages are pulled.
    image_pull_secrets: tuple[str, ...] = ()
    # What pod templates may say.
    templates: TemplateRules = NO_LIMITS
    # What the platform gives each pod.
    platform: PodPlatform = OWN_USER


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """What the cluster shows."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    created: datetime
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False
    # With the defaults of its workflow. None when the stored object does not fit the schema; `invalid` says why.
    spec: RetrainPolicySpec | None
    invalid: str = ""
    workflow: WorkflowInForce | None = None
    status: Object = field(default_factory=dict)
    deployment: Deployment | None = None
    # All objects of stages and ControllerRevisions with the policy's label; whose they are is judged later.
    objects: tuple[Object, ...] = ()
    records: tuple[Object, ...] = ()
    # Objects of stages that could not be read, by name, and why.
    unreadable: Mapping[str, str] = field(default_factory=dict)
    # The PersistentVolumeClaims of runs.
    claims: tuple[Object, ...] = ()
    # What the object of a stage and its pods show, by the object's name.
    stages: Mapping[str, StageState] = field(default_factory=dict)
    # Objects of stages that this process has seen being deleted, as they were then, by name.
    deleted: Mapping[str, Object] = field(default_factory=dict)
    # Who wrote which field of the policy when, as the API server keeps it.
    managed_fields: tuple[Object, ...] = ()
    settings: TrainingSettings = TrainingSettings()
    # What was read beside the passes for the triggers, as far as it was.
    readings: Readings = field(default_factory=dict)
    # The run that ended last; None where there is none.
    latest_run: LatestRun | None = None
    # The known versions beside the champion; None where they cannot be compared.
    quality: QualityStatus | None = None
    # What keeps which object from being written.
    obstacles: Obstacles = field(default_factory=dict)

    @property
    def followed(self) -> RegistryModel | None:
        """What the ModelDeployment asks the registry for."""
        spec = self.deployment.spec if self.deployment else None
        return spec.model.registry if spec else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryQuery:
    """What a decision needs to know from registry and collector; an empty `key` means nothing at all."""

    experiment: str = ""
    key: str = ""
    mlflow_run: str = ""
    # Set when the run may have made a candidate: the name of the registered model.
    model: str = ""
    # The version that serves, where the ModelDeployment knows it.
    champion: str = ""
    # Its digest, where it has one.
    champion_digest: str = ""
    # Set when the run may lead to a write to this registered model: to whom it belongs is to be known first.
    owners_of: str = ""
    # The model that the run reported.
    reported: str = ""
    # Set when a run is about to begin and is to be given rows: the ModelDeployment whose feedback is collected.
    rows_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryResult:
    """What registry and collector know. With `q` for the query, the observer reads

    * with `q.key`: `run` = `registry.run(q.mlflow_run)` if there is one, else `registry.find_run(q.experiment, q.key)`;
    * with `q.model` also: `aliases` = those of `registry.model(q.model)`;
      if there is a run: `version_of_run(q.model, run.run_id)`, and `candidate` = `registry.version(q.model, that)`;
      `champion` = `registry.version(q.model, q.champion or aliases.get(ALIAS_CHAMPION))` if one of them is known;
    * with `q.owners_of`: `owners` = those of that registered model;
    * with `q.model` and a run: `logged` = `registry.logged_model(m-…)` of what `named_model` gives, where it is one;
    * with `q.rows_of`, and the run: `rows` = `feedback.freeze(namespace, q.rows_of, q.key)`, which returns the
      same each time; None where no row has been received yet.
    """

    query: RegistryQuery = field(default_factory=RegistryQuery)
    run: TrainingRun | None = None
    candidate: ModelVersion | None = None
    champion: ModelVersion | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    owners: Owners | None = None
    logged: LoggedModel | None = None
    rows: FrozenRows | None = None


def named_model(reported: str, run: TrainingRun | None, candidate: ModelVersion | None) -> str:
    """The model that a run made: as it was registered, else as MLflow knows the run, else as the run reported it."""
    if candidate is not None:
        return candidate.source
    return (run.model_uri if run is not None else None) or reported


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The registry or the collector did not answer, or it refused to."""

    # One of viridian.api.reasons.
    reason: str
    message: str


def named_deployment(policy: Object) -> str:
    """Name of the ModelDeployment that the policy is about, in its own namespace; empty when it names none."""
    return text(policy, "spec", "modelDeployment")


def facts_of(
    policy: Object,
    deployment: Object | None,
    objects: Sequence[Object],
    stages: Mapping[str, StageState],
    settings: TrainingSettings,
    *,
    records: Sequence[Object] = (),
    deleted: Mapping[str, Object] | None = None,
    claims: Sequence[Object] = (),
    unreadable: Mapping[str, str] | None = None,
) -> PolicyFacts:
    """The facts from the objects as the API server gave them."""
    known = None if deployment is None else _deployment(deployment)
    workflow = workflow_of(policy, promoted=known is not None and bool(known.champion_version))
    spec, invalid = _policy_spec(policy, workflow)
    return PolicyFacts(
        name=text(policy, "metadata", "name"),
        namespace=text(policy, "metadata", "namespace"),
        uid=text(policy, "metadata", "uid"),
        generation=int(dig(policy, "metadata", "generation") or 1),
        created=parse_time(text(policy, "metadata", "creationTimestamp")) or _LONG_AGO,
        annotations=annotations_of(policy),
        deleting=bool(text(policy, "metadata", "deletionTimestamp")),
        spec=spec,
        invalid=invalid,
        status=mapping(policy, "status"),
        deployment=known,
        workflow=in_force(mapping(policy, "spec"), workflow),
        objects=tuple(objects),
        records=tuple(records),
        stages=dict(stages),
        deleted=dict(deleted or {}),
        claims=tuple(claims),
        unreadable=dict(unreadable or {}),
        managed_fields=entries(policy, "metadata", "managedFields"),
        settings=settings,
    )


_LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def _deployment(manifest: Object) -> Deployment:
    return Deployment(
        spec=_deployment_spec(manifest),
        champion_version=text(manifest, "status", "champion", "version"),
        champion_digest=text(manifest, "status", "champion", "digest"),
        champion_uri=_champion_uri(manifest),
        champion_revision=text(manifest, "status", "champion", "revision"),
        challenger=text(manifest, "status", "challenger", "version")
        or text(manifest, "status", "challenger", "revision"),
        rejected_versions=frozenset(text(one, "version") for one in entries(manifest, "status", "rejected")),
        monitoring=parse_results(mapping(manifest, "status", "monitoring")),
        not_judged=_not_judged(manifest),
    )


def _not_judged(manifest: Object) -> str:
    """Why, in the words of its condition `Monitored`."""
    found = (one for one in entries(manifest, "status", "conditions") if one.get("type") == reasons.MONITORED)
    monitored = next(found, {})
    return text(monitored, "message") if monitored.get("status", "True") != "True" else ""


def _champion_uri(manifest: Object) -> str:
    """The status shows the address without its secrets; whole it stands in the spec, while it is still that one."""
    shown_uri, spec_uri = text(manifest, "status", "champion", "uri"), text(manifest, "spec", "model", "uri")
    if text(manifest, "status", "champion", "version") and secret_of(shown_uri) is not None:
        return ""  # a registry names no Secret of ours
    return spec_uri if spec_uri and shown(spec_uri) == shown_uri else shown_uri


def _policy_spec(policy: Object, workflow: Workflow | None) -> tuple[RetrainPolicySpec | None, str]:
    try:
        return msgspec.convert(effective(policy.get("spec"), workflow), RetrainPolicySpec), ""
    except msgspec.ValidationError as error:
        return None, str(error)


def _deployment_spec(deployment: Object) -> ModelDeploymentSpec | None:
    try:
        return msgspec.convert(deployment.get("spec"), ModelDeploymentSpec)
    except msgspec.ValidationError:
        return None
