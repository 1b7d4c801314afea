"""Chains of checks. Each check is asked in turn; the first one that has an answer decides."""

from __future__ import annotations

from collections.abc import Callable

from viridian.rollout.decision import RolloutDecision
from viridian.rollout.state import RolloutState

Check = Callable[[RolloutState], RolloutDecision | None]
Chain = tuple[Check, ...]


def first(chain: Chain, state: RolloutState) -> RolloutDecision | None:
    """The answer of the first check that has one."""
    return next((decision for check in chain if (decision := check(state)) is not None), None)
