"""Which namespace owns the registered model of a run: checked before the run trains, and at each write."""

from __future__ import annotations

from collections.abc import Iterable

from viridian.api import reasons
from viridian.api.names import STAGE_LABEL
from viridian.core.lookup import labels_of
from viridian.core.model_owners import OwnershipVerdict, Standing, judge
from viridian.core.plan import Action, Apply, ClaimModel, CreateRun, RegisterVersion, SetAlias, TagVersion
from viridian.retraining.checks import Problem
from viridian.retraining.input import RegistryResult
from viridian.retraining.state import RetrainingState


def claimant(state: RetrainingState) -> str:
    """In whose name a registered model is claimed."""
    return f"{state.facts.namespace}/{state.spec.model_deployment}"


def needs_the_model(actions: Iterable[Action]) -> bool:
    """Whether these write to the registered model, or train for it: training for a model of others is a waste."""
    return any(
        isinstance(action, RegisterVersion | SetAlias | TagVersion | CreateRun)
        or (isinstance(action, Apply) and STAGE_LABEL in labels_of(action.manifest))
        for action in actions
    )


def verdict(state: RetrainingState, registry: RegistryResult) -> OwnershipVerdict:
    """Whether the namespace may have the operator write to the model; only checked where the model is known."""
    model, owners = registry.query.owners_of, registry.owners
    if not model or owners is None:
        return OwnershipVerdict(Standing.FOREIGN, "it is not known yet to whom the registered model belongs")
    return judge(model, owners, state.facts.namespace, state.facts.settings.registry_models)


def claim(state: RetrainingState, registry: RegistryResult) -> ClaimModel:
    return ClaimModel(registry.query.owners_of, claimant(state))


def not_yours(found: OwnershipVerdict) -> Problem:
    message = f"{found.message}; no run trains for it or is handed over until then"
    return Problem(reasons.NOT_YOURS, message, lasting=True)
