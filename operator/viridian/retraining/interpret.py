"""What the facts of a pass mean, worked out once: the state, what keeps it from going on, what is still to be read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from viridian.core.obstacles import Obstacles
from viridian.retraining.checks import Problem, first_problem
from viridian.retraining.input import PolicyFacts, RegistryQuery, RegistryResult, Unavailable
from viridian.retraining.queries import query_of
from viridian.retraining.state import RetrainingState, read_state


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingInput:
    """All that a decision about a RetrainPolicy is made from."""

    facts: PolicyFacts
    now: datetime
    # None for a policy that is being deleted, or does not fit the schema.
    state: RetrainingState | None = None
    # What keeps the policy from going on, as far as the cluster shows.
    problem: Problem | None = None
    query: RegistryQuery = field(default_factory=RegistryQuery)
    registry: RegistryResult | Unavailable = field(default_factory=RegistryResult)


def interpret(facts: PolicyFacts, now: datetime) -> RetrainingInput:
    """The input of a decision, but for what registry and collector know."""
    if facts.deleting or facts.spec is None:
        return RetrainingInput(facts=facts, now=now)
    state = read_state(facts, facts.spec, now)
    problem = first_problem(state)
    query = RegistryQuery() if problem is not None else query_of(state)
    return RetrainingInput(facts=facts, now=now, state=state, problem=problem, query=query)


def with_obstacles(given: RetrainingInput, obstacles: Obstacles) -> RetrainingInput:
    """The input with what keeps which object from being written: nothing of the state depends on that."""
    facts = replace(given.facts, obstacles=obstacles)
    return replace(given, facts=facts, state=replace(given.state, facts=facts) if given.state else None)
