"""A RetrainPolicy with what belongs to it, as a person can read it, and what the operator would decide about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from viridian.api.child_kinds import child_kind
from viridian.api.names import RETRAIN_POLICY_LABEL
from viridian.api.resources import ApiResource
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.cli.cluster_client import ClusterClient
from viridian.cli.files import UnusableFile
from viridian.core.lookup import labels_of
from viridian.core.plan import Plan
from viridian.retraining.checks import Problem
from viridian.retraining.data_polls import open_polls
from viridian.retraining.decide import decide
from viridian.retraining.input import PolicyFacts, RegistryQuery, TrainingSettings, facts_of
from viridian.retraining.interpret import interpret
from viridian.retraining.runs import OpenStage, open_stages
from viridian.retraining.stages.stage_table import stages_of
from viridian.retraining.state import RetrainingState

_READ: Final = ("ControllerRevision", "Job", "Pod", "PersistentVolumeClaim")
"""What decides about a policy, and what everybody with the role `view` may read."""
_UNKNOWN: Final = "of-the-operator"
"""Addresses and images that only the operator knows. That there are any decides, not which."""


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """A RetrainPolicy and its objects, by kind."""

    manifest: Mapping[str, Any]
    children: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def of(self, kind: str) -> Sequence[Mapping[str, Any]]:
        return self.children.get(kind, ())


@dataclass(frozen=True, slots=True)
class DecidedPolicy:
    """What the operator's own code says about the world as it is."""

    state: RetrainingState
    problem: Problem | None
    """What keeps the policy from going on."""
    plan: Plan | None
    """None while a run is at work of which registry, collector or a kind of another project know more."""


def read_live_policy(client: ClusterClient, manifest: Mapping[str, Any]) -> LivePolicy:
    """The objects of a RetrainPolicy that is in the cluster."""
    metadata = manifest["metadata"]
    selector = f"{RETRAIN_POLICY_LABEL}={metadata['name']}"
    found = {kind: client.listed(child_kind(kind).resource, metadata["namespace"], selector) for kind in _READ}
    return LivePolicy(manifest, found)


def decided_policy(live: LivePolicy, deployment: Mapping[str, Any] | None, now: datetime) -> DecidedPolicy:
    """The decision of now, by the chain of steps that the operator runs.

    Of registry, collector and Prometheus it is assumed that the operator has them; they are not asked.
    """
    given = interpret(_facts(live, deployment), now)
    state = given.state
    if state is None:
        name = live.manifest["metadata"]["name"]
        raise UnusableFile(f"RetrainPolicy {name}: spec: {given.facts.invalid} (see `kubectl viridian lint`)")
    asks = given.query != RegistryQuery() or any(not one.kind.is_watched for one in _open(live))
    return DecidedPolicy(state, given.problem, None if asks else decide(given))


def _facts(live: LivePolicy, deployment: Mapping[str, Any] | None) -> PolicyFacts:
    jobs = {str(job["metadata"]["name"]): job for job in live.of("Job")}
    states = {
        one.object_name: one.kind.state(
            jobs.get(one.object_name),
            [pod for pod in live.of("Pod") if labels_of(pod).get(one.kind.pod_label) == one.object_name],
        )
        for one in _open(live)
    }
    facts = facts_of(
        live.manifest,
        deployment,
        live.of("Job"),
        states,
        TrainingSettings(mlflow_uri=_UNKNOWN, collector=True, prometheus=True, trainer_image=_UNKNOWN),
        records=live.of("ControllerRevision"),
        claims=live.of("PersistentVolumeClaim"),
    )
    if facts.spec is None:
        return facts
    return replace(facts, settings=replace(facts.settings, stage_resources=_resources(facts.spec)))


def _open(live: LivePolicy) -> tuple[OpenStage, ...]:
    return (
        *open_stages(live.manifest, live.of("ControllerRevision")),
        *open_polls(live.manifest, live.of("Job")),
    )


def _resources(spec: RetrainPolicySpec) -> tuple[ApiResource, ...]:
    """The kinds that stages name: whether the operator may make them, its flags say."""
    kinds = (stage.resource.kind for stage in stages_of(spec).values() if stage.resource is not None)
    return tuple(ApiResource(api_version, kind, "") for api_version, kind in kinds)
