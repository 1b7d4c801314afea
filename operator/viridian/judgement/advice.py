"""Which workflow suits a model: from the answers of its team, and from what was observed.

Some answers say which pace is needed, others which pace the team can keep. The advice is the pace that is needed, as
far as the team can keep it; where that is less, it names the next step. A high cost of failure asks for safeguards
whatever the workflow is, so these come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from viridian.api.context import Context, DataStability, FailureCost, Maturity, Purpose, Resources, ResponseTime
from viridian.api.workflow import Workflow

MANY_MODELS: Final = 12
"""Dozens begin here."""
SMALL_TEAM: Final = 2
"""People; fewer than three keep no quick pace."""
DAYS_OF_DAYS: Final = 7.0
"""Measured in days, what takes longer than this is not answered within days."""
LADDER: Final = tuple(Workflow)
"""The slowest pace first."""
SAFEGUARDS: Final = (
    "a wrong prediction is costly: compare each challenger with the champion on real requests before it is promoted "
    "(a step with a weight and minRequests), and keep the way back warm (spec.fallback.replicas: 1 or more), whatever "
    "the workflow"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedContext:
    """What was counted and measured; None where nobody looked."""

    models: int | None = None
    drift_fired: bool | None = None
    """Whether a monitor of drift or decay has fired in the newest window."""
    response_days: float | None = None
    """How long the last change took from its detection to the promotion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The workflow to choose, and why."""

    workflow: Workflow
    next: Workflow | None
    """The next step of the ladder, where more is needed than the team can keep now."""
    safeguards: tuple[str, ...]
    reasons: tuple[str, ...]
    contradictions: tuple[str, ...]
    """Where the answers do not fit what was observed. They are shown, and the answers count all the same."""

    @property
    def sentence(self) -> str:
        """All of it for people."""
        later = f", and grow into {self.next}" if self.next is not None else ""
        return "; ".join((*self.safeguards, f"choose workflow: {self.workflow}{later}", *self.reasons))


@dataclass(frozen=True, slots=True)
class _Vote:
    workflow: Workflow
    reason: str


def recommend(context: Context, observed: ObservedContext | None = None) -> Advice | None:
    """The advice; None without any answer about needs or the team."""
    seen = observed or ObservedContext()
    needs, means = list(_needs(context, seen)), list(_means(context))
    safeguards = (SAFEGUARDS,) if context.failure_cost is FailureCost.HIGH else ()
    if not (needs or means or safeguards):
        return None
    needed = max((vote.workflow for vote in needs), key=LADDER.index, default=None)
    possible = min((vote.workflow for vote in means), key=LADDER.index, default=None)
    chosen = min((one for one in (needed, possible) if one is not None), key=LADDER.index, default=Workflow.LINEAR)
    more = needed is not None and LADDER.index(needed) > LADDER.index(chosen)
    return Advice(
        workflow=chosen,
        next=LADDER[LADDER.index(chosen) + 1] if more else None,
        safeguards=safeguards,
        reasons=tuple(vote.reason for vote in (*needs, *means)),
        contradictions=tuple(_contradictions(context, seen)),
    )


def _needs(context: Context, observed: ObservedContext) -> Iterator[_Vote]:
    """Which pace is needed."""
    match context.data_stability:
        case DataStability.STABLE:
            yield _Vote(Workflow.LINEAR, "data and business are stable: Linear is enough")
        case DataStability.MODERATE:
            yield _Vote(Workflow.ITERATIVE, "data and business change at a moderate rate: Iterative")
        case DataStability.CHANGING:
            yield _Vote(Workflow.ITERATIVE, "data and business change: Iterative at least")
    models = context.models if observed.models is None else observed.models
    if models is not None and models >= MANY_MODELS:
        yield _Vote(Workflow.AGILE, f"{models} models are too many to be run by hand: Agile, with automation")
    elif models is not None:
        yield _Vote(Workflow.ITERATIVE, f"{models} models can each be looked after: Iterative")
    match context.response_time:
        case ResponseTime.DAYS:
            yield _Vote(Workflow.AGILE, "a change has to be answered within days: Agile")
        case ResponseTime.WEEKS:
            yield _Vote(Workflow.ITERATIVE, "a change may be answered within weeks: Iterative")
    match context.purpose:
        case Purpose.CORE:
            yield _Vote(Workflow.ITERATIVE, "the business depends on the model: Iterative")
        case Purpose.EXPERIMENTAL:
            yield _Vote(Workflow.AGILE, "the model is being tried: Agile")


def _means(context: Context) -> Iterator[_Vote]:
    """Which pace the team can keep."""
    match context.maturity:
        case Maturity.NEW:
            yield _Vote(Workflow.LINEAR, "the team is new to operating models: Linear first, then step by step")
        case Maturity.EXPERIENCED:
            yield _Vote(Workflow.AGILE, "the team is experienced: it can keep any pace")
    match context.resources:
        case Resources.LIMITED:
            yield _Vote(Workflow.LINEAR, "resources are limited: Linear")
        case Resources.MODERATE:
            yield _Vote(Workflow.ITERATIVE, "resources are moderate: Iterative at most")
        case Resources.AMPLE:
            yield _Vote(Workflow.AGILE, "resources are ample: they allow any pace")
    if context.team_size is not None and context.team_size <= SMALL_TEAM:
        yield _Vote(Workflow.ITERATIVE, f"a team of {context.team_size} cannot keep a quick pace: Iterative at most")


def _contradictions(context: Context, observed: ObservedContext) -> Iterator[str]:
    if context.data_stability is DataStability.STABLE and observed.drift_fired:
        yield "context.dataStability is Stable, and a monitor of drift or decay has fired: write Moderate or Changing"
    if (
        context.models is not None
        and observed.models is not None
        and (context.models >= MANY_MODELS) != (observed.models >= MANY_MODELS)
    ):
        yield f"context.models is {context.models}, and {observed.models} were counted: write models: {observed.models}"
    days = observed.response_days
    if context.response_time is ResponseTime.DAYS and days is not None and days > DAYS_OF_DAYS:
        yield f"context.responseTime is Days, and the last change took {days:.3g} days from detection to promotion"
