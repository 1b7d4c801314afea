"""Snapshots of a ModelDeployment `churn`, put together from small parts.

Versions are numbers as strings; `revision("2")` is what the operator makes of version 2 with the default spec. Slots
are built from the operator's own intents, so that a settled snapshot asks for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tests.support import churn
from tests.support.access import ACCESS
from viridian.api import reasons
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import OUTCOME_ANNOTATION, SYNCED_ANNOTATION, Slot, slot_deployment
from viridian.api.rejections import ModelRejection
from viridian.api.samples import Bucket, CodeClass, PodSample, ScrapeFailure, ScrapeProblem
from viridian.core.intent import with_intent_hash
from viridian.core.pods_waiting import Impediment
from viridian.core.times import format_time_micros
from viridian.rollout import records
from viridian.rollout.input import OperatorSettings, RolloutInput, Unresolved
from viridian.rollout.records import RevisionOutcome, RevisionRecord, ServedModel
from viridian.rollout.render import objects
from viridian.rollout.render.network_policy import policy
from viridian.rollout.render.objects import preview as preview_service
from viridian.rollout.render.pod_template import pod_template
from viridian.rollout.render.revision import revision_of
from viridian.rollout.slot_state import Pod, SlotState
from viridian.rollout.traffic.record import Traffic
from viridian.rollout.traffic.service import SERVICE

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SETTINGS = OperatorSettings(server_image="viridian-server:1", mlflow_uri="http://mlflow:5000", access=ACCESS)
SILENT = Unresolved(reasons.REGISTRY_UNAVAILABLE, "the registry does not answer", lasting=False)
NO_ALIAS = Unresolved(reasons.ALIAS_NOT_FOUND, "no alias 'candidate'", lasting=True)
NO_VERSION = Unresolved(reasons.VERSION_NOT_FOUND, "no version 2", lasting=True)
Object = dict[str, Any]


def ago(seconds: float) -> str:
    return format_time_micros(NOW - timedelta(seconds=seconds))


def ago_time(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def spec(**parts: Any) -> ModelDeploymentSpec:
    """The spec of the tests (two steps of 25 and 50 %), with some parts replaced."""
    return msgspec.convert(churn.manifest(**parts)["spec"], ModelDeploymentSpec)


def model(version: str) -> ServedModel:
    digest = "sha256:" + version.zfill(64)
    return ServedModel(uri=f"mlflow-artifacts:/churn/{version}", name="churn", version=version, digest=digest)


def revision(version: str, of: ModelDeploymentSpec | None = None, restart: str = "") -> str:
    whole = of or spec()
    return revision_of(model(version), whole.server, restart, whole.model.signature)


def outcome(
    word: str, seconds_ago: float, *, reason: str = "", message: str = "", by: str = "Viridian"
) -> RevisionOutcome:
    return RevisionOutcome(word, ago(seconds_ago), reason, message, by)


def promoted(seconds_ago: float = 3600) -> RevisionOutcome:
    return outcome(reasons.PROMOTED, seconds_ago)


def rejected(seconds_ago: float = 600, by: str = "Viridian") -> RevisionOutcome:
    return outcome(reasons.REJECTED, seconds_ago, reason=reasons.METRIC_BREACH, message="too many errors", by=by)


def record(version: str, *outcomes: RevisionOutcome, of: ModelDeploymentSpec | None = None) -> RevisionRecord:
    """The ControllerRevision of a version, whose outcomes the registry knows."""
    whole = of or spec()
    template = pod_template("churn", model(version), whole.server, SETTINGS, whole.model.signature)
    name, number = revision(version, whole), int(version)
    manifest = objects.record(_bare(whole), name, number, model(version), template)
    manifest["metadata"] |= {
        "uid": f"record-{version}",
        "annotations": {OUTCOME_ANNOTATION: records.dump(outcomes), SYNCED_ANNOTATION: outcomes[-1].at}
        if outcomes
        else {},
    }
    parsed = records.parse(manifest)
    assert parsed is not None
    return parsed


def slot(
    at: Slot,
    version: str,
    replicas: int = 2,
    *,
    ready: int | None = None,
    of: ModelDeploymentSpec | None = None,
    restarts: int = 0,
    complaint: str = "",
    refusal: ModelRejection | None = None,
    observed: bool = True,
    deadline_exceeded: bool = False,
    unavailable_for: float | None = None,
) -> SlotState:
    """A slot whose pods are all ready unless said otherwise."""
    whole, up = of or spec(), replicas if ready is None else ready
    template = pod_template("churn", model(version), whole.server, SETTINGS, whole.model.signature)
    manifest = with_intent_hash(objects.deployment(_bare(whole), at, revision(version, whole), template, replicas))
    conditions = [
        {"type": "Progressing", "status": str(not deadline_exceeded), "reason": "ProgressDeadlineExceeded"}
        if deadline_exceeded
        else {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        {
            "type": "Available",
            "status": str(unavailable_for is None),
            "lastTransitionTime": ago(unavailable_for or 0.0),
        },
    ]
    counts = {"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": up, "availableReplicas": up}
    deployment = {
        **manifest,
        "metadata": {**manifest["metadata"], "uid": f"deployment-{at}", "generation": 2},
        "status": {**counts, "observedGeneration": 2 if observed else 1, "conditions": conditions},
    }
    pods = tuple(
        Pod(
            uid=f"{at}-{number}",
            name=f"churn-{at}-{number}",
            revision=revision(version, whole),
            ip=f"10.0.{list(Slot).index(at)}.{number + 1}",
            ready=number < up,
            management_port=8081,
            restarts=restarts,
            impediment=_impediment(complaint) if number >= up else None,
            last_words=complaint if restarts else "",
            refusal=refusal if number >= up else None,
        )
        for number in range(replicas)
    )
    return SlotState(deployment, pods)


def _impediment(complaint: str) -> Impediment | None:
    """`container: what it says`."""
    container, colon, what = complaint.rpartition(": ")
    return Impediment(what, container if colon else "") if complaint else None


def snapshot(
    *,
    of: ModelDeploymentSpec | None = None,
    wanted: str | Unresolved = "1",
    traffic: Traffic | None = None,
    slots: Iterable[SlotState] = (),
    known: Iterable[RevisionRecord] = (),
    annotations: Mapping[str, str] | None = None,
    readings: Mapping[str, Sequence[PodSample | ScrapeFailure]] | None = None,
    **more: Any,
) -> RolloutInput:
    """The world of `churn`: the live Service as the traffic says, and every other object as it was made for it."""
    whole = of or spec()
    bare = _bare(whole)
    worlds = {Slot(world.deployment["metadata"]["labels"]["viridian.dev/slot"]): world for world in slots}
    templates = [world.deployment["spec"]["template"] for world in worlds.values()]
    live = _stored(SERVICE.objects(bare, whole.server.port, traffic)[0]) if traffic else None
    preview = _stored(preview_service(bare, whole.server.port, traffic.champion.other)) if traffic else None
    return replace(
        bare,
        annotations=annotations or {},
        slots=worlds,
        live=live,
        preview=preview,
        budgets={slot_deployment("churn", at): _stored(objects.budget(bare, at)) for at in worlds},
        network_policy=_stored(policy(bare, ACCESS, templates)) if templates else None,
        records={record.revision: record for record in known},
        model=wanted if isinstance(wanted, Unresolved) else model(wanted),
        readings=readings or {},
        **more,
    )


def commands(**values: str) -> dict[str, str]:
    """Annotations of people: `commands(reject="…")`."""
    return {f"viridian.dev/{command}": value for command, value in values.items()}


def answers(
    world: SlotState,
    requests: float,
    errors: float = 0.0,
    *,
    seconds: float = 0.02,
    since: float = 10,
    until: float = 0,
) -> dict[str, Sequence[PodSample]]:
    """Readings once a second of a slot's ready pods, which together answered so much between two moments ago."""
    ready = [pod for pod in world.pods if pod.ready]
    steps = int(since - until)
    shares = [step / steps for step in range(steps + 1)]
    return {
        pod.uid: tuple(
            sample(pod.uid, since - step, requests / len(ready) * share, errors / len(ready) * share, seconds)
            for step, share in enumerate(shares)
        )
        for pod in ready
    }


def sample(uid: str, seconds_ago: float, requests: float, errors: float = 0.0, seconds: float = 0.02) -> PodSample:
    """One reading of a pod all of whose answers took so long."""
    bounds = (0.05, 0.1, 0.25, 0.5, 1.0, float("inf"))
    return PodSample(
        uid=uid,
        at=NOW - timedelta(seconds=seconds_ago),
        requests={
            CodeClass.SUCCESS: requests - errors,
            CodeClass.CLIENT_ERROR: 0.0,
            CodeClass.SERVER_ERROR: errors,
        },
        latency=tuple(Bucket(bound=bound, count=requests if seconds <= bound else 0.0) for bound in bounds),
        duration_sum=seconds * requests,
    )


def unreadable(world: SlotState) -> dict[str, Sequence[ScrapeFailure]]:
    return {
        pod.uid: (ScrapeFailure(uid=pod.uid, at=NOW, problem=ScrapeProblem.TIMEOUT, message="/metrics is silent"),)
        for pod in world.pods
    }


def _bare(whole: ModelDeploymentSpec) -> RolloutInput:
    return RolloutInput(name="churn", namespace="default", uid="churn-uid", generation=1, spec=whole, settings=SETTINGS)


def _stored(intent: Object) -> Object:
    """The object as it was applied, with a uid."""
    stamped = json.loads(json.dumps(with_intent_hash(intent)))
    stamped["metadata"]["uid"] = f"uid-of-{stamped['metadata']['name']}"
    return dict(stamped)
