"""Observe the monitors of a ModelDeployment: its champion, the newest evaluation, and what its record remembers.

A pass waits for the collector and for the champion's pods. Only the workers of this reconciler wait for them, so no
rollout does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from viridian.api import reasons
from viridian.api.feedback import RetentionRules
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import (
    API_VERSION,
    MODEL_DEPLOYMENT_LABEL,
    MONITORING_ANNOTATION,
    RETRAIN_POLICY,
    REVIEW_ANNOTATION,
    REVIEWED_ANNOTATION,
    REVISION_LABEL,
    revision_record,
)
from viridian.api.samples import PodTarget
from viridian.controller.collector_rules import CollectorRules
from viridian.controller.evaluations import Evaluations, EvaluationSubject
from viridian.controller.keys import Key
from viridian.controller.listed_children import NOT_ASKED
from viridian.controller.observe_model_deployment import parse_spec
from viridian.controller.ownership import owned
from viridian.controller.reconcilable import Observed
from viridian.controller.status_parts import MONITORING
from viridian.core.lookup import dig, entries, text
from viridian.core.obstacles import Obstacles
from viridian.core.ownership import believed
from viridian.core.plan import Plan
from viridian.core.times import parse_time
from viridian.monitoring.decide import decide
from viridian.monitoring.input import EvaluationFailure, MonitoredRevision, MonitoringInput
from viridian.monitoring.windows import seconds
from viridian.ports.cluster import ClusterReader, Object, ObjectRef
from viridian.rollout.input import parse_records
from viridian.rollout.records import RevisionRecord
from viridian.rollout.slot_state import parse_pod, pod_target
from viridian.rollout.traffic.record import Traffic
from viridian.rollout.traffic.service import record_of


@dataclass(frozen=True, slots=True)
class CollectorWork:
    """What this operator does with the collector that it knows."""

    rules: CollectorRules
    evaluations: Evaluations


@dataclass(frozen=True, slots=True)
class MonitoredModels:
    """How the monitoring reconciler treats a ModelDeployment."""

    cluster: ClusterReader
    collector: CollectorWork | None
    """None where the operator knows no collector."""
    clock: Callable[[], datetime]
    monitored: set[Key] = field(default_factory=set)
    """The objects whose latest pass has read their children. Of the others no child matters."""

    async def observe(self, key: Key, manifest: Object) -> Observed[MonitoringInput]:
        metadata = manifest["metadata"]
        spec, _ = parse_spec(manifest)
        inputs = MonitoringInput(
            name=key.name,
            namespace=key.namespace,
            generation=metadata.get("generation", 0),
            spec=spec,
            status=manifest.get("status") or {},
            reviewed=(metadata.get("annotations") or {}).get(REVIEWED_ANNOTATION, ""),
            created=parse_time(metadata.get("creationTimestamp")),
            review_annotation=(metadata.get("annotations") or {}).get(REVIEW_ANNOTATION, ""),
        )
        is_monitored = spec is not None and (_uses_collector(spec) or bool(MONITORING.of(inputs.status)))
        (self.monitored.add if is_monitored else self.monitored.discard)(key)
        if spec is not None:
            rules_due = await self._send_rules(key, spec)
            if is_monitored:
                inputs = await self._evaluated(key, metadata, spec, inputs)
            times = [at for at in (inputs.next_pass, rules_due) if at is not None]
            inputs = replace(inputs, next_pass=min(times, default=None))
        return Observed(inputs, self.clock())

    def decide(self, observed: Observed[MonitoringInput], obstacles: Obstacles) -> Plan:
        return decide(replace(observed.input, obstacles=obstacles), observed.now)

    async def fail_closed(self, key: Key, manifest: Object, why: str) -> Plan | None:  # noqa: ARG002
        """Monitors move no traffic."""
        return None

    def by_lists(self, lists: ClusterReader) -> MonitoredModels:
        collector = self.collector and replace(self.collector, rules=CollectorRules(NOT_ASKED))
        return replace(self, cluster=lists, collector=collector)

    async def forget(self, key: Key) -> None:
        self.monitored.discard(key)
        if self.collector is None:
            return
        rules = self.collector.rules
        if rules.has_sent(key) and await self._is_anothers(key):
            rules.forget(key)
        self.collector.evaluations.forget(key)
        await rules.close(key)

    async def _is_anothers(self, key: Key) -> bool:
        """Whether the object is there and another installation serves it, with the collector.

        It may have sent its rules by now. To close them would have the collector refuse rows until it sends them again.
        """
        manifest = await self.cluster.get(key.reference)
        spec = parse_spec(manifest)[0] if manifest is not None else None
        return manifest is not None and (spec is None or _uses_collector(spec))

    async def _send_rules(self, key: Key, spec: ModelDeploymentSpec) -> datetime | None:
        """When to send them again."""
        if self.collector is None:
            return None
        if not _uses_collector(spec):
            self.collector.evaluations.forget(key)
            await self.collector.rules.close(key)
            return None
        return await self.collector.rules.send(key, _rules(spec), self.clock())

    async def _evaluated(
        self, key: Key, metadata: Mapping[str, Any], spec: ModelDeploymentSpec, inputs: MonitoringInput
    ) -> MonitoringInput:
        """The input with the champion, the newest evaluation, and the time of the next one."""
        world = await _read(self.cluster, key, metadata)
        inputs = replace(inputs, champion=world.champion, outdated_records=world.outdated(spec))
        if self.collector is None:
            return replace(inputs, evaluation=_without_collector(spec))
        splits = world.traffic.splits if world.traffic is not None and spec.feedback is not None else ()
        inputs = replace(inputs, next_pass=await self.collector.rules.log_splits(key, splits, self.clock()))
        if spec.monitoring is None or inputs.champion is None:
            self.collector.evaluations.forget(key)
            return inputs
        subject = EvaluationSubject(
            uid=metadata["uid"],
            monitoring=spec.monitoring,
            maturity=spec.feedback.label_maturity if spec.feedback else "0s",
            predictions_kept=spec.feedback is not None,
            revision=inputs.champion.revision,
            digest=world.digest,
            label=spec.feedback.label_definition if spec.feedback else "",
        )

        async def pods() -> Sequence[PodTarget]:
            return await _pods(self.cluster, key, world.traffic)

        found = await self.collector.evaluations.newest(key, subject, pods)
        times = [at for at in (inputs.next_pass, found.due) if at is not None]
        inputs = replace(inputs, evaluation=found.result, next_pass=min(times, default=None))
        return replace(inputs, counted=await self._counted(key)) if inputs.fires else inputs

    async def _counted(self, key: Key) -> frozenset[str]:
        """The monitors that triggers of RetrainPolicies name. It is asked for only while a monitor fires."""
        policies = await self.cluster.list(API_VERSION, RETRAIN_POLICY, key.namespace)
        mine = (policy for policy in policies if text(policy, "spec", "modelDeployment") == key.name)
        triggers = (trigger for policy in mine for trigger in entries(policy, "spec", "triggers"))
        named = (dig(trigger, "monitors", "names") for trigger in triggers)
        return frozenset(str(name) for names in named if isinstance(names, list) for name in names)


def _uses_collector(spec: ModelDeploymentSpec) -> bool:
    """Whether the collector has to do with it. Of any other object nothing is read."""
    return spec.feedback is not None or spec.monitoring is not None


def _rules(spec: ModelDeploymentSpec) -> RetentionRules:
    feedback = spec.feedback
    if feedback is None:
        return RetentionRules()
    columns = feedback.columns
    return RetentionRules(deny=columns.deny, hash=columns.hash, retention_seconds=seconds(feedback.retention))


def _without_collector(spec: ModelDeploymentSpec) -> EvaluationFailure | None:
    """Reported wherever a collector is required: otherwise its absence is noticed too late."""
    asking = [f"spec.{name}" for name in ("feedback", "monitoring") if getattr(spec, name) is not None]
    if not asking:
        return None
    message = (
        "the operator knows no collector, so no answer is kept and nothing is monitored: install one (Helm: "
        f"collector.install) or name one (--collector-url), or remove {' and '.join(asking)}"
    )
    return EvaluationFailure(reasons.NO_COLLECTOR, message)


# ---- the cluster


@dataclass(frozen=True, slots=True)
class _World:
    """What the monitors read of the cluster."""

    name: str
    traffic: Traffic | None
    records: Mapping[str, RevisionRecord]
    """By revision."""

    @property
    def champion(self) -> MonitoredRevision | None:
        if self.traffic is None:
            return None
        revision = self.traffic.revision
        record = revision_record(self.name, revision) if revision in self.records else ""
        return MonitoredRevision(revision, record, self._annotation(revision))

    @property
    def digest(self) -> str | None:
        record = self.records.get(self.traffic.revision) if self.traffic is not None else None
        return record.model.digest if record is not None else None

    def outdated(self, spec: ModelDeploymentSpec) -> tuple[str, ...]:
        """Records that are to remember nothing of monitors. While nobody serves, the champion is not known."""
        if spec.monitoring is not None and self.traffic is None:
            return ()
        kept = self.traffic.revision if spec.monitoring is not None and self.traffic is not None else ""
        others = (revision for revision in self.records if revision != kept and self._annotation(revision))
        return tuple(revision_record(self.name, revision) for revision in others)

    def _annotation(self, revision: str) -> str:
        record = self.records.get(revision)
        annotations = record.manifest["metadata"].get("annotations") if record is not None else None
        return str((annotations or {}).get(MONITORING_ANNOTATION, ""))


async def _read(cluster: ClusterReader, key: Key, metadata: Mapping[str, Any]) -> _World:
    uid, created = metadata["uid"], parse_time(metadata.get("creationTimestamp"))
    service = await cluster.get(ObjectRef("v1", "Service", key.namespace, key.name))
    live = service if service is not None and owned(service, key, uid) else None
    listed = await cluster.list("apps/v1", "ControllerRevision", key.namespace, {MODEL_DEPLOYMENT_LABEL: key.name})
    mine = [record for record in listed if owned(record, key, uid)]
    records = believed(mine, uid, created, [live] if live is not None else [])
    return _World(key.name, record_of(live), parse_records(records))


async def _pods(cluster: ClusterReader, key: Key, serving: Traffic | None) -> Sequence[PodTarget]:
    """The champion's pods that can be asked for its reference profile."""
    if serving is None:
        return ()
    labels = {MODEL_DEPLOYMENT_LABEL: key.name, REVISION_LABEL: serving.revision}
    pods = map(parse_pod, await cluster.list("v1", "Pod", key.namespace, labels))
    return [pod_target(key.namespace, key.name, serving.champion, pod) for pod in pods if pod.reachable]
