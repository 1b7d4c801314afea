"""The ways back: a challenger is rejected, or a champion gives the traffic back to its fallback."""

from __future__ import annotations

from datetime import datetime

from viridian.api import reasons
from viridian.rollout.decision import RolloutDecision, Wait
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.record import BY_OPERATOR, ChampionCause, Reverted


def rejection(
    state: RolloutState,
    revision: str,
    reason: str,
    message: str,
    *,
    began: datetime | None = None,
    decided: datetime | None = None,
    by: str = BY_OPERATOR,
) -> RolloutDecision:
    """Of a challenger. `began` and `decided`: when a breach was first seen, and when its deciding answer was."""
    lost = Reverted(revision, reasons.REJECTED, reason, message, state.now, began, by, decided)
    return RolloutDecision.reject(state.serving, lost)


def rollback(
    state: RolloutState,
    reason: str,
    message: str,
    wait: Wait,
    *,
    began: datetime | None = None,
    decided: datetime | None = None,
    by: str = BY_OPERATOR,
    cause: ChampionCause = ChampionCause.ROLLED_BACK,
) -> RolloutDecision:
    """Of the champion, as soon as its fallback can take over; until then `wait`."""
    traffic, fallback = state.serving, state.fallback or ""
    if not state.serves(state.other_slot, fallback):
        return RolloutDecision.hold(traffic, wait)
    lost = Reverted(traffic.revision, reasons.ROLLED_BACK, reason, message, state.now, began, by, decided)
    return RolloutDecision.roll_back(traffic, fallback, lost, cause)
