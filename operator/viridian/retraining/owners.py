"""Whose the registered model is that a run is to be registered as: asked before it trains, and at each write."""

from __future__ import annotations

from collections.abc import Iterable

from viridian.api import reasons
from viridian.core.model_owners import OwnershipVerdict, Standing, judge
from viridian.core.plan import Action, Apply, ClaimModel, CreateRun, RegisterVersion, SetAlias, TagVersion
from viridian.retraining.checks import Problem
from viridian.retraining.situation import RetrainingState
from viridian.retraining.snapshot import Answers


def claimant(situation: RetrainingState) -> str:
    """In whose name a registered model is claimed."""
    return f"{situation.facts.namespace}/{situation.spec.model_deployment}"


def needs_the_model(actions: Iterable[Action]) -> bool:
    """Whether these write to the registered model, or train for it: training for a model of others is a waste."""
    return any(
        isinstance(action, RegisterVersion | SetAlias | TagVersion | CreateRun)
        or (isinstance(action, Apply) and action.manifest["kind"] == "Job")
        for action in actions
    )


def verdict(situation: RetrainingState, answers: Answers) -> OwnershipVerdict:
    """Whether the namespace may have the operator write to the model; only asked where the model is known."""
    model, owners = answers.questions.owners_of, answers.owners
    if not model or owners is None:
        return OwnershipVerdict(Standing.FOREIGN, "it is not known yet to whom the registered model belongs")
    return judge(model, owners, situation.facts.namespace, situation.facts.registry_models)


def claim(situation: RetrainingState, answers: Answers) -> ClaimModel:
    return ClaimModel(answers.questions.owners_of, claimant(situation))


def not_yours(found: OwnershipVerdict) -> Problem:
    message = f"{found.message}; no run trains for it or is handed over until then"
    return Problem(reasons.NOT_YOURS, message, lasting=True)
