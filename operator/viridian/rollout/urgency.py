"""How urgent the next look at a ModelDeployment is: whose users would notice one that comes late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viridian.api import reasons
from viridian.core.conditions import conditions_in, is_true
from viridian.core.urgency import Urgency
from viridian.rollout.analysis.judged import in_probation
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.slots import draining
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.drill_record import RUNNING


def urgency(state: RolloutState, decision: RolloutDecision) -> Urgency:
    """What a decision leaves behind."""
    traffic = decision.traffic
    if traffic is None:
        return Urgency.UNSETTLED
    proven = traffic.trial is None and traffic.drill is None
    if not proven or in_probation(state.spec, traffic, state.now) or draining(state, traffic):
        return Urgency.AT_STAKE
    champion = state.slot(traffic.champion)
    settled = champion is not None and champion.serves and not decision.challenger
    return Urgency.IDLE if settled else Urgency.UNSETTLED


def urgency_in(status: Mapping[str, Any]) -> Urgency:
    """What the status suggests that an earlier process left; the first pass finds out."""
    conditions, challenger = conditions_in(status.get("conditions")), status.get("challenger")
    on_trial = isinstance(challenger, Mapping) and "step" in challenger
    drill = status.get("drill")
    on_drill = isinstance(drill, Mapping) and drill.get("outcome") == RUNNING
    if on_trial or on_drill or any(condition.get("reason") == reasons.PROBATION for condition in conditions):
        return Urgency.AT_STAKE
    settled = is_true(conditions, reasons.READY) and not challenger
    return Urgency.IDLE if settled else Urgency.UNSETTLED
