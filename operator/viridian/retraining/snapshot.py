"""Everything that a pass over a RetrainPolicy has read, frozen. What is not in here plays no part in a decision.

A pass reads in this order; each step is a plain function of what was read before:

1. the RetrainPolicy; the ModelDeployment that it names (`named_deployment`), or None; all Jobs in the namespace with
   the label `viridian.dev/retrain-policy=<name>`;
2. for each Job name that `to_inspect(jobs)` gives, the Pods with the label `batch.kubernetes.io/job-name=<job>`,
   turned into a result by `job_result(job, pods)`;
3. `facts_of(...)` makes the facts of the cluster out of that;
4. `questions.ask(facts, now)` says what to read from the registry; `Answers` says how;
5. `decide(Snapshot(facts, answers), now)`, with the same `now`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from viridian.api.feedback import Snapshot as FrozenRows
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import OUTCOME_ANNOTATION
from viridian.api.registry import ModelVersion, TrainingRun
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.plan.conditions import moment
from viridian.retraining.objects import Object, annotations_of, dig, entries, mapping, text
from viridian.retraining.results import JobResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The ModelDeployment whose model is retrained."""

    # None when the stored object does not fit the present schema.
    spec: ModelDeploymentSpec | None
    champion_version: str = ""
    champion_uri: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the cluster shows."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    created: datetime
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False
    # None when the stored object does not fit the present schema; `invalid` says why.
    spec: RetrainPolicySpec | None
    invalid: str = ""
    status: Object = field(default_factory=dict)
    deployment: Deployment | None = None
    # All Jobs with the policy's label, as they were read; the uid of their owner is compared in here.
    jobs: tuple[Object, ...] = ()
    # What is known of the pods of a Job, by the Job's name.
    results: Mapping[str, JobResult] = field(default_factory=dict)
    # The operator's MLflow, also handed to the Jobs; None when there is none.
    mlflow_uri: str | None = None
    # Whether the operator knows a collector of feedback.
    collector: bool = False
    # With which sentence the API server refused the previous pass's write (422, 403), empty when it did not.
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a decision needs to know from registry and collector; an empty `key` means nothing at all."""

    experiment: str = ""
    key: str = ""
    mlflow_run: str = ""
    # Set when the run may have made a candidate: the name of the registered model.
    model: str = ""
    # The version that serves, where the ModelDeployment knows it.
    champion: str = ""
    # Set when a run is about to begin and is to be given rows: the ModelDeployment whose feedback is collected.
    rows_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the registry said. With `q` for the questions, the observer reads

    * with `q.key`: `run` = `registry.run(q.mlflow_run)` if there is one, else `registry.find_run(q.experiment, q.key)`;
    * with `q.model` also: `aliases` = those of `registry.model(q.model)`;
      if there is a run: `version_of_run(q.model, run.run_id)`, and `candidate` = `registry.version(q.model, that)`;
      `champion` = `registry.version(q.model, q.champion or aliases.get(ALIAS_CHAMPION))` if one of them is known;
    * with `q.rows_of`, and the run: `rows` = `feedback.freeze(namespace, q.rows_of, q.key)`, which asked again says the
      same; None where no row has been received yet.
    """

    questions: Questions = field(default_factory=Questions)
    run: TrainingRun | None = None
    candidate: ModelVersion | None = None
    champion: ModelVersion | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    rows: FrozenRows | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The registry or the collector was asked and did not answer, or it answered that it will not."""

    # One of viridian.api.reasons.
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A RetrainPolicy and its world."""

    facts: Facts
    registry: Answers | Unavailable = field(default_factory=Answers)


def named_deployment(policy: Object) -> str:
    """Name of the ModelDeployment that the policy is about, in its own namespace; empty when it names none."""
    return text(policy, "spec", "modelDeployment")


def to_inspect(jobs: Sequence[Object]) -> tuple[str, ...]:
    """Names of the Jobs whose pods have something to tell: all that are not decided about yet."""
    return tuple(text(job, "metadata", "name") for job in jobs if OUTCOME_ANNOTATION not in annotations_of(job))


def facts_of(
    policy: Object,
    deployment: Object | None,
    jobs: Sequence[Object],
    results: Mapping[str, JobResult],
    *,
    mlflow_uri: str | None,
    collector: bool = False,
    refused: str = "",
) -> Facts:
    """The facts from the objects as the API server gave them."""
    spec, invalid = _policy_spec(policy)
    return Facts(
        name=text(policy, "metadata", "name"),
        namespace=text(policy, "metadata", "namespace"),
        uid=text(policy, "metadata", "uid"),
        generation=int(dig(policy, "metadata", "generation") or 1),
        created=moment(text(policy, "metadata", "creationTimestamp")) or _LONG_AGO,
        annotations=annotations_of(policy),
        deleting=bool(text(policy, "metadata", "deletionTimestamp")),
        spec=spec,
        invalid=invalid,
        status=mapping(policy, "status"),
        deployment=None if deployment is None else _deployment(deployment),
        jobs=tuple(jobs),
        results=dict(results),
        mlflow_uri=mlflow_uri or None,
        collector=collector,
        refused=refused,
    )


_LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def _deployment(manifest: Object) -> Deployment:
    return Deployment(
        spec=_deployment_spec(manifest),
        champion_version=text(manifest, "status", "champion", "version"),
        champion_uri=text(manifest, "status", "champion", "uri"),
    )


def _policy_spec(policy: Object) -> tuple[RetrainPolicySpec | None, str]:
    try:
        return msgspec.convert(policy.get("spec"), RetrainPolicySpec), ""
    except msgspec.ValidationError as error:
        return None, str(error)


def _deployment_spec(deployment: Object) -> ModelDeploymentSpec | None:
    try:
        return msgspec.convert(deployment.get("spec"), ModelDeploymentSpec)
    except msgspec.ValidationError:
        return None


def owned_jobs(facts: Facts) -> tuple[Object, ...]:
    """The Jobs that this very policy made: a former policy of the same name had another uid."""
    return tuple(job for job in facts.jobs if facts.uid in _owners(job))


def _owners(job: Object) -> set[str]:
    return {text(owner, "uid") for owner in entries(job, "metadata", "ownerReferences")}
