"""What of manifests is right each by itself, and seldom meant together: hints of `lint`, which end no pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from viridian.api import durations
from viridian.api.automation import Mode
from viridian.api.experiment_spec import Experiment
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.cli.located_yaml import FieldProblem
from viridian.people.policy_objects import spec_in_force
from viridian.rollout.step_names import step_name

Manifest = Mapping[str, Any]


def hints(policy: Manifest, others: Sequence[Manifest]) -> Iterator[FieldProblem]:
    """About a RetrainPolicy beside the manifests that go with it, all of which the API server would take."""
    if policy.get("kind") != RETRAIN_POLICY:
        return
    spec = spec_in_force(policy)
    place = _place(policy, spec.model_deployment)
    deployment = next(
        (one for one in others if one.get("kind") == MODEL_DEPLOYMENT and _place(one, _name(one)) == place), None
    )
    if deployment is None or spec.mode is not Mode.AUTOMATIC:
        return
    for step, experiment in _experiments(deployment):
        longest = durations.parse(experiment.max_duration)
        for index, trigger in enumerate(spec.triggers):
            pause = max(durations.parse(trigger.cooldown), durations.parse(spec.budget.cooldown))
            if pause < longest:
                message = (
                    f"the trigger {trigger.name} may start a run while the experiment of step {step} of the "
                    f"ModelDeployment {spec.model_deployment} is under way, and a candidate that passes ends it "
                    f"without a verdict: set cooldown: {experiment.max_duration} here or in spec.budget, or a shorter "
                    "maxDuration"
                )
                yield FieldProblem(("spec", "triggers", index), message)


def _experiments(deployment: Manifest) -> Iterator[tuple[str, Experiment]]:
    steps = msgspec.convert(deployment.get("spec"), ModelDeploymentSpec).rollout.steps
    for index, step in enumerate(steps):
        if step.experiment is not None:
            yield step_name(steps, index), step.experiment


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("name", ""))


def _place(manifest: Manifest, name: str) -> tuple[str, str]:
    return str(manifest["metadata"].get("namespace") or ""), name
