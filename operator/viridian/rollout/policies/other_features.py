"""A challenger whose servers have another definition of features than it was made with: no user meets it."""

from __future__ import annotations

from viridian.api import reasons
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.feature_skew import is_let_through, skew, way_through
from viridian.rollout.policies.ways_back import rejection
from viridian.rollout.state import RolloutState


def has_other_features(state: RolloutState) -> RolloutDecision | None:
    """Before its trial as in it: pods that join later, or are started anew, may have another one than those before."""
    trial = state.serving.trial
    revision = trial.revision if trial is not None else state.challenger or ""
    problem = skew(state, state.other_slot, revision)
    if not problem or is_let_through(state, revision):
        return None
    return rejection(state, revision, reasons.FEATURE_SKEW, f"{problem}; {way_through(state, revision, retried=True)}")
