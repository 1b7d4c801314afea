"""What keeps a policy from doing its work: a chain of small checks, of which the first that finds something speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from viridian.api import reasons
from viridian.api.features import ModelFeatures
from viridian.api.stage import stage_place
from viridian.core.obstacles import Obstacles, outage, refusal
from viridian.core.templates import of_stage
from viridian.retraining.input import PolicyFacts, RegistryResult, Unavailable
from viridian.retraining.stages.built_in import template_of
from viridian.retraining.stages.built_in_checks import checks_problem
from viridian.retraining.stages.pod_template import problem as template_problem
from viridian.retraining.stages.resource import problem as resource_problem
from viridian.retraining.stages.stage_table import stages_of
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.blackouts import blackout_problems


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing goes on. `lasting`: it stays so until a person changes something."""

    reason: str
    message: str
    lasting: bool


Check = Callable[[RetrainingState], Problem | None]


def write_problem(obstacles: Obstacles) -> Problem | None:
    """Writes that the API server does not take. They are tried again, and keep nothing else from going on."""
    refused, delayed = refusal(obstacles), outage(obstacles)
    if refused is not None:
        return Problem(*refused, lasting=True)
    return Problem(*delayed, lasting=False) if delayed is not None else None


def templates_work(state: RetrainingState) -> Problem | None:
    image = state.facts.settings.trainer_image
    stages = {name: stage for name, stage in stages_of(state.spec).items() if stage.resource is None}
    templates = {name: template_of(name, stage, image) for name, stage in stages.items()}
    found = ((name, template_problem(template)) for name, template in templates.items())
    wrong = next((f"{stage_place(name)}.template {problem}" for name, problem in found if problem), None)
    return Problem(reasons.INVALID_SPEC, wrong, lasting=True) if wrong else None


def resources_work(state: RetrainingState) -> Problem | None:
    found = ((name, stage.resource) for name, stage in stages_of(state.spec).items() if stage.resource is not None)
    wrong = ((name, resource_problem(resource)) for name, resource in found)
    first = next((f"stages.{name}.resource {problem}" for name, problem in wrong if problem), None)
    return Problem(reasons.INVALID_SPEC, first, lasting=True) if first else None


def resources_are_allowed(state: RetrainingState) -> Problem | None:
    """Kinds of which the operator does not know that it may make them, or of which it may not read one."""
    allowed = {(one.api_version, one.kind) for one in state.facts.settings.stage_resources}
    kinds = {name: stage.resource.kind for name, stage in stages_of(state.spec).items() if stage.resource is not None}
    refused = next((name for name, kind in kinds.items() if kind not in allowed), None)
    if refused is not None:
        api_version, kind = kinds[refused]
        message = (
            f"stages.{refused}.resource is a {kind} of {api_version}, which this operator may not make: name it in "
            "training.resources of the chart, or in --stage-resource together with the right to it"
        )
        return Problem(reasons.RESOURCE_NOT_ALLOWED, message, lasting=True)
    unreadable = next(iter(state.facts.unreadable.values()), None)
    if unreadable is None:
        return None
    message = f"the operator cannot read the object of a stage: {unreadable}; give it the right, or install the CRD"
    return Problem(reasons.RESOURCE_NOT_ALLOWED, message, lasting=True)


def data_checks_fit(state: RetrainingState) -> Problem | None:
    validation = state.spec.stages.data_validation
    wrong = checks_problem(validation) if validation is not None else ""
    return Problem(reasons.INVALID_SPEC, f"stages.dataValidation.checks {wrong}", lasting=True) if wrong else None


def templates_are_allowed(state: RetrainingState) -> Problem | None:
    found = (of_stage(stage, name, state.facts.settings.templates) for name, stage in stages_of(state.spec).items())
    wrong = next(filter(None, found), None)
    return Problem(reasons.TEMPLATE_NOT_ALLOWED, wrong, lasting=True) if wrong else None


def deployment_exists(state: RetrainingState) -> Problem | None:
    if state.facts.deployment is not None:
        return None
    name = state.spec.model_deployment
    message = (
        f"there is no ModelDeployment {name} in this namespace: create it, or name another in spec.modelDeployment"
    )
    return Problem(reasons.MODEL_DEPLOYMENT_NOT_FOUND, message, lasting=False)


def deployment_follows_an_alias(state: RetrainingState) -> Problem | None:
    followed = state.facts.followed
    if followed is not None and followed.alias:
        return None
    pinned = f"pins version {followed.version}" if followed is not None else "names no model of the registry"
    message = (
        f"ModelDeployment {state.spec.model_deployment} {pinned}, so a new version would change nothing: write "
        "spec.model.registry {name: …, alias: candidate} there"
    )
    return Problem(reasons.NOTHING_TO_HAND_OVER_TO, message, lasting=True)


def registry_is_configured(state: RetrainingState) -> Problem | None:
    if state.facts.settings.mlflow_uri:
        return None
    message = "the operator runs without a registry: start it with --mlflow-uri or MLFLOW_TRACKING_URI"
    return Problem(reasons.REGISTRY_NOT_CONFIGURED, message, lasting=True)


def collector_is_known(state: RetrainingState) -> Problem | None:
    if state.facts.settings.collector or not collects(state.facts):
        return None
    message = (
        f"ModelDeployment {state.spec.model_deployment} collects feedback, but the operator knows no collector: "
        "start it with --collector-url, or remove spec.feedback there"
    )
    return Problem(reasons.NO_COLLECTOR, message, lasting=True)


CHECKS: tuple[Check, ...] = (
    templates_work,
    resources_work,
    resources_are_allowed,
    data_checks_fit,
    templates_are_allowed,
    deployment_exists,
    deployment_follows_an_alias,
    registry_is_configured,
    collector_is_known,
)


def first_problem(state: RetrainingState) -> Problem | None:
    """What keeps the policy from going on, as far as the cluster shows."""
    found = (check(state) for check in CHECKS)
    return next((problem for problem in found if problem is not None), None)


WAITED_FOR = (reasons.REGISTRY_UNAVAILABLE, reasons.COLLECTOR_UNAVAILABLE)
"""What ends by itself."""


def registry_problem(registry: RegistryResult | Unavailable) -> Problem | None:
    """What keeps it from going on at registry or collector; an answer is waited for, for as long as it takes."""
    if isinstance(registry, RegistryResult):
        return None
    return Problem(registry.reason, registry.message, lasting=registry.reason not in WAITED_FOR)


def trigger_problems(state: RetrainingState) -> Iterator[Problem]:
    """Triggers that do not occur, by the reason for it. They keep nothing else from going on."""
    bad = [trigger for trigger in state.triggers if trigger.problem]
    for reason, lasting in dict.fromkeys((trigger.reason, trigger.lasting) for trigger in bad):
        chosen = (trigger for trigger in bad if (trigger.reason, trigger.lasting) == (reason, lasting))
        message = "; ".join(f"trigger {trigger.name}: {trigger.problem}" for trigger in chosen)
        yield Problem(reason, message, lasting=lasting)


def blackout_problem(state: RetrainingState) -> Problem | None:
    """Blackouts that never begin. They keep nothing else from going on."""
    bad = "; ".join(blackout_problems(state.spec))
    return Problem(reasons.INVALID_SCHEDULE, bad, lasting=True) if bad else None


def data_problem(state: RetrainingState) -> Problem | None:
    """Data that was found not good enough. A person may start a run all the same; else it may be looked at again."""
    quality = state.data_quality
    lasting = quality.again_at is None
    return Problem(reasons.DATA_QUALITY_FAILED, quality.message, lasting=lasting) if quality.paused else None


def breaker_problem(state: RetrainingState) -> Problem | None:
    """Candidates that are rejected one after the other. A person may start a run all the same."""
    return Problem(reasons.CIRCUIT_OPEN, state.breaker.message, lasting=True) if state.breaker.is_open else None


def collects(facts: PolicyFacts) -> bool:
    """Whether the predictions of the ModelDeployment are remembered, so that runs are given rows."""
    spec = facts.deployment.spec if facts.deployment else None
    return spec is not None and spec.feedback is not None


def named_features(facts: PolicyFacts) -> ModelFeatures | None:
    """The definition of features that the ModelDeployment names."""
    spec = facts.deployment.spec if facts.deployment else None
    return spec.model.features if spec else None
