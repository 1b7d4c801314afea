"""What is watched without a trigger of its own: objective, training image and serving image, against the newest run.

A policy without a finished run has nothing to compare with, and so has one whose newest run is of an older release. An
objective that is written for the first time names what there was before: it is no change.

Where the same metrics only weigh otherwise, the known versions are scored again before anything is trained. While one
of them is better than the champion, the change starts no run by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.names import RUN_ANNOTATION, SERVER_CONTAINER, short_hash
from viridian.api.objective import Objective, ObjectiveMetric, WatchedEdit
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.core.lookup import entries, text
from viridian.retraining.input import Deployment, LatestRun, PolicyFacts
from viridian.retraining.stages.resource import first_image
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.trigger_state import TriggerHold, TriggerState

OBJECTIVE: Final = "objective"
RUNTIME: Final = "runtime"
SERVER: Final = "server"
_HOLDOUT_CHARACTERS: Final = 19
"""Of a digest that a message shows: `sha256:` and the first 12 of its own."""


def training_image(spec: RetrainPolicySpec) -> str:
    """The image of the training container, as the template has it, or the manifest of an object of another kind."""
    training = spec.stages.training
    return first_image(training.resource.manifest if training.resource is not None else training.template or {})


def serving_image(facts: PolicyFacts) -> str:
    """The image of the model server, as the ModelDeployment names it, or the operator's own; empty without either."""
    spec = facts.deployment.spec if facts.deployment is not None else None
    if spec is None:
        return ""
    containers = entries(spec.server.template or {}, "spec", "containers")
    named = (text(one, "image") for one in containers if text(one, "name") == SERVER_CONTAINER)
    return next(filter(None, named), facts.settings.server_image)


def read_objective(spec: RetrainPolicySpec, facts: PolicyFacts, _now: datetime) -> Iterator[TriggerState]:
    """Another definition of the label, or other metrics, than those that the newest run worked for."""
    latest, wanted = facts.latest_run, spec.objective or Objective()
    if latest is None or latest.objective is None or WatchedEdit.OBJECTIVE not in spec.run_on_change:
        return
    before = latest.objective
    if _differ(before.label_definition, wanted.label_definition):
        evidence = {"before": before.label_definition, "now": wanted.label_definition}
        yield _changed(OBJECTIVE, latest, wanted.label_definition, evidence)
    elif _differ(_metrics(before), _metrics(wanted)):
        metrics = msgspec.json.encode(_metrics(wanted)).decode()
        changed = _changed(OBJECTIVE, latest, f"metrics-{short_hash(metrics)}", {})
        yield replace(changed, hold=_better_version(facts) if _unweighted(before) == _unweighted(wanted) else None)


def read_runtime(spec: RetrainPolicySpec, facts: PolicyFacts, _now: datetime) -> Iterator[TriggerState]:
    """Another training image than that of the newest run."""
    latest, image = facts.latest_run, training_image(spec)
    if latest is None or latest.objective is None or WatchedEdit.RUNTIME not in spec.run_on_change:
        return
    if _is_another_image(latest.image, image):
        yield _changed(RUNTIME, latest, image, {"before": latest.image, "now": image})


def read_server(spec: RetrainPolicySpec, facts: PolicyFacts, _now: datetime) -> Iterator[TriggerState]:
    """Another serving image than at the newest run."""
    latest, image = facts.latest_run, serving_image(facts)
    if latest is None or WatchedEdit.SERVER not in spec.run_on_change:
        return
    if _is_another_image(latest.server, image):
        yield _changed(SERVER, latest, image, {"before": latest.server, "now": image})


def _is_another_image(before: str, now: str) -> bool:
    """Two names with one digest are one image."""
    digests = {image.partition("@")[2] for image in (before, now)}
    return _differ(before, now) and (len(digests) > 1 or "" in digests)


def _metrics(objective: Objective) -> list[ObjectiveMetric]:
    """In whatever order they are written."""
    return sorted(objective.metrics, key=lambda metric: metric.name)


def _unweighted(objective: Objective) -> list[ObjectiveMetric]:
    return [msgspec.structs.replace(metric, weight=1.0) for metric in _metrics(objective)]


def _better_version(facts: PolicyFacts) -> TriggerHold | None:
    """The metrics are the same and only weigh otherwise: a known version may be what is asked for."""
    quality, deployment = facts.quality, facts.deployment
    if quality is None or quality.best is None or deployment is None:
        return None
    score = next(one.score or 0.0 for one in quality.versions if one.version == quality.best)
    holdout, way = quality.holdout[:_HOLDOUT_CHARACTERS], _how_to_serve(quality.best, deployment)
    message = (
        f"version {quality.best} is {score:.2%} better than champion {quality.champion} by the weights of "
        f"spec.objective, on holdout {holdout}: {way}, or start a run with the annotation {RUN_ANNOTATION}"
    )
    return TriggerHold(reasons.KNOWN_VERSION_IS_BETTER, message)


def _how_to_serve(version: str, deployment: Deployment) -> str:
    followed = deployment.spec.model.registry if deployment.spec is not None else None
    if followed is not None and followed.alias:
        return f"set the alias {followed.alias} of {followed.name} to version {version} in MLflow"
    return f'write spec.model.registry.version: "{version}" into the ModelDeployment'


def _differ(before: Any, now: Any) -> bool:
    """What is written for the first time, or removed, is no change."""
    return bool(before) and bool(now) and before != now


def _changed(source: str, latest: LatestRun, value: str, evidence: dict[str, Any]) -> TriggerState:
    """The same change after another run is another cause, so the run is part of the key."""
    key = f"{source} after {latest.id}"
    return TriggerState(source=source, key=key, occurred=(Cause(source, value=value, key=key, evidence=evidence),))
